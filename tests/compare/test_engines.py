"""Engines: the same runs in this process, in several, and as tasks of Ray, also where a worker is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from hopgraph.bench.compare import Plan, compare
from hopgraph.bench.engines import Resources, find_engine
from hopgraph.bench.jobs import Board, run_job
from hopgraph.errors import HopgraphError
from hopgraph.train.data import Data
from hopgraph.train.run import read_record
from tests.compare.conftest import plan, recipe


@contextmanager
def one_is_killed(out: Path) -> Generator[list[int]]:
    """While inside: the first worker that has an epoch behind it is killed, once; gives the list of those that were."""
    killed: list[int] = []
    over = threading.Event()

    def watch() -> None:
        while not killed and not over.wait(0.02):
            for file in out.glob("runs/.*.progress"):
                try:
                    told = json.loads(file.read_text())
                except (OSError, ValueError):
                    continue
                if told["epoch"] >= 1 and not killed:
                    os.kill(told["pid"], signal.SIGKILL)
                    killed.append(told["pid"])

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Sums in the order that workers with one thread have."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def weights(out: Path) -> dict[str, bytes]:
    return {path.name: (path / "model.safetensors").read_bytes() for path in (out / "runs").iterdir() if path.is_dir()}


def many(engine: Any, epochs: int) -> Plan:
    return replace(plan("symmetric", "broken", seeds=(0, 1), engine=engine), recipe=recipe(epochs))


def test_an_unknown_engine_is_a_diagnostic() -> None:
    with pytest.raises(HopgraphError, match="no engine is named `rey`") as caught:
        find_engine("rey", Resources())
    assert "rename it to `ray`" in str(caught.value)


def test_ray_is_imported_only_where_it_is_asked_for() -> None:
    code = "import sys, hopgraph.bench.compare, hopgraph.bench.cluster; assert 'ray' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_board_counts_all_runs_together(tmp_path: Path) -> None:
    request = many(None, 4)
    jobs = [request.job(label, 0, tmp_path) for label in request.specs]
    told: list[tuple[str, float, float]] = []

    def tell(what: str, done: float, total: float) -> None:
        told.append((what, done, total))

    board = Board(jobs, tell, behind=4)
    board.report(jobs[0], 1.5, "test accuracy 0.500")
    board.report(jobs[1], 1, "loss 2.0")
    board.finish(jobs[0])
    assert told == [
        ("training symmetric, seed 0: test accuracy 0.500", 5.5, 12),
        ("training broken, seed 0: loss 2.0", 6.5, 12),
        ("trained symmetric, seed 0", 9, 12),
    ]


def test_a_run_goes_on_from_its_checkpoint(tmp_path: Path, digits: Data) -> None:
    request = many(None, 3)
    job = request.job("broken", 0, tmp_path)

    class StoppedError(Exception):
        pass

    def stop(epoch: float, what: str) -> None:
        if epoch >= 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        run_job(job, digits, stop)
    assert not (job.out / "run.json").exists()
    told: list[float] = []
    outcome = run_job(job, digits, lambda epoch, what: told.append(epoch))
    assert outcome.diagnostics == ()
    assert told[0] > 2
    assert len(read_record(job.out).history) == 3


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_several_processes_compute_the_same(tmp_path: Path, digits: Data) -> None:
    compare(many(None, 2), digits, tmp_path / "one")
    cores = os.cpu_count() or 1
    compare(many(find_engine("local", Resources(jobs=max(2, cores))), 2), digits, tmp_path / "several")
    assert weights(tmp_path / "several") == weights(tmp_path / "one")
    assert not list((tmp_path / "several" / "runs").glob(".*"))


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_a_process_that_is_killed_is_started_again(tmp_path: Path, digits: Data) -> None:
    cores = os.cpu_count() or 1
    with one_is_killed(tmp_path / "out") as killed:
        found = compare(many(find_engine("local", Resources(jobs=max(2, cores))), 12), digits, tmp_path / "out")
    assert len(killed) == 1
    assert all(len(history) == 12 for row in found.rows for history in row.histories)
    compare(many(None, 12), digits, tmp_path / "whole")
    assert weights(tmp_path / "out") == weights(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
@pytest.mark.filterwarnings("ignore")
def test_ray_computes_the_same(tmp_path: Path, digits: Data) -> None:
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        found = compare(many(find_engine("ray", Resources()), 2), digits, tmp_path / "ray")
        with pytest.raises(HopgraphError, match="no node of the Ray cluster has 64 CPUs"):
            compare(many(find_engine("ray", Resources(cpus=64)), 2), digits, tmp_path / "large")
    finally:
        ray.shutdown()
    assert found.machine["engine"] == "ray, 1 CPUs and 0 GPUs a run"
    compare(many(None, 2), digits, tmp_path / "local")
    assert weights(tmp_path / "ray") == weights(tmp_path / "local")


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
@pytest.mark.filterwarnings("ignore")
def test_a_worker_of_a_cluster_of_two_nodes_is_killed_and_all_runs_complete(tmp_path: Path, digits: Data) -> None:
    from ray.cluster_utils import Cluster

    cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        with one_is_killed(tmp_path / "out") as killed:
            found = compare(many(find_engine("ray", Resources(address=cluster.address)), 12), digits, tmp_path / "out")
    finally:
        cluster.shutdown()
    assert len(killed) == 1
    assert all(len(history) == 12 for row in found.rows for history in row.histories)
    compare(many(None, 12), digits, tmp_path / "whole")
    assert weights(tmp_path / "out") == weights(tmp_path / "whole")
