"""Checkpoints: all that a training is, so that one that was killed at any moment goes on as if nothing had happened.

They lie in the folder `checkpoint` of a run that is not finished, each in a folder named by the optimizer steps behind it: tensors in
safetensors, everything else in JSON. One is written aside, synced and then renamed, so that a folder of that name is whole; the one
before it is removed after that.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor

from hopgraph.errors import Diagnostic, HopgraphError
from hopgraph.train.run import CHECKPOINT, Epoch, SpecText

FORMAT = 1
TENSORS = "tensors.safetensors"
STATE = "state.json"
RESUME = ("the last good checkpoint is kept: once the cause is gone, the same command with `--resume` goes on from there",)


@dataclass(frozen=True)
class Origin:
    """What a training was asked for. One that goes on must be asked for the same."""

    spec: SpecText
    recipe: dict[str, Any]
    data: str
    seed: int
    processes: int
    strategy: str


@dataclass(frozen=True)
class State:
    """Where a training stands: `steps` optimizer steps of epoch `epoch`, counted from 0, are behind it.

    `order` is the state of the generator that draws the epoch's examples and their order, as it was before it drew them. `chance` has
    the states of the generators of each process. `tally` are the epoch's sums so far. `scaler` is that of float16, and `averaged`
    the number of steps that the average of the weights has seen.
    """

    origin: Origin
    epoch: int
    steps: int
    order: str
    chance: list[dict[str, Any]]
    tally: dict[str, tuple[int | float, int | float]] = field(default_factory=dict[str, tuple[int | float, int | float]])
    history: tuple[Epoch, ...] = ()
    scaler: dict[str, Any] = field(default_factory=dict[str, Any])
    averaged: int = 0
    format: int = FORMAT


@dataclass(frozen=True)
class Checkpoint:
    """A state with its tensors: `weights.NAME`, `average.NAME` and `optimizer.MOMENT.NAME`, by stored names."""

    state: State
    tensors: dict[str, Tensor]

    def named(self, prefix: str) -> dict[str, Tensor]:
        """The tensors of one kind, by what follows the prefix and a dot."""
        return {name.removeprefix(f"{prefix}."): tensor for name, tensor in self.tensors.items() if name.startswith(f"{prefix}.")}


# --- writing and reading ----------------------------------------------------------------------------------------------


def write_checkpoint(out: Path, number: int, checkpoint: Checkpoint) -> None:
    """Write a checkpoint after `number` steps into a run folder, and remove those before it. Raises HopgraphError."""
    folder = out / CHECKPOINT
    aside = folder / f".{number}"
    with written(out):
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        try:
            save_file({name: tensor.cpu().contiguous() for name, tensor in checkpoint.tensors.items()}, aside / TENSORS)
            (aside / STATE).write_text(json.dumps(asdict(checkpoint.state)) + "\n", encoding="utf-8")
            for path in (aside / TENSORS, aside / STATE, aside):
                sync(path)
            shutil.rmtree(folder / str(number), ignore_errors=True)
            aside.rename(folder / str(number))
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        sync(folder)
    for path in folder.iterdir():
        if path.name != str(number):
            shutil.rmtree(path, ignore_errors=True)


def read_checkpoint(out: Path) -> Checkpoint | None:
    """The last checkpoint of a run folder, None where none was finished. Raises HopgraphError where it is damaged."""
    numbers = [int(path.name) for path in _folders(out) if path.name.isdecimal()]
    if not numbers:
        return None
    folder = out / CHECKPOINT / str(max(numbers))
    try:
        state = TypeAdapter(State).validate_json((folder / STATE).read_text(encoding="utf-8"))
        tensors: dict[str, Tensor] = load_file(folder / TENSORS)
    except (OSError, UnicodeDecodeError, ValidationError, SafetensorError) as error:
        raise damaged(folder, type(error).__name__) from None
    if state.format != FORMAT:
        raise damaged(folder, f"it is of format {state.format}, and this version reads format {FORMAT}")
    return Checkpoint(state, tensors)


def has_checkpoint(out: Path) -> bool:
    """Whether a run folder has a whole checkpoint."""
    return any(path.name.isdecimal() for path in _folders(out))


def damaged(folder: Path, reason: str) -> HopgraphError:
    """What is said of a checkpoint that cannot be used."""
    helps = ("start again with `--force`",)
    return HopgraphError(Diagnostic("checkpoint-damaged", f"the checkpoint `{folder}` cannot be read: {reason}", helps=helps))


def _folders(out: Path) -> Iterator[Path]:
    folder = out / CHECKPOINT
    yield from folder.iterdir() if folder.is_dir() else ()


def sync(path: Path) -> None:
    """Have the system write a file, or the names in a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def written(out: Path) -> Generator[None]:
    """Raise HopgraphError, saying how to go on, where a run folder cannot be written, as on a full disk."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        helps = RESUME if has_checkpoint(out) else ()
        message = f"`{out}` could not be written: {reason}"
        raise HopgraphError(Diagnostic("checkpoint-failed", message, helps=helps)) from None


# --- the same training ------------------------------------------------------------------------------------------------


def require_same(recorded: Origin, asked: Origin, out: Path) -> None:
    """Raise HopgraphError, with every difference, where a training is asked to go on that was begun as another."""
    found = list(_differences(recorded, asked))
    if found:
        helps = ("give the command that it was begun with, or another `--out`, or begin again with `--force`",)
        message = f"`{out}` was begun with another {found[0][0]}"
        raise HopgraphError(Diagnostic("resume-differs", message, notes=tuple(note for _, note in found), helps=helps))


def _differences(recorded: Origin, asked: Origin) -> Iterator[tuple[str, str]]:
    """What differs, and how. The name of a spec is left out: it may be a path."""
    old, new = recorded.spec, asked.spec
    if old.text != new.text:
        yield "spec", f"the text of the spec `{old.name}` is not that of `{new.name}`"
    for what, before, now in (("variant", old.variants, new.variants), ("setting", old.settings, new.settings)):
        if before != now:
            yield what, f"its {what}s were {', '.join(before) or 'none'}, and are {', '.join(now) or 'none'}"
    for name in ("data", "seed", "processes", "strategy"):
        if getattr(recorded, name) != getattr(asked, name):
            yield name, f"`{name}` was {getattr(recorded, name)}, and is {getattr(asked, name)}"
    yield from _recipe_differences(recorded.recipe, asked.recipe, ())


def _recipe_differences(old: Mapping[str, Any], new: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for name in dict.fromkeys((*old, *new)):
        before, now = old.get(name), new.get(name)
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            yield from _recipe_differences(before, now, (*path, name))  # pyright: ignore[reportUnknownArgumentType]
        elif before != now:
            yield "recipe", f"`{'.'.join((*path, name))}` was {json.dumps(before)}, and is {json.dumps(now)}"


# --- chance -----------------------------------------------------------------------------------------------------------


def chance() -> dict[str, Any]:
    """The states of all generators of this process that have no owner: torch's, numpy's and Python's."""
    name, key, place, has_gauss, gauss = np.random.get_state(legacy=True)
    version, words, following = random.getstate()
    return {
        "torch": packed(torch.get_rng_state()),
        "cuda": packed(torch.cuda.get_rng_state()) if torch.cuda.is_initialized() else None,
        "numpy": [name, np.asarray(key).tolist(), place, has_gauss, gauss],
        "python": [version, list(words), following],
    }


def restore_chance(state: Mapping[str, Any]) -> None:
    """Bring these generators back to where they were."""
    torch.set_rng_state(unpacked(state["torch"]))
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(unpacked(state["cuda"]))
    name, key, place, has_gauss, gauss = state["numpy"]
    np.random.set_state((name, np.asarray(key, dtype=np.uint32), place, has_gauss, gauss))
    version, words, following = state["python"]
    random.setstate((version, tuple(words), following))


def packed(state: Tensor) -> str:
    """The bytes of a generator's state as a text."""
    return bytes(state.cpu().numpy()).hex()


def unpacked(text: str) -> Tensor:
    """The bytes that a text holds."""
    return torch.frombuffer(bytearray.fromhex(text), dtype=torch.uint8)
