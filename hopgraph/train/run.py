"""A run: the folder that training writes, with weights in safetensors and everything else in JSON. Loading it runs no code."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor

from hopgraph.errors import Diagnostic, HopgraphError, Source
from hopgraph.files import new_folder
from hopgraph.lower.model import Model, compile_model
from hopgraph.passes.pipeline import CheckedSpec, load

FORMAT = 2
WEIGHTS = "model.safetensors"
RECORD = "run.json"


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

    `train` and `test` are the values that the task measures, by name: in training as the weights were at each step.
    """

    loss: float
    penalty: float
    train: dict[str, float]
    test: dict[str, float]
    seconds: float
    weight_asymmetry: dict[str, float]


@dataclass(frozen=True)
class Record:
    """The JSON of a run. Weights that were not trained here have no task and no history."""

    format: int
    spec: SpecText
    data: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    labels: tuple[str, ...]
    settings: dict[str, float | int]
    versions: dict[str, str]
    history: tuple[Epoch, ...] = field(default=())
    task: str = ""

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
    """A run that was read: its record, its spec and its trained model, on the CPU."""

    record: Record
    spec: CheckedSpec
    model: Model


def write_run(path: Path, record: Record, weights: dict[str, Tensor], force: bool = False) -> None:
    """Write a run folder, whole or not at all. Raises HopgraphError."""
    with new_folder(path, force) as folder:
        save_file({name: tensor.contiguous().cpu() for name, tensor in weights.items()}, folder / WEIGHTS)
        (folder / RECORD).write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")


def read_run(path: Path) -> Run:
    """Read a run folder. Raises HopgraphError where it is missing, damaged or of another version."""
    if not (path / RECORD).is_file() or not (path / WEIGHTS).is_file():
        reason = f"it has no {RECORD if not (path / RECORD).is_file() else WEIGHTS}" if path.is_dir() else "there is no such folder"
        raise _damaged(path, reason)
    try:
        record = TypeAdapter(Record).validate_json((path / RECORD).read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        raise _damaged(path, f"{RECORD} is not a run's record ({type(error).__name__})") from None
    if record.format != FORMAT:
        raise _damaged(path, f"it is of format {record.format}, and this version reads format {FORMAT}")
    spec = record.spec.load()
    model = compile_model(spec)
    load_weights(model, path / WEIGHTS, path)
    return Run(record, spec, model.eval())


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
