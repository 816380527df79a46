"""Dynamic batching: requests that wait at the same time are run as one batch."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import accumulate
from threading import Condition, Thread
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hopgraph.runtime.record import Array, Predict


@dataclass(frozen=True, eq=False)
class Job:
    """Rows that wait for the model. A future that is cancelled before its turn is passed over."""

    rows: NDArray[Any]
    future: Future[Array] = field(default_factory=Future[Array])
    arrived: float = field(default_factory=perf_counter)


@dataclass(frozen=True)
class Batch:
    """What one run of the model took: its rows, the seconds that it computed, and those that each of its jobs had waited."""

    rows: int
    seconds: float
    waited: tuple[float, ...]


class Batcher:
    """A queue and the one thread that runs the model on what is in it.

    Jobs are taken in order, as many as fit into `max_rows`, but at least one: with `max_rows` 0 each runs alone. Those with rows of
    another length than the oldest wait for the next run. While there are fewer rows, the oldest job waits up to `max_delay` seconds for
    others. `tell` is called after every run, in the thread.
    """

    def __init__(self, predict: Predict, max_rows: int, max_delay: float, tell: Callable[[Batch], object]) -> None:
        self._predict, self._max_rows, self._max_delay, self._tell = predict, max_rows, max_delay, tell
        self._jobs: deque[Job] = deque()
        self._rows = 0
        self._changed = Condition()
        # A daemon: a model that hangs must not keep the process from ending.
        Thread(target=self._work, name="model", daemon=True).start()

    def submit(self, rows: NDArray[Any]) -> Future[Array]:
        """Queue a batch that the model can read; the future has its outputs, or what the model raised."""
        job = Job(rows)
        with self._changed:
            self._jobs.append(job)
            self._rows += len(rows)
            if len(self._jobs) == 1 or self._rows >= self._max_rows:
                self._changed.notify()
        return job.future

    def _work(self) -> None:
        while True:
            jobs = self._next()
            if jobs:
                self._answer(jobs)

    def _next(self) -> list[Job]:
        with self._changed:
            self._changed.wait_for(lambda: self._jobs)
            deadline = self._jobs[0].arrived + self._max_delay
            while self._rows < self._max_rows and (left := deadline - perf_counter()) > 0:
                self._changed.wait(left)
            return self._take()

    def _take(self) -> list[Job]:
        taken: list[Job] = []
        passed: list[Job] = []
        rows = 0
        while self._jobs:
            job = self._jobs[0]
            alike = not taken or job.rows.shape[1:] == taken[0].rows.shape[1:]
            if alike and taken and rows + len(job.rows) > self._max_rows:
                break
            self._jobs.popleft()
            if not alike:
                passed.append(job)
                continue
            self._rows -= len(job.rows)
            if job.future.set_running_or_notify_cancel():
                taken.append(job)
                rows += len(job.rows)
        self._jobs.extendleft(reversed(passed))
        return taken

    def _answer(self, jobs: Sequence[Job]) -> None:
        begun = perf_counter()
        try:
            outputs = self._predict(np.concatenate([job.rows for job in jobs]))
        except Exception as error:  # whatever a runtime raises: the server goes on
            self._fail(jobs, error)
            return
        seconds = perf_counter() - begun
        self._tell(Batch(len(outputs), seconds, tuple(begun - job.arrived for job in jobs)))
        ends = accumulate(len(job.rows) for job in jobs)
        for job, end in zip(jobs, ends, strict=True):
            job.future.set_result(outputs[end - len(job.rows) : end])

    def _fail(self, jobs: Sequence[Job], error: Exception) -> None:
        """Tell the one job whose run failed; of several, run each alone, so that none fails for another's sake."""
        if len(jobs) == 1:
            jobs[0].future.set_exception(error)
            return
        for job in jobs:
            self._answer([job])
