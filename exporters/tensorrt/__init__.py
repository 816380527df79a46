"""TensorRT and TensorRT-RTX: engines from our ONNX graphs, by whichever of the two packages is installed.

TensorRT-RTX builds on a machine without a GPU. Running an engine needs one: without it the bundle says that it was built and not run.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from exporters.onnx.files import write_graph
from exporters.onnx.quantized import write_quantized
from exporters.tensorrt.builder import Order, Plan, build_engine
from exporters.tensorrt.layers import asked_of
from hopgraph.export.exporter import Built, Exporter, Request
from hopgraph.export.lengths import Lengths, facts_of
from hopgraph.export.quantize import GRIDS
from hopgraph.runtime.cuda import device_count, library
from hopgraph.runtime.engine import TENSORRT

DTYPES = ("float32", "float16", "bfloat16", *GRIDS)

OPSET = 22
"""The newest opset whose nodes engines are built from. The Attention node of 23 has no kernel in float32, and builders fuse attention."""


def builder_package() -> str | None:
    """The package that can build here: TensorRT needs a GPU, TensorRT-RTX does not."""
    if find_spec("tensorrt") and device_count(library()):
        return "tensorrt"
    return "tensorrt_rtx" if find_spec("tensorrt_rtx") else None


def missing() -> str | None:
    """Why no engine can be built here, None where one can."""
    if builder_package():
        return None
    if find_spec("tensorrt"):
        return "tensorrt builds on a GPU, and there is none; tensorrt_rtx needs none (pip install 'hopgraph[rtx]')"
    return "neither tensorrt nor tensorrt_rtx is installed (pip install 'hopgraph[gpu]' or 'hopgraph[rtx]')"


def build(request: Request, folder: Path) -> Built:
    """Write an engine and hold its layers against the dtype. Raises HopgraphError where the package refuses, or builds something else."""
    package = builder_package()
    assert package is not None, "the exporter is asked to build where it cannot"
    trt: Any = import_module(package)
    with TemporaryDirectory() as scratch:
        graph = graph_of(request, Path(scratch))
        plan = build_engine(trt, _order(request, graph))
        asked = asked_of(graph, request.dtype)
    plan.reading.require(asked)
    file = "model.engine" if request.dtype == "float32" else f"model.{request.dtype}.engine"
    (folder / file).write_bytes(plan.content)
    return Built(file, (file,), _facts(trt, request, plan, asked))


def graph_of(request: Request, folder: Path) -> Path:
    """The ONNX file that the engine is built from, in a folder of its own."""
    write = write_quantized if request.dtype in GRIDS else write_graph
    return folder / write(request, folder, OPSET).file


def _order(request: Request, graph: Path) -> Order:
    (given,), options = request.spec.program.inputs, request.options
    least = given.shape if options.dynamic is None else Lengths.of(request.spec, options.dynamic).least.ham.input.shape
    return Order(graph, request.dtype, given.name, (least, given.shape, given.shape), options.batches, options.targets)


def _facts(trt: Any, request: Request, plan: Plan, asked: dict[str, str]) -> dict[str, Any]:
    facts: dict[str, Any] = {"package": trt.__name__, "version": trt.__version__, "targets": plan.targets}
    facts |= {"batches": list(request.options.batches), "tf32": False, **plan.reading.facts(asked), **facts_of(request.options.dynamic)}
    if request.dtype in GRIDS:
        facts["calibrated_on"] = sum(len(batch) for batch in request.examples)
    return facts


EXPORTER = Exporter("tensorrt", DTYPES, missing, build, (TENSORRT,), dynamic=True)
