"""PyTorch: the weights of the bundle, run by compiling its spec. Every bundle has this form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from hopgraph.export.exporter import Built, Exporter, Request
from hopgraph.export.manifest import spec_of
from hopgraph.export.weights import WEIGHTS, read_state
from hopgraph.lower.model import compile_model
from hopgraph.runtime import Array, BundleError, Opening, Predict, Runtime


def build(request: Request, folder: Path) -> Built:
    """Nothing is to be written: the weights stand in the bundle."""
    return Built(WEIGHTS, (WEIGHTS,), {})


def _available() -> str | None:
    return None


def _open(opening: Opening) -> Predict:
    if opening.threads is not None:
        torch.set_num_threads(opening.threads)
    device = _device(opening.device)
    model = compile_model(spec_of(opening.manifest), allow_large=True)
    model.load_state_dict(read_state(opening.replaced().get(WEIGHTS, opening.file), model.state_dict().keys()))
    model = model.eval().to(device)

    def predict(inputs: NDArray[Any]) -> Array:
        with torch.inference_mode():
            return model(torch.from_numpy(inputs).to(device)).cpu().numpy()

    return predict


def _device(name: str) -> str:
    if name == "cuda" and not torch.cuda.is_available():
        raise BundleError("runtime-unavailable", "this PyTorch finds no GPU", helps=("ask for `cpu`, or install a build with CUDA",))
    return {"auto": "cuda" if torch.cuda.is_available() else "cpu"}.get(name, name)


EXPORTER = Exporter("pytorch", ("float32",), _available, build, (Runtime("pytorch", "pytorch", _available, _open),))
