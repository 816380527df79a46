"""Ratios, their intervals, targets, and what is written of them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from benchmarks import tables
from benchmarks.__main__ import read
from benchmarks.base import Effort, Ratio, Result, Target, compared, interleaved, ratio, turns
from benchmarks.tables import Table


def test_a_ratio_is_that_of_the_medians_and_its_interval_pairs_the_rounds() -> None:
    base = [1.0, 2.0, 10.0, 3.0, 4.0]
    found = ratio([2 * value for value in base], base)
    assert found == Ratio(2.0, 2.0, 2.0), "whatever slows a round slows both sides of it"
    assert ratio([3.0, 3.0, 3.0], [1.0, 2.0, 4.0]).value == 1.5


def test_an_interval_covers_what_varies_from_round_to_round() -> None:
    found = ratio([1.0, 1.2, 0.9, 1.1, 1.0, 1.3, 0.8], [1.0] * 7)
    assert 0.8 <= found.low < 1.0 < found.high <= 1.3
    assert found.holds_one


@pytest.mark.parametrize(
    ("target", "found", "met"),
    [
        (Target(1.5), Ratio(1.4, 1.3, 1.6), True),
        (Target(1.5), Ratio(1.6, 1.4, 1.7), False),
        (Target(1.7, "at least"), Ratio(1.8, 1.6, 2.0), True),
        (Target(1.7, "at least"), Ratio(1.6, 1.5, 2.0), False),
        (Target(1.0), Ratio(1.01, 0.98, 1.04), True),
        (Target(1.0), Ratio(1.01, 0.5, 2.0), False),
        (Target(1.0), Ratio(1.02, 1.01, 1.03), False),
        (Target(1.0), Ratio(0.5, 0.4, 0.6), True),
    ],
)
def test_a_target_of_one_is_met_too_where_a_narrow_interval_shows_no_difference(target: Target, found: Ratio, met: bool) -> None:
    assert target.met(found) is met


def test_a_ratio_tells_what_its_interval_shows() -> None:
    assert str(Ratio(0.5, 0.5, 0.5)) == "0.5"
    assert str(Ratio(1.0, 0.98, 1.02)) == "1 [0.98, 1.02] (no difference)"
    assert str(Ratio(1.0, 0.5, 2.0)) == "1 [0.5, 2] (unclear)"
    assert str(Ratio(1.2, 1.1, 1.3)) == "1.2 [1.1, 1.3]"


def test_a_target_of_at_least_counts_how_many_times_less_ours_is() -> None:
    found = compared("a step", "another", [1.0, 1.0], [2.0, 2.0], name="it", target=Target(1.7, "at least"))
    assert (found.ours, found.theirs, found.ratio.value, found.met) == (1.0, 2.0, 2.0, True)


def test_candidates_take_turns_in_orders_that_differ() -> None:
    order: list[str] = []
    found = turns({name: lambda name=name: order.append(name) or float(len(order)) for name in "abc"}, 8)
    rounds = [tuple(order[index : index + 3]) for index in range(0, 24, 3)]
    assert all(sorted(one) == ["a", "b", "c"] for one in rounds)
    assert len(set(rounds)) > 1
    assert all(len(values) == 8 for values in found.values())


def test_steps_are_called_in_every_round() -> None:
    calls = {"a": 0, "b": 0}

    def step(name: str) -> None:
        calls[name] += 1

    found = interleaved({"a": lambda: step("a"), "b": lambda: step("b")}, Effort(4, 1e-9))
    assert {name: len(values) for name, values in found.items()} == {"a": 4, "b": 4}
    assert all(value >= 0 and math.isfinite(value) for values in found.values() for value in values)
    assert all(count >= 7 for count in calls.values()), "three to warm up and to count, then one a round at least"


def test_what_is_written_reads_back_with_the_machine_and_the_versions(tmp_path: Path) -> None:
    rows = (
        Result("a", "forward", "by hand", 1.0, 2.0, "s", Ratio(0.5, 0.4, 0.6), Target(1.0), 1e-15),
        Result("b", "bytes", "own", 1.0, 2.0, "bytes", Ratio(0.5, 0.5, 0.5)),
    )
    tables.write(tmp_path / "new" / "it.json", "it", {"quick": True, "seconds": 1.2}, Table(rows, {"more": [{"size": 1}]}))
    found = json.loads((tmp_path / "new" / "it.json").read_text(encoding="utf-8"))
    assert (found["command"], found["quick"], found["seconds"]) == ("python -m benchmarks.it", True, 1.2)
    assert found["details"] == {"more": [{"size": 1}]}
    assert {"date", "processor", "cores", "threads", "system", "python", "torch", "hopgraph", "numpy", "onnx"} <= found["machine"].keys()
    assert [row["met"] for row in found["results"]] == [True, None]
    assert read(tmp_path / "new" / "it.json") == rows


def test_the_screen_shows_every_row() -> None:
    row = tables.row(Result("a", "forward", "by hand", 0.0015, 2.0, "s", Ratio(0.5, 0.4, 0.6), Target(1.0), 1e-15))
    told = tables.markdown([row]).splitlines()
    assert told[0] == "|  | rival | ours | theirs | ratio | target | met |"
    assert told[2] == "| a: forward | by hand | 1.5 ms | 2 s | 0.5 [0.4, 0.6] | at most 1 | yes |"
