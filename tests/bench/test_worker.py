"""What a candidate's process does with requests."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from hopgraph.bench import worker
from hopgraph.bench.candidates import Candidate
from hopgraph.bench.child import Child
from hopgraph.bench.power import Meter
from hopgraph.bench.targets import Target
from hopgraph.bench.worker import LEAD, ROTATION, Server
from tests.bench.models import write_onnx


@dataclass
class Clock:
    """The time that sleeping takes, and that of threads, which spin until some moment."""

    now: float = 0.0
    spinning: float = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def perf_counter(self) -> float:
        return self.now

    def process_time(self) -> float:
        return min(self.now, self.spinning)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(worker, "time", found)
    return found


def server(run: object = None, batches: tuple[int, int] = (1, 64)) -> tuple[Server, list[int]]:
    """A server of a model that remembers its inputs."""
    seen: list[int] = []
    drawn = iter(range(10_000))

    def remember(given: int) -> None:
        seen.append(given)
        if callable(run):
            run()

    return Server(Target(remember, lambda batch, generator: next(drawn), batches)), seen


def test_inputs_are_used_in_turn_and_the_first_calls_are_not_counted() -> None:
    found, seen = server()
    answer = found.answer({"what": "time", "batch": 1, "calls": 20, "seconds": 60})
    assert len(answer["seconds"]) == 20
    assert seen == [index % ROTATION for index in range(20 + 20 // LEAD)]


def test_no_call_begins_after_the_seconds_but_one_is_always_timed(clock: Clock) -> None:
    found, seen = server(lambda: clock.sleep(0.25))
    answer = found.answer({"what": "time", "batch": 1, "calls": 1000, "seconds": 0.125})
    assert answer["seconds"] == [0.25]
    assert len(seen) == 2
    answer = found.answer({"what": "time", "batch": 1, "calls": 1000, "seconds": 1.0})
    assert answer["seconds"] == [0.25] * 4


def test_each_batch_size_has_inputs_of_its_own() -> None:
    found, _ = server()
    assert found.drawn(1) == found.drawn(1) == list(range(ROTATION))
    assert found.drawn(2) == list(range(ROTATION, 2 * ROTATION))


@pytest.mark.parametrize(
    ("batches", "reason"), [((1, 64), "it takes batches of 1 to 64"), ((8, 8), "it takes batches of 8 alone")], ids=["many", "one"]
)
def test_a_batch_that_it_does_not_take_is_answered(batches: tuple[int, int], reason: str) -> None:
    found, seen = server(batches=batches)
    assert found.answer({"what": "time", "batch": 65, "calls": 1, "seconds": 1}) == {"reason": reason}
    assert seen == []


def test_an_error_of_a_runtime_is_answered() -> None:
    def fail() -> None:
        raise RuntimeError("out of memory\nat some place")

    found, _ = server(fail)
    assert found.answer({"what": "time", "batch": 1, "calls": 1, "seconds": 1}) == {"reason": "out of memory"}


def test_a_runtime_without_device_memory_has_no_time_there() -> None:
    found, _ = server()
    assert found.answer({"what": "device", "batch": 1, "calls": 1}) == {"reason": "this runtime takes its inputs from the host"}


def test_energy_is_the_difference_of_the_counter(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    found, seen = server(lambda: clock.sleep(0.5))
    counter = iter((100.0, 107.0))
    monkeypatch.setattr(Meter, "joules", lambda self: next(counter))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    monkeypatch.setattr(worker, "meter", lambda: Meter(None, None))
    assert found.answer({"what": "energy", "batch": 1, "seconds": 2.0}) == {"joules": 7.0, "calls": 4}
    assert len(seen) == 4


def test_a_process_rests_when_its_threads_take_no_time(clock: Clock) -> None:
    clock.spinning = 0.05
    assert worker.rest(1)
    assert 0.05 <= clock.now <= 0.05 + 2 * worker.REST


def test_a_process_whose_threads_spin_does_not_rest(clock: Clock) -> None:
    clock.spinning = 10
    assert not worker.rest(1)
    assert 1 <= clock.now <= 1 + worker.REST


@pytest.mark.slow
def test_a_process_of_its_own(tmp_path: Path) -> None:
    file = write_onnx(tmp_path / "model.onnx", [("x", "float32", ["batch", 3])])
    with Child(Candidate(str(file), "", "onnxruntime", "float32"), 1) as child:
        assert child.opened() is None
        answer = child.ask("time", batch=2, calls=3, seconds=1.0)
        assert len(answer["seconds"]) == 3
        assert "rested" in child.ask("rest", batch=2)
        assert "reason" in child.ask("time", batch=0, calls=3, seconds=1.0)
    with Child(Candidate(str(tmp_path / "none.onnx"), "", "onnxruntime", "float32"), 1) as child:
        assert "does not open it" in str(child.opened())


def test_a_process_that_ends_is_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho '{}'; echo trouble >&2; exit 3\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    with Child(Candidate("b", "v", "onnxruntime", "float32"), 1) as child:
        assert child.opened() is None
        assert child.opened() == "its process ended: trouble"
