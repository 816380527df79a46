"""The whole of `hopgraph bench`: what is measured, how, and what the machine could do at best."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from hopgraph.bench.candidates import ONNX_FILE, baselines, candidates, require
from hopgraph.bench.gather import machine
from hopgraph.bench.measure import Effort, measure
from hopgraph.bench.roofline import ITEMSIZES, Limits, measure_limits
from hopgraph.bench.runtimes import device_of
from hopgraph.bench.timing import Measured, Timing, records
from hopgraph.errors import HopgraphError
from hopgraph.export.manifest import spec_of
from hopgraph.program.cost import Cost, cost_of
from hopgraph.runtime import Bundle

Rooflines = dict[str, dict[str, Limits]]
"""The limits of the machine by device and dtype."""


@dataclass(frozen=True)
class Order:
    """What `hopgraph bench` was asked for. `versus` is a bundle or an ONNX file; no `runtimes` are all that can run a form."""

    bundles: tuple[Path, ...]
    runtimes: tuple[str, ...] | None = None
    batches: tuple[int, ...] = (1, 64)
    threads: int | None = None
    versus: Path | None = None
    effort: Effort = field(default_factory=Effort)


@dataclass(frozen=True)
class Bench:
    """What was measured, on which machine, and its limits by device and dtype."""

    measured: Measured
    machine: dict[str, str]
    limits: Rooflines

    def record(self) -> dict[str, Any]:
        """As plain data."""
        limits = {device: {dtype: asdict(limit) for dtype, limit in found.items()} for device, found in self.limits.items()}
        return {"machine": self.machine, "limits": limits, **asdict(self.measured), "timings": records(self.measured.timings)}


def bench(order: Order) -> Bench:
    """Measure. Raises HopgraphError; where runtimes are named, also for one that cannot run here."""
    bundles = [Bundle.open(path) for path in order.bundles]
    chosen = [*(baselines(order.versus, order.runtimes) if order.versus else ()), *candidates(bundles, order.runtimes, everything=True)]
    required = order.runtimes is not None
    if required:
        require(chosen)
    threads = order.threads or os.cpu_count() or 1
    measured = measure(chosen, order.batches, threads, order.effort, required=required)
    costs = {path: cost for path in dict.fromkeys(item.bundle for item in chosen) for cost in [_cost(path)] if cost}
    limits = _limits([item for item in measured.timings if item.candidate.bundle in costs], threads)
    timings = tuple(map(partial(_with_least, costs, limits), measured.timings))
    return Bench(replace(measured, timings=timings), {**machine("processes"), "threads": str(threads)}, limits)


def _cost(path: str) -> Cost | None:
    """What the model of a bundle costs; None for an ONNX file, and where the spec is not one that this version compiles."""
    if path.endswith(ONNX_FILE):
        return None
    try:
        return cost_of(spec_of(Bundle.open(path).manifest).program)
    except HopgraphError:
        return None


def _limits(timings: Sequence[Timing], threads: int) -> Rooflines:
    """Of the devices on which something was timed, in its dtype, where they have limits in it."""
    found: Rooflines = {}
    for item in timings:
        device, dtype = device_of(item.candidate.runtime), item.candidate.dtype
        if device and dtype in ITEMSIZES[device] and dtype not in found.setdefault(device, {}):
            found[device][dtype] = measure_limits(threads, device, dtype)
    return found


def _with_least(costs: dict[str, Cost], limits: Rooflines, timing: Timing) -> Timing:
    """The timing with the least time that the machine needs, where it has limits in its dtype."""
    cost = costs.get(timing.candidate.bundle)
    limit = limits.get(device_of(timing.candidate.runtime) or "", {}).get(timing.candidate.dtype)
    return timing if cost is None or limit is None else replace(timing, least=limit.seconds(cost, timing.batch))
