"""Parity: an exported file against a float64 run of the model. A file that misses the tolerance is not written."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hopgraph.errors import Diagnostic, HopgraphError
from hopgraph.lower.model import Model
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.program.program import Program
from hopgraph.runtime.manifest import Port
from hopgraph.runtime.record import Array, Predict

TOLERANCE = {"float32": 1e-5, "float16": 2e-3, "bfloat16": 1e-2, "int8": 0.2, "fp8": 0.3}
"""The largest relative error of an exported file by its dtype. Every check reads this table.

Those of eight bits are somewhat more than the worst single image of ten trained models, 0.124 and 0.25. They are for real inputs
alone: random ones lie outside the range that was calibrated.
"""
CALIBRATED = ("int8", "fp8")
"""The dtypes whose errors at random inputs are told and not judged."""

BATCHES = (1, 2, 7)
"""The batch sizes at which files are compared, beside the largest."""

MOST_BYTES = 2**28
"""The largest batch is compared as far as no tensor in it is larger than this."""


@dataclass(frozen=True)
class Sample:
    """As many inputs as the largest of BATCHES, and what the model makes of each in float64."""

    inputs: NDArray[Any]
    outputs: NDArray[np.float64]

    def batch(self, size: int) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """A batch of that size, each batch beginning elsewhere; beyond what there is the examples repeat."""
        chosen = (np.arange(size) + size) % len(self.inputs)
        return self.inputs[chosen], self.outputs[chosen]


@dataclass(frozen=True)
class Reference:
    """What files are compared with: random inputs, and real ones where data are at hand; the same of each `shorter` length."""

    random: Sample
    real: Sample | None
    batches: tuple[int, ...]
    shorter: Mapping[int, Reference] = field(default_factory=dict[int, "Reference"])

    @staticmethod
    def of(model: Model, real: NDArray[Any] | None, largest: int, smallest: int = 1) -> Reference:
        """Of a model; `real` are inputs as it reads them, `largest` and `smallest` the batches that are wanted."""
        count = max(BATCHES)
        drawn = sample(port_of_input(model), count, np.random.default_rng(0))
        given = None if real is None or len(real) == 0 else real[np.arange(count) % len(real)]
        top = max(smallest, min(largest, MOST_BYTES // _largest_value(model.program)))
        batches = tuple(dict.fromkeys((*(size for size in BATCHES if smallest <= size < top), top)))
        return Reference(_sample(model, drawn), None if given is None else _sample(model, given), batches)

    def error(self, predict: Predict, which: Sample) -> float:
        """The largest relative error over the batches."""
        pairs = [which.batch(size) for size in self.batches]
        return relative_error([predict(inputs) for inputs, _ in pairs], [outputs for _, outputs in pairs])

    def check(self, name: str, predict: Predict, dtype: str) -> tuple[float, float | None]:
        """The errors of a file at random and at real inputs. Raises HopgraphError where one exceeds the tolerance of its dtype."""
        shorter = [each.check(f"{name} at the length {length}", predict, dtype) for length, each in self.shorter.items()]
        found = self.error(predict, self.random)
        random = found if dtype in CALIBRATED else checked_error(name, dtype, found)
        real = None if self.real is None else checked_error(name, dtype, self.error(predict, self.real))
        errors = [(random, real), *shorter]
        return max(error for error, _ in errors), max((error for _, error in errors if error is not None), default=None)


def checked_error(name: str, dtype: str, error: float) -> float:
    """The error itself. Raises HopgraphError where it exceeds the tolerance of its dtype."""
    if not error <= TOLERANCE[dtype]:
        message = f"`{name}` differs from the model by {error:.1e} (relative), and {dtype} may by {TOLERANCE[dtype]:.0e}"
        raise HopgraphError(Diagnostic("parity", message, helps=_HELPS.get(dtype, _DEFECT)))
    return error


_DEFECT = ("this is a defect of the exporter or of the runtime: please report it",)
_FEW_BITS = ("the model is too sensitive for so few bits: export it in float32",)
_HELPS = {dtype: _FEW_BITS for dtype in TOLERANCE if dtype != "float32"}


def _sample(model: Model, inputs: NDArray[Any]) -> Sample:
    return Sample(inputs, reference(model, [inputs])[0])


def _largest_value(program: Program) -> int:
    """The bytes, in float32, of the largest tensor that one example makes."""
    return 4 * max(math.prod(statement.output.shape) for statement in program.flat() if statement.output.batched)


def port_of_input(model: Model, least: CheckedSpec | None = None) -> Port:
    """The model's input, as a manifest tells it; `least` is the spec at the smallest length, none where lengths are fixed."""
    given, (value,) = model.ham.input, model.program.inputs
    dtype, smallest = "int64" if value.integer else "float32", given.shape if least is None else least.ham.input.shape
    return Port(value.name, given.kind, dtype, tuple(given.axes), given.shape, smallest, given.vocabulary)


def sample(port: Port, batch: int, generator: np.random.Generator) -> NDArray[Any]:
    """A batch of random inputs: tokens, or normal numbers."""
    if port.vocabulary is not None:
        return generator.integers(port.vocabulary, size=(batch, *port.shape))
    return generator.standard_normal((batch, *port.shape), dtype=np.float32)


def sample_inputs(model: Model, seed: int = 0) -> list[NDArray[Any]]:
    """Random inputs at every batch size of BATCHES."""
    generator = np.random.default_rng(seed)
    return [sample(port_of_input(model), batch, generator) for batch in BATCHES]


def reference(model: Model, inputs: Sequence[NDArray[Any]]) -> list[NDArray[np.float64]]:
    """The model's outputs, computed in float64 on the CPU."""
    exact = deepcopy(model).to(device="cpu", dtype=torch.float64).eval()
    with torch.no_grad():
        return [exact(_exact(torch.from_numpy(batch))).numpy() for batch in inputs]


def _exact(given: torch.Tensor) -> torch.Tensor:
    """Numbers in float64; tokens as they are."""
    return given.double() if given.is_floating_point() else given


def relative_error(outputs: Sequence[NDArray[Any]], wanted: Sequence[NDArray[Any]]) -> float:
    """|output - wanted| / |wanted|, Frobenius, the largest over the batches; infinite where a shape differs or a number is not finite."""
    errors = [_relative(output, exact) for output, exact in zip(outputs, wanted, strict=True)]
    return max(errors)


def _relative(output: NDArray[Any], exact: NDArray[Any]) -> float:
    if output.shape != exact.shape or not np.isfinite(output).all():
        return math.inf
    difference = output.astype(np.float64) - exact
    return float(np.linalg.norm(difference) / max(np.linalg.norm(exact), np.finfo(np.float64).tiny))


def through(predict: Predict) -> Callable[[torch.Tensor], torch.Tensor]:
    """The function on tensors, for what measures a model of PyTorch."""

    def on_tensors(inputs: torch.Tensor) -> torch.Tensor:
        outputs: Array = predict(inputs.numpy())
        return torch.from_numpy(outputs)

    return on_tensors
