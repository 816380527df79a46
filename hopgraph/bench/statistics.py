"""Statistics over seeds: the mean with its interval, and variants against the first, paired by seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Any, cast

from scipy import stats

FEWEST = 3
"""With fewer seeds there is neither an interval nor a p value."""
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean over seeds, their standard deviation (from 2 seeds), and the interval of Student's t (from 3)."""

    mean: float
    deviation: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Against:
    """A variant minus the first, seed by seed. `effect` is the mean difference over the deviation of the differences (Cohen's d_z).

    `p` is that of the paired t test, two-sided; `holm` is p after Holm's correction for all variants that are held against the
    first. All three are None with too few seeds, or where all differences are the same number.
    """

    difference: Interval
    effect: float | None = None
    p: float | None = None
    holm: float | None = None


@dataclass(frozen=True)
class Statistic:
    """A measured value of a variant; the first is not held against itself."""

    variant: str
    seeds: int
    interval: Interval
    against_first: Against | None


def interval(values: Sequence[float]) -> Interval:
    """The mean of some values, with its interval of 95%: mean +- t s / sqrt(n)."""
    mean, count = fmean(values), len(values)
    deviation = stdev(values) if count > 1 else None
    if deviation is None or count < FEWEST:
        return Interval(mean, deviation, None, None)
    half = _quantile((1 + LEVEL) / 2, count - 1) * deviation / math.sqrt(count)
    return Interval(mean, deviation, mean - half, mean + half)


def against(values: Sequence[float], first: Sequence[float]) -> Against:
    """Some values minus those of the first with the same seeds."""
    differences = [value - base for value, base in zip(values, first, strict=True)]
    found = interval(differences)
    if found.low is None or not found.deviation or found.deviation <= 1e-12 * max(map(abs, differences)):
        return Against(found)
    effect = found.mean / found.deviation
    t = effect * math.sqrt(len(differences))
    return Against(found, effect, 2 * _tail(abs(t), len(differences) - 1))


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Holm's correction of p values: the smallest times their number, the next times one less, never falling, at most 1."""
    known = sorted((value, index) for index, value in enumerate(values) if value is not None)
    corrected: list[float | None] = [None] * len(values)
    largest = 0.0
    for rank, (value, index) in enumerate(known):
        largest = max(largest, min(1.0, value * (len(known) - rank)))
        corrected[index] = largest
    return corrected


def statistics(labels: Sequence[str], values: Sequence[Sequence[float]]) -> tuple[Statistic, ...]:
    """The statistic of each variant; `values` has one value for each seed."""
    pairs = [against(own, values[0]) for own in values[1:]]
    corrected = holm([pair.p for pair in pairs])
    compared: list[Against | None] = [None, *(replace(pair, holm=p) for pair, p in zip(pairs, corrected, strict=True))]
    items = zip(labels, values, compared, strict=True)
    return tuple(Statistic(label, len(own), interval(own), pair) for label, own, pair in items)


def _quantile(share: float, freedom: int) -> float:
    return float(cast("Any", stats).t.ppf(share, freedom))


def _tail(t: float, freedom: int) -> float:
    """P(T > t) of Student's distribution."""
    return float(cast("Any", stats).t.sf(t, freedom))
