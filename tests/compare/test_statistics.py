"""Statistics over seeds, held against scipy's own and against textbooks' numbers."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from scipy import stats

from hopgraph.bench.statistics import against, holm, interval, statistics

scipy_stats = cast("Any", stats)


def test_the_interval_is_that_of_student() -> None:
    found = interval([0.90, 0.92, 0.97])
    assert found.mean == pytest.approx(0.93)
    assert found.deviation == pytest.approx(0.0360555, rel=1e-5)
    low, high = scipy_stats.t.interval(0.95, 2, loc=0.93, scale=0.0360555 / 3**0.5)
    assert found.low == pytest.approx(low, rel=1e-5)
    assert found.high == pytest.approx(high, rel=1e-5)
    assert found.high is not None
    assert found.high - found.mean == pytest.approx(4.302653 * 0.0360555 / 3**0.5, rel=1e-5)


def test_intervals_hold_the_mean_as_often_as_they_say() -> None:
    generator = np.random.default_rng(0)
    found = [interval([float(value) for value in generator.normal(0.5, 0.1, 4)]) for _ in range(2000)]
    held = np.mean([item.low is not None and item.high is not None and item.low <= 0.5 <= item.high for item in found])
    assert 0.935 <= held <= 0.965


def test_few_seeds_have_neither_interval_nor_p() -> None:
    one, two = interval([0.5]), interval([0.5, 0.7])
    assert (one.deviation, one.low, one.high) == (None, None, None)
    assert two.deviation == pytest.approx(0.1414214)
    assert (two.low, two.high) == (None, None)
    pair = against([0.5, 0.7], [0.4, 0.5])
    assert pair.difference.mean == pytest.approx(0.15)
    assert (pair.p, pair.effect) == (None, None)


def test_the_paired_test_is_scipys() -> None:
    generator = np.random.default_rng(1)
    for count in (3, 5, 10):
        first, other = (generator.normal(mean, 0.02, count) for mean in (0.9, 0.91))
        found = against([float(v) for v in other], [float(v) for v in first])
        wanted = scipy_stats.ttest_rel(other, first)
        assert found.p == pytest.approx(wanted.pvalue, rel=1e-9)
        assert found.effect == pytest.approx(wanted.statistic / count**0.5, rel=1e-9)
        low, high = wanted.confidence_interval(0.95)
        assert (found.difference.low, found.difference.high) == (pytest.approx(low), pytest.approx(high))


def test_seeds_are_paired() -> None:
    first = [0.10, 0.50, 0.90]
    found = against([0.11, 0.52, 0.91], first)
    assert found.p is not None
    assert found.p < 0.06
    shuffled = against([0.91, 0.11, 0.52], first)
    assert shuffled.p is not None
    assert shuffled.p > 0.5


def test_differences_that_are_all_the_same_have_no_p() -> None:
    found = against([0.6, 0.7, 0.8], [0.5, 0.6, 0.7])
    assert found.p is None
    assert found.difference.mean == pytest.approx(0.1)
    assert against([0.5, 0.6, 0.7], [0.5, 0.6, 0.7]).p is None


def test_holm_corrects_as_the_textbook_does() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, None, 0.6]) == [1.0, None, 1.0]
    assert holm([]) == []


def test_all_variants_are_held_against_the_first() -> None:
    found = statistics(["a", "b", "c"], [[0.5, 0.6, 0.7], [0.6, 0.75, 0.8], [0.5, 0.61, 0.72]])
    assert [item.variant for item in found] == ["a", "b", "c"]
    assert found[0].against_first is None
    b, c = (item.against_first for item in found[1:])
    assert b is not None
    assert c is not None
    assert b.p is not None
    assert b.holm == pytest.approx(2 * b.p)
    assert c.holm == c.p
