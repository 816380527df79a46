"""An exporter of one's own: `torch.export` programs, the file that AOTInductor and ExecuTorch start from, and a runtime for them.

    pip install -e examples/third_party_exporter
    hopgraph train paramixer --variant broken,digits --out run
    hopgraph export run --to pt2 --out bundle
    hopgraph bench bundle --runtime pt2

A package makes a format appear in `--to`, in bundles and in `hopgraph bench` by one entry point, in its pyproject.toml:

    [project.entry-points."hopgraph.exporters"]
    pt2 = "hopgraph_pt2:EXPORTER"

HopGraph runs what it writes by the runtime that stands beside it, and keeps no file that does not compute what the model computes. This
one runs without HopGraph too: `torch.export.load("model.pt2").module()` is the model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch.export import Dim, export, load, save

import hopgraph
from hopgraph.export.exporter import Built, Exporter, Request
from hopgraph.runtime import Array, BundleError, Opening, Predict, Runtime

FILE = "model.pt2"


def missing() -> str | None:
    """Nothing is missing: torch is a dependency of HopGraph."""
    return None


def build(request: Request, folder: Path) -> Built:
    """Trace the model with the run's weights, for batches of every size, and write the program with its weights in it."""
    model = hopgraph.compile(request.spec).eval()
    model.load_state_dict(request.weights)
    given = request.spec.ham.input
    example = torch.zeros(2, *given.shape, dtype=torch.int64 if given.kind == "tokens" else torch.float32)
    program = export(model, (example,), dynamic_shapes=({0: Dim("batch")},))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # it names files of this machine
    save(program, folder / FILE)
    return Built(FILE, (FILE,), {"torch": torch.__version__, "nodes": len(program.graph.nodes)})


def open_program(opening: Opening) -> Predict:
    """A function from inputs [batch, ...] to outputs [batch, ...]."""
    if opening.device == "cuda" or opening.weights is not None:
        raise BundleError("runtime-unavailable", f"`{FILE}` is run on the CPU, with the weights that it holds")
    if opening.threads is not None:
        torch.set_num_threads(opening.threads)
    module = load(opening.file).module()

    def predict(inputs: NDArray[Any]) -> Array:
        with torch.inference_mode():
            return module(torch.from_numpy(inputs)).numpy()

    return predict


EXPORTER = Exporter("pt2", ("float32",), missing, build, (Runtime("pt2", "pt2", missing, open_program),))
