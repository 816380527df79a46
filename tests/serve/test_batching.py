"""How requests are joined, limited, dropped, and ended."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hopgraph.errors import HopgraphError
from hopgraph.runtime.record import Array
from hopgraph.serve.batching import Batch, Batcher
from hopgraph.serve.server import listen
from tests.serve.conftest import Starter
from tests.serve.faults import Target
from tests.serve.running import DEADLINE, Answer, Running, until


class Held:
    """A server whose model is held by one request, and the requests that are made meanwhile."""

    def __init__(self, server: Running, pool: ThreadPoolExecutor, target: Target) -> None:
        self.server, self._pool, self._target = server, pool, target
        self.first = self.ask(100.0)
        until((server.folder / "entered").exists)

    def ask(self, first: float, rows: int = 1, **changes: Any) -> Future[Answer]:
        """A request, of which each row has that first number."""
        data = [first, 0, 0, 0, 0, 0] * rows
        body = {**self._target.body(shape=[rows, 1, 2, 3], data=data), **changes}
        return self._pool.submit(self.server.infer, body)

    def in_flight(self, count: int) -> None:
        """Wait until so many requests are in flight."""
        self.server.poll("hopgraph_requests_in_flight", count)

    def release(self) -> None:
        """Let the model go on."""
        (self.server.folder / "go").touch()


@pytest.fixture
def held(serving: Starter, target: Target) -> Iterator[Callable[..., Held]]:
    with ThreadPoolExecutor(32) as pool:
        servers: list[Held] = []

        def start(**settings: Any) -> Held:
            servers.append(Held(serving(**settings), pool, target))
            return servers[-1]

        yield start
        for server in servers:
            server.release()


def batches(answers: list[Future[Answer]]) -> list[int]:
    """The batch that each row was run in, in order."""
    rows = [np.reshape(answer.result().json()["outputs"][0]["data"], (-1, 3)) for answer in answers]
    return sorted(int(size) for size in np.concatenate(rows)[:, 2])


def test_requests_that_wait_are_joined(held: Callable[..., Held]) -> None:
    server = held(max_batch=64)
    answers = [server.ask(number) for number in range(5)] + [server.ask(9, rows=3)]
    server.in_flight(7)
    server.release()
    assert batches(answers) == [8] * 8
    assert [answer.result().json()["outputs"][0]["data"][0] for answer in answers] == [0, 1, 2, 3, 4, 9]
    assert batches([server.first]) == [1]


def test_no_batch_is_larger_than_asked(held: Callable[..., Held]) -> None:
    server = held(max_batch=4)
    answers = [server.ask(number) for number in range(6)]
    server.in_flight(7)
    server.release()
    assert batches(answers) == [2, 2, 4, 4, 4, 4]


def test_without_batching_each_runs_alone(held: Callable[..., Held]) -> None:
    server = held(batching=False)
    answers = [server.ask(number, rows=2) for number in range(3)]
    server.in_flight(4)
    server.release()
    assert batches(answers) == [2] * 6
    assert "dynamic_batching" not in server.server.get("/v2/models/stub/config").json()


def test_a_request_larger_than_a_batch_runs_in_pieces(serving: Starter, target: Target) -> None:
    server = serving(max_batch=4)
    answer = server.infer(target.body(shape=[10, 1, 2, 3], data=list(range(60))))
    rows = np.reshape(answer.json()["outputs"][0]["data"], (10, 3))
    assert np.array_equal(rows, np.stack([36 * np.arange(10) + 15, 6 * np.arange(10) + 5, [4] * 8 + [2] * 2], 1))


def test_one_that_fails_takes_none_with_it(held: Callable[..., Held]) -> None:
    server = held()
    good, bad = [server.ask(1), server.ask(2)], server.ask(200.0)
    server.in_flight(4)
    server.release()
    assert bad.result().status == 500
    assert batches(good) == [1, 1]


def test_a_request_whose_client_is_gone_is_dropped(held: Callable[..., Held], target: Target) -> None:
    server = held()
    body = json.dumps(target.body()).encode()
    with socket.create_connection((server.server.host, server.server.port), DEADLINE) as plain:
        plain.sendall(f"POST {target.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        server.in_flight(2)
    server.server.poll('hopgraph_request_seconds_count{code="499"}', 1)
    answer = server.ask(1)
    server.in_flight(2)
    server.release()
    assert batches([answer]) == [1]
    assert server.server.statistics()["inference_count"] == 2


def test_one_that_waits_too_long_is_answered_and_dropped(held: Callable[..., Held]) -> None:
    server = held(timeout_s=0.2)
    assert server.first.result().status == 504
    late = server.ask(1, parameters={"timeout": 50_000}).result()
    assert (late.status, late.json()) == (504, {"error": "the model did not answer within 0.05 seconds"})
    server.release()
    until(lambda: server.ask(2).result().status == 200)
    assert server.server.metric("hopgraph_requests_in_flight") == 0


def test_requests_over_the_limit_are_told_to_come_again(held: Callable[..., Held]) -> None:
    server = held(max_requests=2)
    second = server.ask(1)
    server.in_flight(2)
    refused = server.ask(2).result()
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert refused.json() == {"error": "2 requests are in flight, and no more are taken"}
    assert server.server.get("/v2/health/ready").status == 200
    server.release()
    assert (server.first.result().status, second.result().status) == (200, 200)
    assert server.ask(3).result().status == 200


def test_bytes_over_the_limit_of_all_are_told_to_come_again(held: Callable[..., Held]) -> None:
    server = held(max_bytes_in_flight=7200)
    refused = server.ask(1, rows=40).result()  # alone it would fit
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert re.fullmatch(r"the requests in flight hold [\d,]+ bytes, and no more are taken", refused.json()["error"])
    server.release()
    assert server.first.result().status == 200
    assert server.ask(1, rows=40).result().status == 200
    larger = server.ask(1, rows=60).result()
    assert larger.status == 413
    assert re.fullmatch(r"the request and its answer have [\d,]+ bytes, and all together may have 7,200", larger.json()["error"])


def test_two_hundred_clients_at_once(server: Running, target: Target) -> None:
    barrier = Barrier(200)

    def ask(number: int) -> Answer:
        barrier.wait(DEADLINE)
        return server.infer(target.body(data=[0, 0, 0, 0, 0, number]))

    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(ask, range(200)))
    assert [answer.status for answer in answers] == [200] * 200
    assert [answer.json()["outputs"][0]["data"][0] for answer in answers] == list(range(200))
    assert server.get("/v2/health/ready").status == 200


# --- the queue by itself ----------------------------------------------------------------------------------------------


def test_the_oldest_job_waits_for_others_until_the_batch_is_full() -> None:
    told: list[Batch] = []
    batcher = Batcher(lambda rows: rows * 2, 3, 3600.0, told.append)
    futures = [batcher.submit(np.full((1, 2), number, np.float32)) for number in range(3)]
    assert [future.result(DEADLINE).tolist() for future in futures] == [[[0, 0]], [[2, 2]], [[4, 4]]]
    assert [batch.rows for batch in told] == [3]


def test_the_oldest_job_waits_no_longer_than_it_must() -> None:
    told: list[Batch] = []
    batcher = Batcher(lambda rows: rows, 64, 0.05, told.append)
    batcher.submit(np.zeros((1, 2), np.float32)).result(DEADLINE)
    assert told[0].waited[0] >= 0.05


def test_jobs_of_another_length_wait_for_the_next_run() -> None:
    shapes: list[tuple[int, ...]] = []

    def predict(rows: NDArray[Any]) -> Array:
        shapes.append(rows.shape)
        return rows * 2

    batcher = Batcher(predict, 5, 3600.0, lambda _: None)
    lengths = [2, 3, 2, 3, 3]
    futures = [batcher.submit(np.full((1, length), number, np.float32)) for number, length in enumerate(lengths)]
    assert futures[0].result(DEADLINE).tolist() == [[0, 0]]
    assert futures[2].result(DEADLINE).tolist() == [[4, 4]]
    futures += [batcher.submit(np.full((1, 3), number, np.float32)) for number in (5, 6)]
    for number in (1, 3, 4, 5, 6):
        assert futures[number].result(DEADLINE).tolist() == [[2 * number] * 3]
    assert shapes == [(2, 2), (5, 3)]


def test_requests_of_any_length_at_once(serving: Starter) -> None:
    server = serving("texts")
    metadata = server.get("/v2/models/stub").json()
    assert [port["shape"] for port in (*metadata["inputs"], *metadata["outputs"])] == [[-1, -1], [-1, -1, 2]]
    config = server.get("/v2/models/stub/config").json()
    assert (config["input"][0]["dims"], config["output"][0]["dims"]) == ([-1], [-1, 2])

    def ask(length: int) -> Answer:
        tensor = {"name": "tokens", "datatype": "INT64", "shape": [1, length], "data": list(range(length))}
        return server.infer({"inputs": [tensor]})

    with ThreadPoolExecutor(16) as pool:
        lengths = [1 + number % 4 for number in range(64)]
        answers = list(pool.map(ask, lengths))
    for length, answer in zip(lengths, answers, strict=True):
        (output,) = answer.json()["outputs"]
        assert output["shape"] == [1, length, 2]
        assert output["data"] == [number * factor for number in range(length) for factor in (1, 2)]
    refused = ask(5)
    assert (refused.status, refused.json()) == (
        400,
        {"error": "the model reads batch x 1 to 4 (batch x n), and was given 1 x 5"},
    )


# --- the end ----------------------------------------------------------------------------------------------------------


def test_sigterm_lets_requests_in_flight_end(held: Callable[..., Held], target: Target) -> None:
    server = held()
    queued = server.ask(1)
    server.in_flight(2)
    server.server.process.send_signal(signal.SIGTERM)
    until(lambda: server.server.get("/v2/health/ready").status == 503)
    assert server.server.get("/v2/health/live").status == 200
    assert server.server.get("/v2/models/stub/ready").status == 503
    refused = server.ask(2).result()
    assert (refused.status, refused.json()) == (503, {"error": "the server is shutting down"})
    server.release()
    assert (server.first.result().status, queued.result().status) == (200, 200)
    assert server.server.end() == (0, "")


def test_what_takes_longer_than_the_grace_is_cut_off(held: Callable[..., Held]) -> None:
    server = held(grace_s=0.05)
    server.server.process.send_signal(signal.SIGTERM)
    answer = server.first.result()
    assert (answer.status, answer.json()) == (503, {"error": "the server was stopped before the request was done"})
    assert server.server.end() == (1, "")


def test_a_second_signal_ends_at_once(held: Callable[..., Held]) -> None:
    server = held(grace_s=3600.0)
    server.server.process.send_signal(signal.SIGINT)
    until(lambda: server.server.get("/v2/health/ready").status == 503)
    server.server.process.send_signal(signal.SIGINT)
    assert server.first.result().status == 503
    assert server.server.end() == (1, "")


def test_an_idle_server_ends_at_once_with_connections_open(serving: Starter) -> None:
    server = serving(grace_s=3600.0)
    connection = server.connection()
    connection.request("GET", "/v2")
    connection.getresponse().read()
    server.process.send_signal(signal.SIGTERM)
    assert server.end() == (0, "")
    connection.close()


# --- the start, and what is told of it --------------------------------------------------------------------------------


def test_a_port_that_is_taken(server: Running) -> None:
    with pytest.raises(HopgraphError) as raised:
        listen(server.host, server.port)
    told = f"error[address-unavailable]: the server cannot listen at port {server.port} of `127.0.0.1`: another program does"
    assert str(raised.value) == f"{told}\n   = help: choose another port; 0 takes any that is free"


@pytest.mark.parametrize("host", ["no-host.invalid", "192.0.2.1", "..", "a b"])
def test_a_host_that_is_none(host: str) -> None:
    with pytest.raises(HopgraphError, match=r"address-unavailable.*: that is no address of this machine\n.*0\.0\.0\.0 for all"):
        listen(host, 0)


def test_connections_do_not_wait_to_be_acknowledged() -> None:
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_a_line_for_each_request(serving: Starter, target: Target) -> None:
    server = serving(log_requests=True)
    server.infer(target.body())
    server.infer(b"")
    server.process.terminate()
    code, err = server.end()
    first, second = (json.loads(line) for line in err.splitlines())
    assert code == 0
    assert (first["status"], first["path"], first["client"]) == (200, target.path, "127.0.0.1")
    assert second["status"] == 400
    assert 0 < first["seconds"] < DEADLINE


def test_metrics(serving: Starter, target: Target) -> None:
    server = serving()
    for _ in range(3):
        server.infer(target.body())
    server.infer(b"")
    assert server.metric('hopgraph_request_seconds_count{code="200"}') == 3
    assert server.metric('hopgraph_request_seconds_count{code="400"}') == 1
    assert server.metric("hopgraph_batch_rows_sum") == 3
    assert server.metric("hopgraph_queue_seconds_count") == 3
    assert server.metric("hopgraph_compute_seconds_sum") > 0
    assert server.metric("hopgraph_requests_in_flight") == 0
    assert server.get("/metrics").headers["content-type"].startswith("text/plain")


def test_a_server_needs_no_torch() -> None:
    code = "import sys, hopgraph.serve.server; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
