"""The statistics: medians, tails, and ratios with an interval that knows of processes."""

from __future__ import annotations

import numpy as np
import pytest

from hopgraph.bench.candidates import Candidate
from hopgraph.bench.timing import TAIL_CALLS, Rounds, Summary, Timing, ratio, records

CANDIDATE = Candidate("b", "v", "onnxruntime", "float32")


def rounds(values: np.ndarray) -> Rounds:
    """Times [process, round] as rounds of one call."""
    return [[[float(value)] for value in process] for process in values]


def noise(seed: int, *shape: int, spread: float = 0.02) -> np.ndarray:
    return np.random.default_rng(seed).uniform(1 - spread, 1 + spread, shape)


def test_a_slower_one_is_slower_by_its_factor() -> None:
    found, low, high = ratio(rounds(1.5 * noise(0, 3, 15)), rounds(noise(1, 3, 15)))
    assert 1.45 < low <= found <= high < 1.55


def test_what_slows_a_round_of_both_is_no_difference() -> None:
    busy = np.random.default_rng(0).uniform(1, 10, (1, 15))
    assert ratio(rounds(1.1 * busy), rounds(busy)) == pytest.approx((1.1, 1.1, 1.1))


def test_an_interval_of_the_same_program_holds_one_as_often_as_it_says() -> None:
    held = 0
    for seed in range(20):
        _, low, high = ratio(rounds(noise(2 * seed, 3, 15)), rounds(noise(2 * seed + 1, 3, 15)))
        held += low <= 1 <= high
    assert held >= 18


def test_processes_that_disagree_are_no_difference_though_each_is_sure() -> None:
    lucky = np.array([[0.9], [1.0], [1.1]]) * noise(0, 3, 15, spread=0.001)
    _, low, high = ratio(rounds(lucky), rounds(noise(1, 3, 15, spread=0.001)))
    assert low < 0.95
    assert high > 1.05
    _, low, high = ratio(rounds(lucky[:1]), rounds(noise(1, 1, 15, spread=0.001)))
    assert high < 0.95


def test_the_same_rounds_give_the_same_interval() -> None:
    own, other = rounds(noise(0, 2, 9)), rounds(noise(1, 2, 9))
    assert ratio(own, other) == ratio(own, other)


def test_p99_is_told_from_a_thousand_calls_on() -> None:
    seconds = np.arange(1, TAIL_CALLS + 1, dtype=float).tolist()
    assert Summary.of([[seconds[:-1]]]).p99 is None
    whole = Summary.of([[seconds[:400]], [seconds[400:]]])
    assert (whole.median, whole.p90, whole.p99, whole.calls) == pytest.approx((500.5, 900.1, 990.01, 1000))


def test_records_have_what_follows() -> None:
    timing = Timing(CANDIDATE, 4, 0.002, 0.003, 9, 1.2, 1.1, 1.3, CANDIDATE, least=0.0005)
    (record,) = records([timing])
    assert (record["throughput"], record["differs"], record["of_the_limit"]) == (2000, True, 0.25)
    assert record["candidate"]["runtime"] == "onnxruntime"
    assert records([Timing(CANDIDATE, 4, 0.002, 0.003, 9, 1.2, 0.9, 1.3)])[0]["differs"] is False
