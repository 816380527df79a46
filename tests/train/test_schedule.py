from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest

from hopgraph.train.recipe import Recipe
from hopgraph.train.schedule import Rates, peak_rate


def rates(steps: int, **fields: Any) -> list[float]:
    found = Rates.of(Recipe.model_validate({"epochs": 4, **fields}), steps)
    return [found.at(step) for step in range(found.total)]


def test_the_default_warms_up_and_falls_to_nothing() -> None:
    found = rates(25, optimizer={"learning_rate": 1.0})
    assert found[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert all(after <= before for before, after in pairwise(found[5:]))
    assert 0 < found[-1] < 1e-3


@pytest.mark.parametrize(("warmup", "warm"), [(0, 0), (0.001, 1), (0.3, 3), (1, 10), (2.5, 25)])
def test_a_warm_up_is_a_share_of_all_steps_or_a_number_of_epochs(warmup: float, warm: int) -> None:
    steps = 10 if warmup >= 1 or warmup == 0 else 10 // 4 + 1
    found = Rates.of(Recipe.model_validate({"epochs": 4, "schedule": {"warmup": warmup}}), steps)
    share = math.floor(warmup * found.total + 1e-9)
    assert found.warm == (warm if warmup >= 1 or warmup == 0 else max(1, share))


def test_shares_are_not_lost_to_rounding() -> None:
    assert Rates.of(Recipe.model_validate({"epochs": 1, "schedule": {"warmup": 0.3}}), 10).warm == 3
    assert all(Rates.of(Recipe(epochs=1), steps).warm == max(1, steps // 20) for steps in range(1, 2000))


def test_it_begins_and_ends_where_it_is_told() -> None:
    schedule = {"warmup": 1, "warmup_from": 1e-3, "end": 1e-4}
    for kind in ("cosine", "linear"):
        found = rates(10, optimizer={"learning_rate": 1.0}, schedule={"kind": kind, **schedule})
        assert found[0] == pytest.approx(1e-3 + 0.999 / 10)
        assert found[9] == found[10] == 1.0
        assert found[-1] > 1e-4
        assert Rates.of(Recipe.model_validate({"epochs": 4, "schedule": {"kind": kind, **schedule}}), 10).at(40) == pytest.approx(1e-4)


def test_a_line_is_straight_and_a_constant_constant() -> None:
    line = rates(10, optimizer={"learning_rate": 1.0}, schedule={"kind": "linear", "warmup": 0})
    assert [before - after for before, after in pairwise(line)] == pytest.approx([1 / 40] * 39)
    assert set(rates(10, optimizer={"learning_rate": 0.5}, schedule={"kind": "constant", "warmup": 0})) == {0.5}


def test_the_rate_follows_the_global_batch_where_it_is_given_for_one() -> None:
    fields = {"batch_size": 64, "accumulate": 2, "optimizer": {"learning_rate": 5e-4, "at_batch": 512}}
    assert peak_rate(Recipe.model_validate(fields)) == pytest.approx(5e-4 / 4)
    assert peak_rate(Recipe.model_validate(fields), processes=8) == pytest.approx(1e-3)
    assert peak_rate(Recipe.model_validate({"batch_size": 64})) == 2e-3
