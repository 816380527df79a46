"""PyTorch: the weights in safetensors, run by compiling the spec. Every bundle has this file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]

from hopgraph.export.exporter import Array, Exporter, Predict, Request, Runtime
from hopgraph.lower.model import compile_model
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.train.run import load_weights


def build(request: Request, folder: Path) -> dict[str, Any]:
    """Write the weights and buffers under their stored names."""
    save_file({name: tensor.contiguous() for name, tensor in request.weights.items()}, folder / EXPORTER.file)
    return {"dtype": "float32"}


def _available() -> str | None:
    return None


def _open(file: Path, spec: CheckedSpec, threads: int | None) -> Predict:
    if threads is not None:
        torch.set_num_threads(threads)
    model = compile_model(spec).eval()
    load_weights(model, file, file.parent)

    def predict(inputs: NDArray[Any]) -> Array:
        with torch.inference_mode():
            return model(torch.from_numpy(inputs)).numpy()

    return predict


EXPORTER = Exporter("pytorch", "model.safetensors", _available, build, (Runtime("pytorch", _available, _open),))
