"""A run: the folder that training writes, with weights in safetensors and everything else in JSON. Loading it runs no code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor

from hopgraph.errors import Diagnostic, HopgraphError, Source
from hopgraph.files import new_folder
from hopgraph.lower.model import Model, compile_model
from hopgraph.passes.pipeline import CheckedSpec, load

FORMAT = 3
WEIGHTS = "model.safetensors"
RECORD = "run.json"
CHECKPOINT = "checkpoint"
"""The folder of the last checkpoint, in a run that is not finished."""


@dataclass(frozen=True)
class SpecText:
    """A spec as it was compiled: its text and what was laid over it."""

    name: str
    text: str
    variants: tuple[str, ...]
    settings: tuple[str, ...]

    @staticmethod
    def of(spec: CheckedSpec) -> SpecText:
        """The text of a checked spec."""
        loaded = spec.loaded
        return SpecText(loaded.source.name, loaded.source.text, loaded.variants, loaded.settings)

    def load(self) -> CheckedSpec:
        """Check it again. Raises HopgraphError."""
        return load(Source(self.name, self.text), self.variants, self.settings)


@dataclass(frozen=True)
class Epoch:
    """What one epoch measured. `loss` is the mean training loss, the penalty of asymmetric pulls included.

    `train` and `test` are the values that the task measures, by name: in training as the weights were at each step. `test` is empty
    after an epoch that was not tested.
    """

    loss: float
    penalty: float
    train: dict[str, float]
    test: dict[str, float]
    seconds: float
    weight_asymmetry: dict[str, float]


@dataclass(frozen=True)
class Record:
    """The JSON of a run: its spec, its data, the recipe and seed that trained it. Imported weights have no recipe, task and history."""

    format: int
    spec: SpecText
    data: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    labels: tuple[str, ...]
    recipe: dict[str, Any]
    versions: dict[str, str]
    history: tuple[Epoch, ...] = field(default=())
    task: str = ""
    seed: int = 0

    @property
    def test(self) -> dict[str, float]:
        """What was measured on the test split after the last epoch."""
        return self.history[-1].test if self.history else {}

    @property
    def summary(self) -> str:
        """`test accuracy 0.9722`."""
        return told(self.test)


def told(test: dict[str, float], digits: int = 4) -> str:
    """Values measured on a test split, in words."""
    return ", ".join(f"test {words(name)} {value:.{digits}f}" for name, value in test.items())


def words(name: str) -> str:
    """The name of a measured value as it is read: `nats per byte`."""
    return name.replace("_", " ")


@dataclass(frozen=True)
class Run:
    """A run that was read: its folder, its record, its spec and its trained model, on the CPU."""

    path: Path
    record: Record
    spec: CheckedSpec
    model: Model


def write_run(path: Path, record: Record, weights: dict[str, Tensor], force: bool = False, files: Mapping[str, str] | None = None) -> None:
    """Write a run folder, whole or not at all, with further text files beside the weights. Raises HopgraphError."""
    with new_folder(path, force) as folder:
        fill(folder, record, weights, files)


def fill(folder: Path, record: Record, weights: dict[str, Tensor], files: Mapping[str, str] | None = None) -> None:
    """Write a run's files into a folder."""
    save_file({name: tensor.contiguous().cpu() for name, tensor in weights.items()}, folder / WEIGHTS)
    for name, text in (files or {}).items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / RECORD).write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")


def read_run(path: Path) -> Run:
    """Read a run folder. Raises HopgraphError where it is missing, damaged, unfinished or of another version."""
    record = read_record(path)
    spec = record.spec.load()
    model = compile_model(spec)
    load_weights(model, path / WEIGHTS, path)
    return Run(path, record, spec, model.eval())


def read_record(path: Path) -> Record:
    """Read the record of a run folder. Raises HopgraphError where the run cannot be read."""
    missing = next((name for name in (RECORD, WEIGHTS) if not (path / name).is_file()), None)
    if missing and (path / CHECKPOINT).is_dir():
        helps = ("give the command that began it with `--resume`",)
        raise HopgraphError(Diagnostic("run-unfinished", f"the training of `{path}` has not ended", helps=helps))
    if missing:
        raise _damaged(path, f"it has no {missing}" if path.is_dir() else "there is no such folder")
    try:
        content = json.loads((path / RECORD).read_text(encoding="utf-8"))
        number = content.get("format", FORMAT) if isinstance(content, dict) else FORMAT  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        if number != FORMAT:
            raise _damaged(path, f"it is of format {number}, and this version reads format {FORMAT}")
        return TypeAdapter(Record).validate_python(content, strict=False)
    except ValueError as error:  # also what is no JSON, no UTF-8 or no record
        raise _damaged(path, f"{RECORD} is not a run's record ({type(error).__name__})") from None


def load_weights(model: Model, file: Path, owner: Path) -> None:
    """Load a safetensors file into a model; names and shapes must be the model's own. Raises HopgraphError."""
    try:
        weights = load_file(file)
    except (SafetensorError, OSError) as error:
        raise _damaged(owner, f"{file.name} cannot be read ({error})") from None
    wanted: dict[str, Any] = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if wanted != given:
        different = sorted(set(wanted.items()) ^ set(given.items()))
        raise _damaged(owner, f"{file.name} does not hold the spec's weights: `{different[0][0]}` differs")
    model.load_state_dict(weights)


def _damaged(path: Path, reason: str) -> HopgraphError:
    message = f"`{path}` is not a run that can be read: {reason}"
    return HopgraphError(Diagnostic("run-damaged", message, helps=("`hopgraph train` writes one",)))
