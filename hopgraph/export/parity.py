"""Parity: an exported file against a float64 run of the model. A file that misses the tolerance is not written."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hopgraph.errors import Diagnostic, HopgraphError
from hopgraph.export.exporter import Array, Predict
from hopgraph.graph.ham import Input
from hopgraph.lower.model import Model

TOLERANCE = {"float32": 1e-5, "float16": 2e-3, "bfloat16": 1e-2}
"""The largest relative error of an exported file by its dtype. Every check reads this table."""

BATCHES = (1, 2, 7)
"""The batch sizes at which files are compared."""


def sample_inputs(model: Model, seed: int = 0) -> list[NDArray[Any]]:
    """Random inputs at every batch size of BATCHES."""
    generator = np.random.default_rng(seed)
    return [sample(model.ham.input, batch, generator) for batch in BATCHES]


def sample(given: Input, batch: int, generator: np.random.Generator) -> NDArray[Any]:
    """A batch of random inputs: tokens, or normal numbers."""
    if given.vocabulary is not None:
        return generator.integers(given.vocabulary, size=(batch, *given.shape))
    return generator.standard_normal((batch, *given.shape), dtype=np.float32)


def reference(model: Model, inputs: list[NDArray[Any]]) -> list[np.ndarray]:
    """The model's outputs, computed in float64 on the CPU."""
    exact = deepcopy(model).to(device="cpu", dtype=torch.float64).eval()
    with torch.no_grad():
        return [exact(_exact(torch.from_numpy(batch))).numpy() for batch in inputs]


def _exact(given: torch.Tensor) -> torch.Tensor:
    """Numbers in float64; tokens as they are."""
    return given.double() if given.is_floating_point() else given


def relative_error(outputs: list[Array], wanted: list[np.ndarray]) -> float:
    """|output - wanted| / |wanted|, Frobenius, the largest over the batches; infinite where a shape differs."""
    if any(output.shape != exact.shape for output, exact in zip(outputs, wanted, strict=True)):
        return float("inf")
    errors = [
        float(np.linalg.norm(output.astype(np.float64) - exact) / max(np.linalg.norm(exact), np.finfo(np.float64).tiny))
        for output, exact in zip(outputs, wanted, strict=True)
    ]
    return max(errors)


def check_parity(name: str, predict: Predict, model: Model, dtype: str = "float32") -> float:
    """The error of a file against the model. Raises HopgraphError where it exceeds the tolerance of its dtype."""
    inputs = sample_inputs(model)
    error = relative_error([predict(batch) for batch in inputs], reference(model, inputs))
    if not error <= TOLERANCE[dtype]:
        message = f"`{name}` differs from the model by {error:.1e} (relative), and {dtype} may by {TOLERANCE[dtype]:.0e}"
        raise HopgraphError(Diagnostic("parity", message, helps=("this is a defect of the exporter or of the runtime: please report it",)))
    return error
