"""PyTorch: the weights of the bundle, run by compiling its spec. Every bundle has this form."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from hopgraph.export.exporter import Built, Exporter, Request
from hopgraph.export.lengths import FACT, at_length, facts_of
from hopgraph.export.manifest import spec_of
from hopgraph.export.weights import WEIGHTS, read_state
from hopgraph.lower.model import Model, compile_model
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.runtime import Array, BundleError, Opening, Port, Predict, Runtime

COMPILED = 64
"""So many lengths are kept compiled; they have one set of weights."""


def build(request: Request, folder: Path) -> Built:
    """Nothing is to be written: the weights stand in the bundle."""
    return Built(WEIGHTS, (WEIGHTS,), facts_of(request.options.dynamic))


def _available() -> str | None:
    return None


def _open(opening: Opening) -> Predict:
    if opening.threads is not None:
        torch.set_num_threads(opening.threads)
    device, spec = _device(opening.device), spec_of(opening.manifest)
    model = compile_model(spec, allow_large=True)
    model.load_state_dict(read_state(opening.replaced().get(WEIGHTS, opening.file), model.state_dict().keys()))
    model = model.eval().to(device)
    models = _Lengths(spec, model, opening.manifest.input, opening.form.facts.get(FACT))

    def predict(inputs: NDArray[Any]) -> Array:
        with torch.inference_mode():
            return models.of(inputs.shape[1:])(torch.from_numpy(inputs).to(device)).cpu().numpy()

    return predict


class _Lengths:
    """A model at every length that it takes: its spec is compiled for each, on the same weights."""

    def __init__(self, spec: CheckedSpec, model: Model, port: Port, dim: str | None) -> None:
        self._spec, self._model, self._port, self._dim = spec, model, port, dim
        self._shorter = lru_cache(COMPILED)(self._compiled)

    def of(self, shape: tuple[int, ...]) -> Model:
        """The model for inputs of a shape."""
        if self._dim is None or shape == self._port.shape:
            return self._model
        return self._shorter(next(size for size, most in zip(shape, self._port.shape, strict=True) if size != most))

    def _compiled(self, length: int) -> Model:
        assert self._dim is not None
        made = compile_model(at_length(self._spec, self._dim, length), allow_large=True)
        made.load_state_dict(self._model.state_dict(), assign=True)
        return made.eval()


def _device(name: str) -> str:
    if name == "cuda" and not torch.cuda.is_available():
        raise BundleError("runtime-unavailable", "this PyTorch finds no GPU", helps=("ask for `cpu`, or install a build with CUDA",))
    return {"auto": "cuda" if torch.cuda.is_available() else "cpu"}.get(name, name)


EXPORTER = Exporter("pytorch", ("float32",), _available, build, (Runtime("pytorch", "pytorch", _available, _open),), dynamic=True)
