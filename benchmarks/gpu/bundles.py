"""`hopgraph bench` of the symmetric and the own ParaMixer, exported: every runtime that is here, engines where they can be had."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.gpu.exports import DTYPES, exported
from benchmarks.gpu.setting import Rows, Setting, tried
from benchmarks.pairs import Pair, pairs
from hopgraph.bench.bench import Bench, Order, bench
from hopgraph.bench.measure import Effort
from hopgraph.export.exporter import exporters

COUNT = 2
"""So many of the pairs, the first ones; ratios are to the first."""


def rows(setting: Setting) -> Rows:
    """For each bundle what its forms are, then what could not run and why, and every timing."""
    formats = [name for name in ("onnx", "tensorrt") if name in exporters() and exporters()[name].missing() is None]
    yield {"formats": formats}
    with TemporaryDirectory() as name:
        folder = Path(name)
        for pair in pairs(setting.dry)[: 1 if setting.dry else COUNT]:
            yield from tried(pair.name, partial(written, pair, formats, folder / pair.name, DTYPES[:1] if setting.dry else DTYPES))
        found = sorted(folder.glob("*/bundle"), reverse=True)  # symmetric before own
        if found:
            yield from tried("hopgraph bench", partial(timed, found, setting))


def written(pair: Pair, formats: Sequence[str], folder: Path, dtypes: Sequence[str]) -> Rows:
    """One bundle."""
    folder.mkdir()
    _, bundle = exported(pair, formats, folder, dtypes)
    yield {"name": pair.name, "forms": [asdict(form) for form in bundle.manifest.forms]}


def timed(bundles: Sequence[Path], setting: Setting) -> Rows:
    """Everything that runs them."""
    batches, effort = ((1,), Effort(1, 2, 0.005)) if setting.dry else ((1, 64), Effort(1, 10, 0.03))
    found = named(bench(Order(tuple(bundles), None, batches, effort=effort)), bundles)
    yield {key: value for key, value in found.items() if key != "timings"}
    yield from found["timings"]


def named(found: Bench, bundles: Sequence[Path]) -> dict[str, Any]:
    """As plain data, with the bundles' names in the place of paths that were gone by the time one reads it."""
    text = json.dumps(found.record())
    for path in bundles:
        text = text.replace(str(path), path.parent.name)
    return json.loads(text)
