"""What size costs: compile time, the time of a forward pass and peak memory over depth, steps and tokens, with fitted exponents.

    python -m benchmarks.scaling [--quick] [--out FOLDER]

Depth is 1 to 64, and so are the steps; tokens are 64 to 4096, of a ParaMixer and of a ViT. Each point is a fresh process, which first
makes and runs a toy of the same kind, so that what is imported once is not counted; the points take turns. Memory is the most resident
bytes while the model is compiled and run, beyond those before. An exponent is the slope of a line through the logarithms by least
squares, with its standard error: over all sizes, and over the largest four, where what is constant counts less.
"""

from __future__ import annotations

import json
import math
import random
import re
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.base import Effort, calls, timed
from benchmarks.forward import forward
from benchmarks.pairs import example
from benchmarks.processes import asked
from benchmarks.tables import Row, Table, run
from benchmarks.tables import parser as arguments
from hopgraph.lower.model import Model, compile_model
from hopgraph.passes.pipeline import load

PATCH = 4
EFFORT, QUICK = Effort(3, 0.2), Effort(1, 0.01)
TAIL = 4


@dataclass(frozen=True)
class Series:
    """A spec whose `sizes` of one kind are measured: tokens are set as an image of so many patches, others by their path."""

    name: str
    spec: str
    variant: str | None
    fixed: Mapping[str, Any]
    path: str | None
    sizes: tuple[int, ...]
    batch: int

    def settings(self, size: int) -> dict[str, Any]:
        """What is laid over the spec for a size."""
        return {**self.fixed, **({self.path: size} if self.path else image_of(size, classed=self.spec == "vit"))}

    def model(self, size: int) -> Model:
        """Compiled, from its text."""
        return compile_model(load(self.spec, self.variant, self.settings(size)))


def image_of(tokens: int, *, classed: bool) -> dict[str, Any]:
    """An image of so many patches, a square or two beside each other; a class token comes beside them."""
    rows = 2 ** (int(math.log2(tokens)) // 2)
    image = [3, PATCH * rows, PATCH * tokens // rows]
    return {"input.image": image, "dims.patch": PATCH, "dims.N": tokens + classed}


MIXER = {"dims.image": 32, "dims.patch": PATCH, "dims.C": 128, "dims.depth": 1}
VIT = {"dims.C": 64, "dims.heads": 4, "dims.depth": 1}
POWERS = tuple(2**power for power in range(7))
TOKENS = tuple(64 * power for power in POWERS)
SERIES = {
    series.name: series
    for series in (
        Series("depth", "paramixer", "symmetric", MIXER, "dims.depth", POWERS, 8),
        Series("steps", "paramixer", "symmetric", MIXER, "block.steps", POWERS, 8),
        Series("tokens", "paramixer", "symmetric", {"dims.C": 128, "dims.depth": 1}, None, TOKENS, 1),
        Series("tokens, vit", "vit", None, VIT, None, TOKENS, 1),
    )
}


@dataclass(frozen=True)
class Point:
    """What one size costs: seconds and bytes."""

    compile: float
    step: float
    memory: float


def point(series: Series, size: int, seconds: float) -> Point:
    """Measured in this process."""
    small = replace(series, fixed={**series.fixed, "dims.C": 16}).model(series.sizes[0])
    forward(small, example(small, 1))()
    del small
    before = restarted()
    begun = time.perf_counter()
    model = series.model(size)
    compiled = time.perf_counter() - begun
    step = forward(model, example(model, series.batch))
    times = [timed(step) for _ in range(calls(step, seconds))]
    return Point(compiled, statistics.median(times), max(1.0, resident("VmHWM") - before))


def restarted() -> float:
    """The resident bytes, from which on the most are counted anew."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return resident("VmRSS")


def resident(what: str) -> float:
    """Bytes of this process, as the system counts them."""
    found = re.search(rf"^{what}:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    assert found is not None, "the benchmark of memory needs Linux"
    return 1024.0 * int(found[1])


@dataclass(frozen=True)
class Fit:
    """cost ~ size^exponent."""

    exponent: float
    error: float

    def __str__(self) -> str:
        return f"{self.exponent:.2f} ± {self.error:.2f}"


def fit(sizes: Sequence[int], costs: Sequence[float]) -> Fit:
    """The line through the logarithms by least squares, and the standard error of its slope, of three points or more."""
    x, y = np.log(np.asarray(sizes, dtype=float)), np.log(np.asarray(costs, dtype=float))
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    left = y - y.mean() - slope * centred
    return Fit(slope, float(np.sqrt(left @ left / (len(x) - 2) / (centred @ centred))))


def measured(chosen: Sequence[Series], rounds: int, quick: bool) -> dict[tuple[str, int], Point]:
    """By series and size, the medians over the rounds."""
    places = [(series.name, size) for series in chosen for size in series.sizes]
    found = {place: list[Point]() for place in places}
    shuffler = random.Random(0)  # noqa: S311 (an order, not a secret)
    for _ in range(rounds):
        for name, size in shuffler.sample(places, len(places)):
            flags = ["--quick"] if quick else []
            found[name, size].append(Point(**asked("benchmarks.scaling", "--worker", name, size, *flags)))
    return {place: middle(points) for place, points in found.items()}


def middle(points: Sequence[Point]) -> Point:
    """The median of each cost."""
    return Point(**{cost: statistics.median(asdict(one)[cost] for one in points) for cost in asdict(points[0])})


def exponents(series: Series, found: Mapping[tuple[str, int], Point]) -> list[Row]:
    """The fits of each cost of a series."""
    rows: list[Row] = []
    for cost in ("compile", "step", "memory"):
        costs = [asdict(found[series.name, size])[cost] for size in series.sizes]
        all_sizes, tail = fit(series.sizes, costs), fit(series.sizes[-TAIL:], costs[-TAIL:])
        named = {"over": series.name, "cost": cost, "from": series.sizes[0], "to": series.sizes[-1]}
        rows.append({**named, "exponent": all_sizes.exponent, "error": all_sizes.error, f"largest {TAIL}": str(tail)})
    return rows


def measure(quick: bool) -> Table:
    """Every series."""
    chosen = [replace(series, sizes=series.sizes[:3]) for series in list(SERIES.values())[:2]] if quick else list(SERIES.values())
    found = measured(chosen, (QUICK if quick else EFFORT).rounds, quick)
    points = [{"over": name, "size": size, **asdict(cost)} for (name, size), cost in found.items()]
    fits = [row for series in chosen for row in exponents(series, found)]
    return Table((), {"exponents": fits, "seconds and bytes": points})


def main() -> None:
    """Measure, or be one of the processes that do."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--worker", nargs=2, metavar=("SERIES", "SIZE"), help="print what one size costs, in this process")
    given = parser.parse_args()
    if given.worker:
        name, size = given.worker
        json.dump(asdict(point(SERIES[name], int(size), (QUICK if given.quick else EFFORT).seconds)), sys.stdout)
    else:
        run("scaling", given, measure)


if __name__ == "__main__":
    main()
