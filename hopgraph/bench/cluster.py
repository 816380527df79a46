"""Runs as tasks of a Ray cluster, each with its CPUs and GPUs. They write to the folder of the comparison, which every node must see."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hopgraph.bench.jobs import Board, Job, Outcome, run_in_worker
from hopgraph.errors import Diagnostic, HopgraphError
from hopgraph.train.data import Data

RETRIES = 3
"""So often a run whose worker dies is given to another one, which goes on from the run's checkpoint."""
LOOK = 0.5
"""Seconds between two looks at how far the runs are."""


def require_ray() -> None:
    """Raise HopgraphError where Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        helps = ("install it with `pip install 'hopgraph[ray]'`",)
        raise HopgraphError(Diagnostic("runtime-unavailable", "the engine `ray` needs Ray, which is not installed", helps=helps))


def run_on_ray(jobs: Sequence[Job], data: Data, board: Board, address: str | None, cpus: float, gpus: float) -> Iterator[Outcome]:
    """Run jobs on the cluster at an address, or on one of this machine's own, and yield each as it ends."""
    with _connected(address) as ray:
        _require_room(ray, cpus, gpus)
        task = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES)(run_in_worker)
        shared = ray.put(data)
        threads = max(1, int(cpus))
        running = {task.remote(job, shared, threads): job for job in jobs}
        try:
            while running:
                done, _ = ray.wait(list(running), num_returns=1, timeout=LOOK)
                board.look(list(running.values()))
                for reference in done:
                    job = running.pop(reference)
                    outcome = _outcome(ray, reference, job)
                    board.finish(job)
                    yield outcome
        finally:
            for reference in running:
                ray.cancel(reference, force=True)


def _outcome(ray: Any, reference: Any, job: Job) -> Outcome:
    try:
        return ray.get(reference)
    except ray.exceptions.RayError as error:
        text = str(error).strip().splitlines()
        message = f"its worker died {RETRIES + 1} times" if isinstance(error, ray.exceptions.WorkerCrashedError) else text[-1]
        return Outcome(job, (Diagnostic("runtime-unavailable", f"Ray: {message}"),))


@contextmanager
def _connected(address: str | None) -> Generator[Any]:
    """Ray, connected. A connection that was there before stays."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if ray.is_initialized():
        yield ray
        return
    try:
        if address is None:
            ray.init(address="local", include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        else:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        first = (str(error).strip().splitlines() or ["no reason was given"])[0]
        raise HopgraphError(Diagnostic("runtime-unavailable", f"Ray cannot be reached at `{address or 'local'}`: {first}")) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _require_room(ray: Any, cpus: float, gpus: float) -> None:
    """Raise HopgraphError where no node is large enough for a run: it would wait for ever."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus for node in nodes):
        sizes = ", ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes)
        message = f"no node of the Ray cluster has {cpus:g} CPUs and {gpus:g} GPUs for a run"
        helps = ("lower `--cpus-per-run` or `--gpus-per-run`",)
        raise HopgraphError(Diagnostic("runtime-unavailable", message, notes=(f"its nodes have {sizes}",), helps=helps))
