"""`bench`: the time of a call, each candidate in its own process, rounds of all of them interleaved."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from hopgraph.bench.candidates import Candidate
from hopgraph.bench.child import Child
from hopgraph.bench.runtimes import device_of
from hopgraph.bench.timing import Measured, Refused, Rounds, Summary, Timing, ratio
from hopgraph.errors import Diagnostic, HopgraphError

LEAST_CALLS = 3
MOST_CALLS = 1000
ROUND_LIMIT = 5
"""No call of a round begins after so many times its seconds: a machine that is busy with other work takes long, not for ever."""
AGREEING = 3
SETTLED = 0.1
"""A candidate has warmed up when the medians of so many rounds lie within this fraction of the least of them."""
MAX_WARM_UPS = 20
DEVICE_CALLS = 50
ENERGY_SECONDS = 2.0


@dataclass(frozen=True)
class Effort:
    """How long is measured: every candidate in so many processes, one after the other, so many rounds in each, of so many seconds."""

    processes: int = 1
    rounds: int = 15
    seconds: float = 0.03


@dataclass
class Series:
    """What is known of one candidate at one batch size."""

    candidate: Candidate
    place: int
    batch: int
    reason: str | None = None
    calls: int = LEAST_CALLS
    settled: bool = True
    rested: bool = True
    rounds: Rounds = field(default_factory=Rounds)
    device: float | None = None
    joules: float | None = None
    missing: list[str] = field(default_factory=list[str])

    def warm_up(self, child: Child, seconds: float) -> None:
        """Run rounds until they agree, each as long as a round is to be by what the one before took."""
        self.rounds.append([])
        self.calls, last = LEAST_CALLS, list[float]()
        while self.reason is None and not _agree(last) and len(last) < MAX_WARM_UPS:
            found = self._time(child, seconds)
            if found:
                last.append(median(found))
                self.calls = max(LEAST_CALLS, min(MOST_CALLS, round(seconds / last[-1])))
        self.settled &= _agree(last)
        self._rest(child)

    def round(self, child: Child, seconds: float) -> None:
        """One more round; none where an earlier one could not be run."""
        if self.reason is None:
            self.rounds[-1].append(self._time(child, seconds))
            self._rest(child)

    def on_gpu(self, child: Child) -> None:
        """What is measured on a GPU beside the time from host to host. Where a runtime does not have it, the reason is kept."""
        if self.reason is not None:
            return
        timed = self._asked(child.ask("device", batch=self.batch, calls=DEVICE_CALLS), "time on the GPU")
        energy = self._asked(child.ask("energy", batch=self.batch, seconds=ENERGY_SECONDS), "energy")
        self.device = median(timed["seconds"]) if timed else None
        if timed and timed["plain"]:
            self.missing.append(f"time on the GPU by a CUDA graph, plain calls instead: {timed['plain']}")
        self.joules = energy["joules"] / energy["calls"] if energy else None

    def _asked(self, answer: dict[str, Any], what: str) -> dict[str, Any] | None:
        if "reason" not in answer:
            return answer
        self.missing.append(f"{what}: {answer['reason']}")
        return None

    def _time(self, child: Child, seconds: float) -> list[float]:
        answer: dict[str, Any] = child.ask("time", batch=self.batch, calls=self.calls, seconds=ROUND_LIMIT * seconds)
        self.reason = answer.get("reason", self.reason)
        return answer.get("seconds", [])

    def _rest(self, child: Child) -> None:
        """Wait until its threads do not disturb the others."""
        self.rested &= bool(child.ask("rest", batch=self.batch).get("rested", True))


def _agree(medians: Sequence[float]) -> bool:
    last = medians[-AGREEING:]
    return len(last) == AGREEING and max(last) <= (1 + SETTLED) * min(last)


def measure(
    chosen: Sequence[Candidate],
    batches: Sequence[int] = (1, 64),
    threads: int | None = None,
    effort: Effort = Effort(),
    *,
    required: bool = False,
) -> Measured:
    """Time the candidates that can run. Where `required`, HopgraphError is raised for one that cannot; else its reason is told.

    The baseline of each are those that are marked, or the first bundle: under the same runtime and dtype, see :func:`baseline_of`.
    """
    threads = threads or os.cpu_count() or 1
    found = list(chosen)
    series = [Series(item, place, batch) for place, item in enumerate(chosen) if item.reason is None for batch in batches]
    shuffler = random.Random(0)  # noqa: S311 (an order of measurement, not a secret)
    for number in range(effort.processes):
        _generation(found, series, threads, effort, shuffler, number == 0)
        series = [item for item in series if found[item.place].reason is None]
    refused = tuple(Refused(item.candidate, item.batch, item.reason) for item in series if item.reason)
    if required:
        _require(found, refused)
    measured = [item for item in series if not item.reason]
    return Measured(tuple(found), tuple(_timing(item, measured) for item in measured), refused)


def _generation(
    found: list[Candidate], series: Sequence[Series], threads: int, effort: Effort, shuffler: random.Random, first: bool
) -> None:
    """A process of each candidate: its rounds are added to the series. Those that cannot be opened get their reason in `found`."""
    with ExitStack() as stack:
        places = dict.fromkeys(item.place for item in series if item.reason is None)
        children = {place: stack.enter_context(Child(found[place], threads)) for place in places}
        for place, child in children.items():
            found[place] = replace(found[place], reason=child.opened())
        pairs = [(item, children[item.place]) for item in series if item.reason is None and not found[item.place].reason]
        for item, child in pairs:
            item.warm_up(child, effort.seconds)
        for _ in range(effort.rounds):
            for item, child in shuffler.sample(pairs, len(pairs)):
                item.round(child, effort.seconds)
        for item, child in pairs:
            if first and device_of(item.candidate.runtime) == "cuda":
                item.on_gpu(child)


def _require(found: Sequence[Candidate], refused: Sequence[Refused]) -> None:
    reasons = [(item, item.reason) for item in found if item.reason]
    reasons += [(item.candidate, f"in a batch of {item.batch}, {item.reason}") for item in refused]
    if reasons:
        messages = dict.fromkeys(f"`{item.runtime}` cannot run `{item.bundle}` here: {reason}" for item, reason in reasons)
        raise HopgraphError([Diagnostic("runtime-unavailable", message) for message in messages])


def baseline_of(item: Series, measured: Sequence[Series]) -> Series:
    """What a series is compared with, of the same batch size.

    Without a marked candidate it is the first with the same runtime and dtype. With one, it is the marked one that is nearest: of the same
    runtime and dtype, else of the same runtime, else the first. Itself, where there is none.
    """
    peers = [other for other in measured if other.batch == item.batch]
    marked = [other for other in peers if other.candidate.baseline]
    alike = [[other for other in marked or peers if _alike(other, item, names)] for names in (("runtime", "dtype"), ("runtime",), ())]
    return next((some[0] for some in (alike if marked else alike[:1]) if some), item)


def _alike(one: Series, other: Series, names: Sequence[str]) -> bool:
    return all(getattr(one.candidate, name) == getattr(other.candidate, name) for name in names)


def _timing(item: Series, measured: Sequence[Series]) -> Timing:
    baseline = baseline_of(item, measured)
    own = Summary.of(item.rounds)
    return Timing(
        item.candidate,
        item.batch,
        own.median,
        own.p90,
        own.calls,
        *ratio(item.rounds, baseline.rounds),
        baseline.candidate,
        own.p99,
        item.settled,
        item.rested,
        item.device,
        item.joules,
        missing=tuple(item.missing),
    )
