"""What the benchmarks share: candidates that take turns, ratios with intervals, targets, and the JSON that is committed.

Candidates of one process take turns in rounds, in a random order; a round of a candidate is the median of some calls. A ratio is that of
the medians over the rounds, and its interval of 95% is a bootstrap over the rounds, in pairs: what slows a round slows both sides of it.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

MOST_CALLS = 1000
RESAMPLES = 2000
NARROW = 0.1
"""A wider interval that holds 1 says nothing: the machine was busy, or there were too few rounds."""

Step = Callable[[], object]
Sense = Literal["at most", "at least"]


@dataclass(frozen=True)
class Effort:
    """How many rounds there are, and how long a round of one candidate takes about, in at least one call."""

    rounds: int = 15
    seconds: float = 0.1


QUICK = Effort(3, 0.01)


def effort(quick: bool) -> Effort:
    """Of a measurement, or of a look at whether it works."""
    return QUICK if quick else Effort()


@dataclass(frozen=True)
class Ratio:
    """A ratio with its interval of 95%; what is counted and not timed has one without a width."""

    value: float
    low: float
    high: float

    @property
    def holds_one(self) -> bool:
        """Whether the interval holds 1."""
        return self.low <= 1 <= self.high

    @property
    def no_difference(self) -> bool:
        """Whether none was measured: the interval holds 1, and is narrow enough to have shown one."""
        return self.holds_one and self.high - self.low <= NARROW

    def __str__(self) -> str:
        if self.low == self.high:
            return f"{self.value:.3g}"
        verdict = " (no difference)" if self.no_difference else " (unclear)" if self.holds_one else ""
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]{verdict}"


@dataclass(frozen=True)
class Target:
    """What a ratio must reach."""

    value: float
    sense: Sense = "at most"

    def met(self, ratio: Ratio) -> bool:
        """Whether the ratio reaches it. Where it is 1, no measured difference is enough."""
        if self.value == 1 and ratio.no_difference:
            return True
        return ratio.value <= self.value if self.sense == "at most" else ratio.value >= self.value

    def __str__(self) -> str:
        return f"{self.sense} {self.value:g}"


@dataclass(frozen=True)
class Result:
    """One row: what is measured against which rival, both in `unit` (medians over the rounds), and their ratio.

    `target` is that of the table of speed, or none where a row only informs. `equal` is how far the outputs of both are from each other
    (relative, float64 unless the name says otherwise), or none where they are not the same function.
    """

    name: str
    what: str
    rival: str
    ours: float
    theirs: float
    unit: str
    ratio: Ratio
    target: Target | None = None
    equal: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; none without one."""
        return self.target.met(self.ratio) if self.target else None


def compared(
    what: str,
    rival: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    *,
    name: str,
    unit: str = "s",
    target: Target | None = None,
    equal: float | None = None,
) -> Result:
    """A row from the values of each round. With a target of `at least` the ratio is theirs / ours, how many times less ours is."""
    faster = target is not None and target.sense == "at least"
    found = ratio(theirs, ours) if faster else ratio(ours, theirs)
    return Result(name, what, rival, statistics.median(ours), statistics.median(theirs), unit, found, target, equal)


def ratio(top: Sequence[float], bottom: Sequence[float]) -> Ratio:
    """median(top) / median(bottom), and its bootstrap interval over rounds, both resampled alike."""
    pairs = np.stack([np.asarray(top, dtype=float), np.asarray(bottom, dtype=float)])
    chosen = np.random.default_rng(0).integers(pairs.shape[1], size=(RESAMPLES, pairs.shape[1]))
    above, below = np.median(pairs[:, chosen], axis=2)
    low, high = np.quantile(above / below, (0.025, 0.975))
    value, base = np.median(pairs, axis=1)
    return Ratio(float(value / base), float(low), float(high))


def interleaved(steps: Mapping[str, Step], given: Effort, wait: Step | None = None) -> dict[str, list[float]]:
    """By candidate, the median seconds of a call in each round.

    With `wait`, which waits for a device, the mean of calls that follow each other: the device is waited for once, after the last.
    """
    counts = {name: calls(step, given.seconds, wait) for name, step in steps.items()}
    once = _median if wait is None else partial(_mean, wait)
    return turns({name: partial(once, step, counts[name]) for name, step in steps.items()}, given.rounds)


def turns(measures: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """By candidate, what it measures in each round; the candidates take turns in a random order."""
    shuffler, found = random.Random(0), {name: list[float]() for name in measures}  # noqa: S311 (an order, not a secret)
    for _ in range(rounds):
        for name in shuffler.sample(list(measures), len(measures)):
            found[name].append(measures[name]())
    return found


def calls(step: Step, seconds: float, wait: Step | None = None) -> int:
    """How many calls a round has, after two that warm up."""
    whole = step if wait is None else partial(_all, (step, wait))
    whole()
    return max(1, min(MOST_CALLS, round(seconds / min(timed(whole), timed(whole)))))


def _median(step: Step, count: int) -> float:
    return statistics.median(timed(step) for _ in range(count))


def _mean(wait: Step, step: Step, count: int) -> float:
    return timed(partial(_all, (*[step] * count, wait))) / count


def _all(steps: Sequence[Step]) -> None:
    for step in steps:
        step()


def timed(step: Step) -> float:
    """The seconds of one call."""
    begun = time.perf_counter()
    step()
    return time.perf_counter() - begun
