"""The least time of a program on a machine, and how the machine is measured."""

from __future__ import annotations

import itertools
import time

import pytest
import torch
from torch import Tensor

from hopgraph.bench.roofline import ITEMSIZES, Limits, Probe, measure_limits
from hopgraph.program.cost import Cost


@pytest.mark.parametrize(
    ("cost", "batch", "itemsize", "seconds"),
    [
        (Cost(flops=5000, weight_bytes=40, value_bytes=8), 1, 4, 5.0),
        (Cost(flops=5000, weight_bytes=40, value_bytes=8), 3, 4, 15.0),
        (Cost(flops=10, weight_bytes=400, value_bytes=100), 1, 4, 5.0),
        (Cost(flops=10, weight_bytes=400, value_bytes=100), 6, 4, 10.0),
        (Cost(flops=10, weight_bytes=400, value_bytes=100), 6, 2, 5.0),
    ],
)
def test_the_least_time_is_that_of_what_limits(cost: Cost, batch: int, itemsize: int, seconds: float) -> None:
    assert Limits(1000.0, 100.0, itemsize).seconds(cost, batch) == seconds


def test_the_rates_are_those_of_one_product_and_one_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that goes on by a second whenever it is read."""
    ticks = itertools.count()
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(ticks)))
    assert measure_limits(1, probe=Probe(10, 100)) == Limits(2 * 10**3, 2 * 4 * 100)


def test_the_threads_are_those_given_and_then_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    seen: list[int] = []
    product = torch.mm

    def watched(first: Tensor, second: Tensor, *, out: Tensor) -> Tensor:
        seen.append(torch.get_num_threads())
        return product(first, second, out=out)

    monkeypatch.setattr(torch, "mm", watched)
    found = measure_limits(before + 1, probe=Probe(4, 16, 0.0))
    assert set(seen) == {before + 1}
    assert torch.get_num_threads() == before
    assert found.flops_per_second > 0 < found.bytes_per_second


def test_a_product_is_of_numbers_of_the_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.dtype] = []
    product = torch.mm
    monkeypatch.setitem(ITEMSIZES["cpu"], "bfloat16", 2)

    def watched(first: Tensor, second: Tensor, *, out: Tensor) -> Tensor:
        seen.append(first.dtype)
        return product(first, second, out=out)

    monkeypatch.setattr(torch, "mm", watched)
    assert measure_limits(1, dtype="bfloat16", probe=Probe(4, 16, 0.0)).itemsize == 2
    assert set(seen) == {torch.bfloat16}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_is_faster_than_one_thread_of_its_host() -> None:
    gpu, cpu = measure_limits(1, "cuda"), measure_limits(1)
    assert gpu.flops_per_second > cpu.flops_per_second
    assert gpu.bytes_per_second > cpu.bytes_per_second
