"""What an exported model costs under ONNX Runtime on a CPU: ours, against the hand-written network's own torch.onnx.export.

    python -m benchmarks.exported [--quick] [--out FOLDER]

Ours is opened in two ways: as bundles are, and with ONNX Runtime's own defaults, with which the rival's file is opened too. Weights are the
same, outputs are held against each other before anything is timed, and each measurement is a fresh process. The target is 1.00x at most.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import nn

from benchmarks import torch_onnx
from benchmarks.base import Effort, Result, Target, compared, turns
from benchmarks.pairs import Pair, example, pairs
from benchmarks.processes import asked
from benchmarks.running import OPEN
from benchmarks.tables import Table, command
from hopgraph.export.bundle import export
from hopgraph.export.parity import TOLERANCE, relative_error
from hopgraph.train.importing import Reading, import_run
from hopgraph.train.run import read_run

BATCH = 8
EFFORT, QUICK = Effort(5, 0.3), Effort(2, 0.01)
TARGET = Target(1.0)
RIVAL = "torch.onnx.export of the network by hand"
HOW = {"ONNX Runtime, as bundles are opened": "bundle", "ONNX Runtime, its defaults": "file"}
EQUAL = 2 * TOLERANCE["float32"]
"""How far two files may be from each other, each of which may be TOLERANCE from the model in float64."""


def files(pair: Pair, rival: nn.Module, given: torch.Tensor, folder: Path) -> dict[str, tuple[str, Path]]:
    """By candidate, how it is opened and from where. Ours is a bundle of the rival's weights, imported."""
    torch.save(rival.state_dict(), folder / "rival.pt")
    import_run(pair.load(), folder / "rival.pt", Reading(), folder / "run")
    bundle = export([read_run(folder / "run")], ["onnx"], folder / "bundle")
    form = bundle.manifest.form("onnx", None)
    assert form is not None
    places = {"bundle": bundle.path, "file": bundle.path / form.file}
    return {
        RIVAL: ("file", torch_onnx.write(rival.eval(), given, folder / "rival.onnx")),
        **{name: (how, places[how]) for name, how in HOW.items()},
    }


def difference(found: Mapping[str, tuple[str, Path]], inputs: np.ndarray) -> float:
    """The largest relative difference of ours to the rival's, in float32; an AssertionError where they are not the same function."""
    outputs = {name: OPEN[how](path)(inputs) for name, (how, path) in found.items()}
    most = max(relative_error([outputs[name]], [outputs[RIVAL]]) for name in HOW)
    assert most <= EQUAL, f"the two files compute something else: {most:.1e}"
    return most


def rows(pair: Pair, effort: Effort) -> Iterator[Result]:
    """Both ways of opening ours, against the rival's file."""
    model, rival = pair.made()
    given = example(model, BATCH)
    with TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "inputs.npy", given.numpy())
        found = files(pair, rival, given, folder)
        equal = difference(found, given.numpy())
        ask = partial(asked, "benchmarks.running")
        measures = {who: partial(ask, how, path, folder / "inputs.npy", effort.seconds) for who, (how, path) in found.items()}
        timings = turns(measures, effort.rounds)
    for what in HOW:
        yield compared(what, RIVAL, timings[what], timings[RIVAL], name=f"{pair.name} (float32)", target=TARGET, equal=equal)


def measure(quick: bool) -> Table:
    """Every pair; one of them to see it work."""
    chosen = pairs(quick)[: 1 if quick else None]
    return Table(tuple(result for pair in chosen for result in rows(pair, QUICK if quick else EFFORT)))


def main() -> None:
    """Print the table."""
    command("exported", __doc__ or "", measure)


if __name__ == "__main__":
    main()
