"""The order of measurement, warm-up, baselines and failures, by candidates that tell the times that they are given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise, repeat
from typing import Any

import pytest

from hopgraph.bench import measure as measuring
from hopgraph.bench.candidates import Candidate
from hopgraph.bench.measure import MAX_WARM_UPS, Effort, measure
from hopgraph.errors import HopgraphError

FAST, SLOW = Candidate("fast", "v", "onnxruntime", "float32"), Candidate("slow", "v", "onnxruntime", "float32")
SCRIPTS: dict[str, Callable[[], Iterator[float]]] = {"fast": lambda: repeat(0.001), "slow": lambda: repeat(0.002)}


@dataclass
class Stage:
    """What candidates do, by name, and what they were asked."""

    scripts: dict[str, Callable[[], Iterator[float]]] = field(default_factory=lambda: dict(SCRIPTS))
    reasons: dict[str, str] = field(default_factory=dict[str, str])
    limits: dict[str, int] = field(default_factory=dict[str, int])
    asked: list[tuple[str, str, int]] = field(default_factory=list[tuple[str, str, int]])

    def actor(self, candidate: Candidate, threads: int) -> Actor:
        return Actor(self, candidate.bundle, self.scripts[candidate.bundle]())


@dataclass
class Actor:
    """A candidate without a process: what its script says is what it takes."""

    stage: Stage
    name: str
    script: Iterator[float]

    def __enter__(self) -> Actor:
        return self

    def __exit__(self, *error: object) -> None:
        self.stage.asked.append(("close", self.name, 0))

    def opened(self) -> str | None:
        return self.stage.reasons.get(self.name)

    def ask(self, what: str, batch: int, **request: Any) -> dict[str, Any]:
        self.stage.asked.append((what, self.name, batch))
        if batch > self.stage.limits.get(self.name, batch):
            return {"reason": "too many"}
        if what == "energy":
            return {"joules": 6.0, "calls": 3}
        if what == "device":
            return {"seconds": [0.002, 0.004, 0.003], "plain": "a loop"} if self.name == "slow" else {"reason": "no events"}
        if what == "rest":
            return {"rested": self.name != "restless"}
        return {"seconds": [next(self.script)] * 5}


@pytest.fixture
def actors(monkeypatch: pytest.MonkeyPatch) -> Stage:
    stage = Stage()
    monkeypatch.setattr(measuring, "Child", stage.actor)
    return stage


def test_ratios_are_to_the_first_bundle(actors: Stage) -> None:
    found = measure([FAST, SLOW], (4,), 1, Effort(2, 5))
    assert [item.ratio for item in found.timings] == [1, 2]
    assert [item.differs for item in found.timings] == [False, True]
    assert [item.baseline for item in found.timings] == [FAST, FAST]
    assert [item.calls for item in found.timings] == [50, 50]
    assert found.timings[1].throughput == 2000
    assert all(item.settled and item.rested for item in found.timings)


def test_rounds_alternate_in_random_order(actors: Stage) -> None:
    measure([FAST, SLOW], (1, 2), 1, Effort(1, 40))
    timed = [(name, batch) for what, name, batch in actors.asked if what == "time"][-160:]
    rounds = [timed[start : start + 4] for start in range(0, 160, 4)]
    assert all(len(set(one)) == 4 for one in rounds)
    assert len(set(map(tuple, rounds))) > 10


def test_a_candidate_rests_before_the_turn_of_another(actors: Stage) -> None:
    measure([FAST, SLOW], (1, 2), 1, Effort(1, 5))
    turns = [(what, name, batch) for what, name, batch in actors.asked if what != "close"]
    for (what, *before), (following, *after) in pairwise(turns):
        assert what == "rest" or (before == after and following in ("time", "rest"))


def test_every_process_is_new_and_ends(actors: Stage) -> None:
    measure([FAST, SLOW], (1,), 1, Effort(3, 2))
    assert [name for what, name, _ in actors.asked if what == "close"].count("slow") == 3


def test_warm_up_ends_when_times_have_settled(actors: Stage) -> None:
    def settling() -> Iterator[float]:
        yield from (0.1, 0.05, 0.02)
        yield from repeat(0.001)

    def restless() -> Iterator[float]:
        while True:
            yield from (0.001, 0.002)

    actors.scripts |= {"fast": settling, "slow": restless}
    fast, slow = measure([FAST, SLOW], (1,), 1, Effort(1, 2)).timings
    assert (fast.settled, fast.p90) == (True, 0.001)
    assert not slow.settled
    assert [(what, name) for what, name, _ in actors.asked].count(("time", "slow")) == MAX_WARM_UPS + 2


def test_threads_that_do_not_rest_are_told(actors: Stage) -> None:
    actors.scripts["restless"] = SCRIPTS["fast"]
    (found,) = measure([Candidate("restless", "v", "onnxruntime", "float32")], (1,), 1, Effort(1, 2)).timings
    assert not found.rested


def test_what_cannot_be_opened_has_a_reason_and_no_number(actors: Stage) -> None:
    actors.reasons["slow"] = "no GPU"
    found = measure([FAST, SLOW], (1,), 1, Effort(2, 2))
    assert [item.reason for item in found.candidates] == [None, "no GPU"]
    assert [item.candidate for item in found.timings] == [FAST]
    with pytest.raises(HopgraphError, match=r"runtime-unavailable.*`onnxruntime` cannot run `slow` here: no GPU"):
        measure([FAST, SLOW], (1,), 1, Effort(1, 2), required=True)


def test_a_batch_that_is_refused_takes_nothing_from_the_others(actors: Stage) -> None:
    actors.limits["slow"] = 8
    found = measure([FAST, SLOW], (1, 64), 1, Effort(2, 2))
    assert [(item.candidate, item.batch, item.reason) for item in found.refused] == [(SLOW, 64, "too many")]
    assert [(item.candidate.bundle, item.batch) for item in found.timings] == [("fast", 1), ("fast", 64), ("slow", 1)]
    with pytest.raises(HopgraphError, match="in a batch of 64, too many"):
        measure([FAST, SLOW], (1, 64), 1, Effort(1, 2), required=True)


def test_a_gpu_is_asked_for_its_energy_once_and_what_it_lacks_is_told(actors: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "device_of", {"onnxruntime": "cuda"}.get)
    found, plain = measure([FAST, SLOW], (1,), 1, Effort(2, 2)).timings
    assert (found.joules, found.device, found.missing) == (2, None, ("time on the GPU: no events",))
    assert (plain.device, plain.missing) == (0.003, ("time on the GPU by a CUDA graph, plain calls instead: a loop",))
    assert [what for what, _, _ in actors.asked].count("energy") == 2


def test_nothing_is_asked_of_a_gpu_where_there_is_none(actors: Stage) -> None:
    measure([FAST], (1,), 1, Effort(1, 2))
    assert {what for what, _, _ in actors.asked} == {"time", "rest", "close"}


def marked(runtime: str, dtype: str) -> Candidate:
    return Candidate("vs", "", runtime, dtype, baseline=True)


@pytest.mark.parametrize(
    ("others", "wanted"),
    [
        ([marked("pytorch", "float32"), marked("onnxruntime", "float16"), marked("onnxruntime", "float32")], 2),
        ([marked("pytorch", "float32"), marked("onnxruntime", "float16")], 1),
        ([marked("pytorch", "float16"), marked("pytorch", "float32")], 0),
    ],
    ids=["the same runtime and dtype", "the same runtime", "the first"],
)
def test_the_baseline_is_the_nearest_that_is_marked(actors: Stage, others: list[Candidate], wanted: int) -> None:
    actors.scripts["vs"] = SCRIPTS["slow"]
    found = measure([*others, FAST], (1,), 1, Effort(1, 2)).timings
    assert (found[-1].baseline, found[-1].ratio) == (others[wanted], 0.5)
    assert all(item.baseline == item.candidate for item in found[:-1])


def test_without_a_mark_another_runtime_or_dtype_is_no_baseline(actors: Stage) -> None:
    other = Candidate("slow", "v", "onnxruntime", "float16")
    assert [item.baseline for item in measure([FAST, other], (1,), 1, Effort(1, 2)).timings] == [FAST, other]


def test_a_bundle_against_itself_is_measured_twice(actors: Stage) -> None:
    twin = Candidate("fast", "v", "onnxruntime", "float32", baseline=True)
    found = measure([twin, FAST, FAST], (1,), 1, Effort(1, 2)).timings
    assert [item.baseline for item in found] == [twin] * 3
    assert [name for what, name, _ in actors.asked if what == "close"] == ["fast"] * 3
