"""Bundles of the networks of benchmarks.pairs, with the rival's random weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.pairs import Pair
from hopgraph.export.bundle import export
from hopgraph.lower.model import Model
from hopgraph.runtime import Bundle
from hopgraph.train.importing import Reading, import_run
from hopgraph.train.run import read_run

DTYPES = ("float32", "float16")


def exported(pair: Pair, formats: Sequence[str], folder: Path, dtypes: Sequence[str] = DTYPES) -> tuple[Model, Bundle]:
    """The model and its bundle. Raises HopgraphError, for a file that misses its parity too."""
    _, rival = pair.made()
    torch.save(rival.state_dict(), folder / "weights.pt")
    import_run(pair.load(), folder / "weights.pt", Reading(), folder / "run")
    run = read_run(folder / "run")
    return run.model, export([run], formats, folder / "bundle", dtypes)
