"""Engines: where the runs of a comparison are computed. One more engine is one more function and one more entry here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from hopgraph.bench.jobs import Board, Job, Outcome, run_job
from hopgraph.errors import Diagnostic, HopgraphError, listing, rename_help
from hopgraph.train.data import Data


@dataclass(frozen=True)
class Resources:
    """What engines may use: so many processes of this machine, or a Ray cluster and the share of it that one run takes."""

    jobs: int = 1
    address: str | None = None
    cpus: float = 1
    gpus: float = 0


@dataclass(frozen=True)
class Engine:
    """`run` computes jobs on some data and yields each as it ends; it tells the board how far they are."""

    name: str
    run: Callable[[Sequence[Job], Data, Board], Iterator[Outcome]]


def find_engine(name: str, resources: Resources) -> Engine:
    """The engine of a name. Raises HopgraphError where there is none, or where it is not installed."""
    if name not in ENGINES:
        notes = (f"engines: {listing(ENGINES)}",)
        raise HopgraphError(
            Diagnostic("runtime-unknown", f"no engine is named `{name}`", notes=notes, helps=tuple(rename_help(name, ENGINES)))
        )
    return ENGINES[name](resources)


def local(resources: Resources) -> Engine:
    """This machine: one run after the other in this process, or several at a time in processes that share the cores."""
    if resources.jobs == 1:
        return Engine("local", _one_by_one)
    from hopgraph.bench.processes import run_in_processes

    return Engine(f"local, {resources.jobs} at a time", lambda jobs, data, board: run_in_processes(jobs, data, board, count=resources.jobs))


def ray(resources: Resources) -> Engine:
    """A Ray cluster: each run is a task."""
    from hopgraph.bench.cluster import require_ray, run_on_ray

    require_ray()
    return Engine(
        f"ray, {resources.cpus:g} CPUs and {resources.gpus:g} GPUs a run",
        lambda jobs, data, board: run_on_ray(jobs, data, board, resources.address, resources.cpus, resources.gpus),
    )


def _one_by_one(jobs: Sequence[Job], data: Data, board: Board) -> Iterator[Outcome]:
    for job in jobs:

        def report(epoch: float, what: str, job: Job = job) -> None:
            board.report(job, epoch, what)

        outcome = run_job(job, data, report)
        board.finish(job)
        yield outcome


ENGINES: dict[str, Callable[[Resources], Engine]] = {"local": local, "ray": ray}
"""Every engine by name."""
