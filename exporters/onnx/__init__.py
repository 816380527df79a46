"""ONNX, emitted from the program by onnx-ir: nothing is traced. Weights keep their own names, each tied one stands once."""

from __future__ import annotations

from pathlib import Path

from exporters.onnx.files import emit, write_graph
from exporters.onnx.quantized import write_quantized
from hopgraph.export.exporter import Built, Exporter, Request
from hopgraph.export.quantize import GRIDS
from hopgraph.runtime.onnx import ONNXRUNTIME

__all__ = ["EXPORTER", "build", "emit", "write_graph"]


def build(request: Request, folder: Path) -> Built:
    """Write the model into the folder of the bundle."""
    return write_quantized(request, folder) if request.dtype in GRIDS else write_graph(request, folder)


def _available() -> str | None:
    return None


EXPORTER = Exporter("onnx", ("float32", "float16", "bfloat16", "int8"), _available, build, (ONNXRUNTIME,), dynamic=True)
