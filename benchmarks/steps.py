"""Export of 1, 4, 16 and 64 steps on one set of weights: unrolled, as a loop, by plain torch.onnx.export; the engines of the first two.

    python -m benchmarks.steps [--variant symmetric,digits] [--set dims.depth=1] [--steps 1 4 16 64] [--quick] [--out FOLDER]

Seconds are of the process. Bytes are those of the graph and its weights. `error` is the largest relative difference of ONNX Runtime to
the model in float64. torch exports the same module, with a batch of any size. Engines are built by TensorRT-RTX for one GPU, which
need not be present; where the package is not installed their columns are empty. The most steps are exported several times, in turn:
the targets are 50 times faster than torch, unrolled alike, and an engine of the loop 10 times faster than that of the unrolled graph.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx
import torch

import hopgraph
from benchmarks import torch_onnx
from benchmarks.base import Result, Target, compared, turns
from benchmarks.tables import Table, parser, run
from exporters.onnx import write_graph
from hopgraph.export.exporter import Options, Request
from hopgraph.export.parity import checked_error, reference, relative_error, sample_inputs
from hopgraph.lower.model import Model
from hopgraph.lower.verify import randomise

STEPS = (1, 4, 16, 64)
CAPABILITY = "SM89"
"""The GPU that engines are built for."""
SETTINGS = ("dims.C=256", "dims.depth=1")
ROUNDS = 3
EXPORT, ENGINE = Target(50, "at least"), Target(10, "at least")


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
    return torch_onnx.write(model, torch.randn(2, *value.shape), folder / "model.onnx")


EXPORTS: dict[str, Export] = {"unrolled": ours("unroll"), "loop": ours("loop"), "torch": by_torch}


def lines(variant: str, settings: Sequence[str], count: int, rounds: int) -> dict[str, list[Line]]:
    """By exporter, an export of so many steps in each round."""
    model = hopgraph.compile("paramixer", variant, [*settings, f"block.steps={count}"]).eval()
    randomise(model, torch.Generator().manual_seed(1))
    found = {name: list[Line]() for name in EXPORTS}

    def once(name: str) -> float:
        with TemporaryDirectory() as folder:
            found[name].append(measured(count, name, model, Path(folder)))
        return found[name][-1].seconds

    turns({name: partial(once, name) for name in EXPORTS}, rounds)
    return found


def measured(count: int, name: str, model: Model, folder: Path) -> Line:
    """One export, run and built."""
    begun = time.process_time()
    path = EXPORTS[name](model, folder)
    seconds = time.process_time() - begun
    size = sum(file.stat().st_size for file in folder.iterdir())
    line = Line(count, name, seconds, size, _nodes(onnx.load(path).graph), checked_error(name, "float32", _error(path, model)))
    return line if name == "torch" or not find_spec("tensorrt_rtx") else Line(**{**asdict(line), **_engine(path, model)})


def median(several: Sequence[Line]) -> Line:
    """The median export of several."""
    return sorted(several, key=lambda line: line.seconds)[len(several) // 2]


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


def results(found: Mapping[str, Sequence[Line]]) -> tuple[Result, ...]:
    """The rows that have a target."""
    name = f"paramixer, {found['loop'][0].steps} steps (float32)"
    equal = max(line.error for several in found.values() for line in several)
    seconds = {by: [line.seconds for line in several] for by, several in found.items()}
    built = {by: [line.engine_seconds for line in found[by] if line.engine_seconds is not None] for by in ("loop", "unrolled")}
    row = partial(compared, name=name, equal=equal)
    plain = "torch.onnx.export of the same module"
    rows = [row(f"ONNX export, {by}", plain, seconds[by], seconds["torch"], target=EXPORT) for by in ("unrolled", "loop")]
    if built["loop"]:
        rival = "the engine of the unrolled graph"
        rows.append(row("TensorRT-RTX build of the loop", rival, built["loop"], built["unrolled"], target=ENGINE))
    return tuple(rows)


def measure(given: argparse.Namespace, quick: bool) -> Table:
    """Every count by every exporter."""
    counts = given.steps or ((1, 2) if quick else STEPS)
    rounds = {count: ROUNDS if count == max(counts) and not quick else 1 for count in counts}
    settings = given.settings or (("dims.C=16", "dims.depth=1") if quick else SETTINGS)
    found = {count: lines(given.variant, settings, count, rounds[count]) for count in counts}
    told = [asdict(median(several)) for by_name in found.values() for several in by_name.values()]
    return Table(results(found[max(counts)]), {"exports": told})


def main() -> None:
    """Print the table."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--variant", default="symmetric,digits", help="variants of paramixer")
    arguments.add_argument("--set", dest="settings", action="append", default=None, metavar="PATH=VALUE", help="what is laid over it")
    arguments.add_argument("--steps", type=int, nargs="+", default=None)
    given = arguments.parse_args()
    run("steps", given, partial(measure, given))


if __name__ == "__main__":
    main()
