"""PyTorch, eager and by its own compiler: the weights of a bundle, its spec compiled by HopGraph."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray

from hopgraph.bench.device import Resident
from hopgraph.export.manifest import spec_of
from hopgraph.export.weights import WEIGHTS, read_state
from hopgraph.lower.model import compile_model
from hopgraph.runtime import Array, Opening, Predict


class OnTorch:
    """Predicts with a module, on the GPU where there is one."""

    def __init__(self, module: Any, device: str) -> None:
        self.module, self.device = module, device

    def __call__(self, inputs: NDArray[Any]) -> Array:
        """From the host to the host."""
        with torch.inference_mode():
            return self.module(torch.from_numpy(inputs).to(self.device)).cpu().numpy()

    def resident(self, inputs: NDArray[Any]) -> Resident:
        """The call for inputs that were copied to the GPU."""
        given = torch.from_numpy(inputs).to(self.device)

        def launch() -> None:
            with torch.inference_mode():
                self.module(given)

        return Resident(launch, torch.cuda.current_stream().cuda_stream)


def open_eager(opening: Opening) -> Predict:
    """The model as it is. Raises BundleError, HopgraphError."""
    if opening.threads is not None:
        torch.set_num_threads(opening.threads)
    model = compile_model(spec_of(opening.manifest), allow_large=True)
    model.load_state_dict(read_state(opening.replaced().get(WEIGHTS, opening.file), model.state_dict().keys()))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return OnTorch(model.eval().to(device), device)


def open_compiled(opening: Opening) -> Predict:
    """By torch.compile: each batch size is compiled at its first call, with CUDA graphs on a GPU. Raises BundleError, HopgraphError."""
    eager = open_eager(opening)
    assert isinstance(eager, OnTorch)
    mode = "reduce-overhead" if eager.device == "cuda" else "default"
    return OnTorch(torch.compile(eager.module, dynamic=False, mode=mode), eager.device)
