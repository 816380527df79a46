"""Export of 1, 4, 16 and 64 steps on one set of weights: unrolled, as a loop, by plain torch.onnx.export; the engines of the first two.

    python -m benchmarks.steps [--variant symmetric,digits] [--set dims.depth=1] [--steps 1 4 16 64] [--json]

Seconds are of the process. Bytes are those of the graph and its weights. `error` is the largest relative difference of ONNX Runtime to
the model in float64. torch exports the same module, with a batch of any size. Engines are built by TensorRT-RTX for one GPU, which
need not be present; where the package is not installed their columns are empty.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx
import torch

import hopgraph
from exporters.onnx import write_graph
from hopgraph.export.exporter import Options, Request
from hopgraph.export.parity import reference, relative_error, sample_inputs
from hopgraph.lower.model import Model
from hopgraph.lower.verify import randomise

STEPS = (1, 4, 16, 64)
CAPABILITY = "SM89"
"""The GPU that engines are built for."""


@dataclass(frozen=True)
class Line:
    """One export: who made it, of how many steps; and its engine, where there is one."""

    steps: int
    by: str
    seconds: float
    bytes: int
    nodes: int
    error: float
    engine_seconds: float | None = None
    engine_bytes: int | None = None


Export = Callable[[Model, Path], Path]
"""Writes a model into a folder and gives the file of the graph."""


def ours(steps: str) -> Export:
    """Our export, `unroll` or `loop`."""

    def write(model: Model, folder: Path) -> Path:
        return folder / write_graph(Request(model.spec, dict(model.state_dict()), options=Options(steps=steps)), folder).file

    return write


def by_torch(model: Model, folder: Path) -> Path:
    """torch.onnx.export as it comes."""
    (value,) = model.program.inputs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = (torch.randn(2, *value.shape),)
        program = torch.onnx.export(model, given, dynamo=True, verbose=False, dynamic_shapes=({0: torch.export.Dim("batch")},))
    assert program is not None
    program.save(folder / "model.onnx")
    return folder / "model.onnx"


EXPORTS: dict[str, Export] = {"unrolled": ours("unroll"), "loop": ours("loop"), "torch": by_torch}


def lines(variant: str, settings: Sequence[str], counts: Sequence[int]) -> Iterator[Line]:
    """Every count by every exporter."""
    for count in counts:
        model = hopgraph.compile("paramixer", variant, [*settings, f"block.steps={count}"]).eval()
        randomise(model, torch.Generator().manual_seed(1))
        for name, export in EXPORTS.items():
            with TemporaryDirectory() as folder:
                yield measured(count, name, export, model, Path(folder))


def measured(count: int, name: str, export: Export, model: Model, folder: Path) -> Line:
    """One export, run and built."""
    begun = time.process_time()
    path = export(model, folder)
    seconds = time.process_time() - begun
    size = sum(file.stat().st_size for file in folder.iterdir())
    line = Line(count, name, seconds, size, _nodes(onnx.load(path).graph), _error(path, model))
    return line if name == "torch" or not find_spec("tensorrt_rtx") else Line(**{**asdict(line), **_engine(path, model)})


def _nodes(graph: onnx.GraphProto) -> int:
    """How many nodes a graph has, those in the bodies of loops too."""
    bodies = (attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g"))
    return len(graph.node) + sum(map(_nodes, bodies))


def _error(path: Path, model: Model) -> float:
    ort: Any = import_module("onnxruntime")
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name, inputs = session.get_inputs()[0].name, sample_inputs(model)
    return relative_error([session.run(None, {name: batch})[0] for batch in inputs], reference(model, inputs))


def _engine(path: Path, model: Model) -> dict[str, Any]:
    trt: Any = import_module("tensorrt_rtx")
    logger = trt.Logger(trt.Logger.ERROR)
    begun = time.process_time()
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    assert parser.parse_from_file(str(path)), str(parser.get_error(0))
    config, profile = builder.create_builder_config(), builder.create_optimization_profile()
    (value,) = model.program.inputs
    profile.set_shape(value.name, *((batch, *value.shape) for batch in (1, 8, 32)))
    config.add_optimization_profile(profile)
    config.num_compute_capabilities = 1
    config.set_compute_capability(getattr(trt.ComputeCapability, CAPABILITY), 0)
    engine = builder.build_serialized_network(network, config)
    assert engine is not None, "TensorRT-RTX refuses the model"
    return {"engine_seconds": time.process_time() - begun, "engine_bytes": engine.nbytes}


def table(found: Sequence[Line]) -> str:
    """As Markdown."""
    rows = ["| steps | by | export s | bytes | nodes | error | engine s | engine bytes |", "|---|---|---|---|---|---|---|---|"]
    for line in found:
        engine = "| |" if line.engine_bytes is None else f"| {line.engine_seconds:.2f} | {line.engine_bytes:,} |"
        rows.append(f"| {line.steps} | {line.by} | {line.seconds:.3f} | {line.bytes:,} | {line.nodes} | {line.error:.1e} {engine}")
    return "\n".join(rows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Export of several steps on one set of weights.")
    parser.add_argument("--variant", default="symmetric,digits", help="variants of paramixer")
    parser.add_argument("--set", dest="settings", action="append", default=None, metavar="PATH=VALUE", help="what is laid over it")
    parser.add_argument("--steps", type=int, nargs="+", default=list(STEPS))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = list(lines(given.variant, given.settings or ["dims.C=256", "dims.depth=1"], given.steps))
    print(json.dumps([asdict(line) for line in found], indent=1) if given.json else table(found))


if __name__ == "__main__":
    main()
