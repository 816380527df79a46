"""The roofline of a machine, measured by one matrix product and one copy: the least time in which a program can run on it.

Williams, Waterman and Patterson (2009).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hopgraph.program.cost import FLOAT, Cost

if TYPE_CHECKING:
    import torch

LEAST_RUNS = 3


@dataclass(frozen=True)
class Probe:
    """What measures a machine: a product of two square matrices of this order, and a copy of so many numbers, each for so many seconds."""

    order: int
    elements: int
    seconds: float = 0.35


PROBES = {"cpu": Probe(1024, 2**26), "cuda": Probe(8192, 2**28)}
"""By the kind of device. The copies are of 256 MiB and of 1 GiB, more than any cache holds."""
ITEMSIZES = {"cpu": {"float32": 4}, "cuda": {"float32": 4, "float16": 2, "bfloat16": 2}}
"""By the kind of device, the dtypes that it has limits in, with their bytes. Products of half precision have units of their own on a GPU;
on a CPU torch's may take a hundred times as long as those of float32, which is what a runtime computes with instead."""


@dataclass(frozen=True)
class Limits:
    """How many floating point operations a second a machine does at best in one dtype, and how many bytes it moves from its main memory."""

    flops_per_second: float
    bytes_per_second: float
    itemsize: int = FLOAT

    def seconds(self, cost: Cost, batch: int) -> float:
        """The least time for a batch, in seconds: max(batch flops / rate, (weights + batch (inputs + outputs)) / rate).

        The memory's part is of what must move at least, with numbers of `itemsize` bytes: every weight once for the batch, and the
        inputs and outputs once for each example. What lies between is taken to stay in a cache. A model whose weights stay there too
        from one batch to the next may take less than the memory's part.
        """
        moved = (cost.weight_bytes + batch * cost.value_bytes) * self.itemsize / FLOAT
        return max(batch * cost.flops / self.flops_per_second, moved / self.bytes_per_second)


def measure_limits(threads: int, device: str = "cpu", dtype: str = "float32", probe: Probe | None = None) -> Limits:
    """Measure a device in one dtype, the best of several runs of each, in about a second: on the CPU with so many threads of torch."""
    import torch

    kind = torch.device(device).type
    probe = probe or PROBES[kind]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        product = _product_rate(torch.device(device), getattr(torch, dtype), probe)
        return Limits(product, _copy_rate(torch.device(device), probe), ITEMSIZES[kind][dtype])
    finally:
        torch.set_num_threads(before)


def _product_rate(device: torch.device, dtype: torch.dtype, probe: Probe) -> float:
    """Floating point operations a second: 2 n^3 for a product."""
    import torch

    first, second = (torch.rand(probe.order, probe.order, device=device, dtype=dtype) for _ in range(2))
    result = torch.empty_like(first)
    return 2 * probe.order**3 / _best(lambda: torch.mm(first, second, out=result), device, probe.seconds)


def _copy_rate(device: torch.device, probe: Probe) -> float:
    """Bytes a second: each number of a copy is read once and written once."""
    import torch

    source = torch.ones(probe.elements, device=device)
    target = torch.zeros_like(source)
    return 2 * FLOAT * probe.elements / _best(lambda: target.copy_(source), device, probe.seconds)


def _best(run: Callable[[], object], device: torch.device, seconds: float) -> float:
    """The shortest time of a run, after one that warms up."""
    _timed(run, device)
    times: list[float] = []
    while len(times) < LEAST_RUNS or sum(times) < seconds:
        times.append(_timed(run, device))
    return min(times)


def _timed(run: Callable[[], object], device: torch.device) -> float:
    """The time of a run, and on a GPU of the launch and the wait for it."""
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize(device)
    return time.perf_counter() - start
