"""What was measured of one candidate: the time of a call, and its ratio to the baseline's with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hopgraph.bench.candidates import Candidate

Rounds = list[list[list[float]]]
"""Seconds by process, round and call."""

RESAMPLES = 10_000
LEVEL = 0.95
TAIL_CALLS = 1000
"""p99 is told from so many calls on: of fewer, ten or less are beyond it."""


@dataclass(frozen=True)
class Timing:
    """A candidate at one batch size: seconds per call, host to host, and the ratio of its median to the baseline's with a 95% interval.

    `p99` is None below 1,000 calls. `settled` says whether every warm-up ended because the times had settled, `rested` whether its
    threads came to rest after every round: else they disturb the others. On a GPU, `device` is the median of a call there without the
    copies, and `joules` is the energy of a call; None where `missing` says why. `least` are the seconds that the limits of the machine
    leave, None where they are not known.
    """

    candidate: Candidate
    batch: int
    median: float
    p90: float
    calls: int
    ratio: float
    ratio_low: float
    ratio_high: float
    baseline: Candidate | None = None
    p99: float | None = None
    settled: bool = True
    rested: bool = True
    device: float | None = None
    joules: float | None = None
    least: float | None = None
    missing: tuple[str, ...] = ()

    @property
    def throughput(self) -> float:
        """Examples per second."""
        return self.batch / self.median

    @property
    def differs(self) -> bool:
        """Whether the interval of the ratio leaves out 1."""
        return not self.ratio_low <= 1 <= self.ratio_high

    @property
    def of_the_limit(self) -> float | None:
        """The least time that the machine's limits leave, over the median; None where it is not known."""
        return None if self.least is None else self.least / self.median


@dataclass(frozen=True)
class Refused:
    """A candidate that could not run a batch size, or its last process did not; and why."""

    candidate: Candidate
    batch: int
    reason: str


@dataclass(frozen=True)
class Measured:
    """All candidates, the timings of those that could run, and what was refused at some batch size alone."""

    candidates: tuple[Candidate, ...]
    timings: tuple[Timing, ...]
    refused: tuple[Refused, ...] = ()


@dataclass(frozen=True)
class Summary:
    """Calls in a few numbers."""

    median: float
    p90: float
    p99: float | None
    calls: int

    @staticmethod
    def of(rounds: Rounds) -> Summary:
        """Of all calls alike."""
        seconds = np.array([second for process in rounds for one in process for second in one])
        p99 = float(np.quantile(seconds, 0.99)) if len(seconds) >= TAIL_CALLS else None
        return Summary(float(np.median(seconds)), float(np.quantile(seconds, 0.9)), p99, len(seconds))


def ratio(own: Rounds, baseline: Rounds) -> tuple[float, float, float]:
    """The median over rounds of own / baseline, and its bootstrap interval of 95%.

    Rounds are paired: the n-th of both were near each other in time, so that what slows the machine down slows both. Each sample
    draws processes first, then rounds within them: two processes of one program differ for good, by where their memory lies, and rounds
    of the same process do not tell so.
    """
    ratios = medians(own) / medians(baseline)
    processes, rounds = ratios.shape
    generator = np.random.default_rng(0)
    drawn = generator.integers(processes, size=(RESAMPLES, processes, 1))
    within = generator.integers(rounds, size=(RESAMPLES, processes, rounds))
    found = np.median(ratios[drawn, within].reshape(RESAMPLES, -1), axis=1)
    low, high = np.quantile(found, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(np.median(ratios)), float(low), float(high)


def medians(rounds: Rounds) -> NDArray[np.float64]:
    """The median of each round, [process, round]."""
    return np.array([[np.median(one) for one in process] for process in rounds])


def records(timings: Sequence[Timing]) -> list[dict[str, Any]]:
    """Timings as plain data, with what follows from their fields."""
    return [{**asdict(item), "throughput": item.throughput, "differs": item.differs, "of_the_limit": item.of_the_limit} for item in timings]
