"""Runs in several processes of this machine. Each has its share of the cores: two that spin on the same ones slow each other tenfold."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path

from hopgraph.bench.jobs import Board, Job, Outcome, run_in_worker
from hopgraph.errors import Diagnostic
from hopgraph.train.data import Data

LIVES = 4
"""So often a run is begun whose process dies. It goes on from its checkpoint."""
LOOK = 0.5
"""Seconds between two looks at how far the runs are."""


def run_in_processes(jobs: Sequence[Job], data: Data, board: Board, *, count: int) -> Iterator[Outcome]:
    """Run jobs, `count` at a time, and yield each as it ends."""
    threads, packed = max(1, (os.cpu_count() or 1) // count), pickle.dumps(data)
    waiting, begun = deque(jobs), Counter[Path]()
    busy: list[_Worker] = []
    try:
        while waiting or busy:
            while waiting and len(busy) < count:
                busy.append(_Worker(packed, threads))
                busy[-1].begin(waiting.popleft(), begun)
            ready = wait([worker.connection for worker in busy], LOOK)
            board.look([worker.job for worker in busy])
            for worker in [worker for worker in busy if worker.connection in ready]:
                outcome = worker.outcome()
                if outcome is None and begun[worker.job.out] < LIVES:
                    waiting.appendleft(worker.job)
                else:
                    board.finish(worker.job)
                    yield outcome or _died(worker.job)
                if outcome and waiting:
                    worker.begin(waiting.popleft(), begun)
                else:
                    busy.remove(worker)
                    worker.end()
    finally:
        for worker in busy:
            worker.end()


def _died(job: Job) -> Outcome:
    message = f"its process ended by itself {LIVES} times"
    return Outcome(job, (Diagnostic("runtime-unavailable", message, helps=("lower `--jobs`",)),))


class _Worker:
    """A process that runs one job after the other."""

    job: Job

    def __init__(self, data: bytes, threads: int) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy torch's locks as they happen to be
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, data, threads))
        self.process.start()
        theirs.close()

    def begin(self, job: Job, begun: Counter[Path]) -> None:
        """Give it a job. Where it is dead, its end of the connection says so later."""
        self.job = job
        begun[job.out] += 1
        with contextlib.suppress(OSError):
            self.connection.send(job)

    def outcome(self) -> Outcome | None:
        """How the job ended; None where the process died."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            return None

    def end(self) -> None:
        """End the process: in the midst of a run, SIGTERM has it write a checkpoint first."""
        self.connection.close()
        self.process.terminate()
        self.process.join()


def _serve(connection: Connection, data: bytes, threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process hears it, and ends this one
    found: Data = pickle.loads(data)  # noqa: S301 (from our own process)
    while True:
        try:
            job: Job = connection.recv()
        except EOFError:
            return
        connection.send(run_in_worker(job, found, threads))
