"""Every wrong request gets its own answer, and the server answers the next."""

from __future__ import annotations

import json
import re
import socket

import pytest

from tests.serve.conftest import Starter
from tests.serve.faults import FAULTS, Fault, Target
from tests.serve.running import DEADLINE, Running, received


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_wrong_request_gets_its_answer(server: Running, target: Target, fault: Fault) -> None:
    connection = server.connection()
    fault.send(connection, target)
    answer = received(connection)
    assert answer.status == fault.status
    assert list(answer.json()) == ["error"]
    assert re.fullmatch(fault.answer, answer.json()["error"])
    assert server.infer(target.body()).status == 200


def test_a_connection_outlives_a_refusal(server: Running, target: Target) -> None:
    """A client that sends all of a body that is too large reads why it was refused, and goes on."""
    connection = server.connection()
    for _ in range(2):
        connection.request("POST", target.path, b" " * (20 * target.max_body_bytes))
        response = connection.getresponse()
        assert (response.status, b"larger than" in response.read()) == (413, True)
    connection.request("GET", "/v2/health/ready")
    assert received(connection).status == 200


def test_a_body_that_is_expected_is_refused_before_it_is_sent(server: Running, target: Target) -> None:
    """A client that asks first (curl does) is not told to continue."""
    with socket.create_connection((server.host, server.port), DEADLINE) as plain:
        head = f"POST {target.path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {2**40}\r\n\r\n"
        plain.sendall(head.encode())
        assert plain.recv(2**16).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"hello\r\n\r\n", b"Invalid HTTP request received."),
        (b"POST /v2 HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"Invalid HTTP request received."),
        (b"POST /v2 HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"Invalid HTTP request received."),
        (b"GET /" + b"x" * 2**20, b"The head of the request is too large."),
        (b"GET / HTTP/1.1\r\nA: " + b"x" * 2**20, b"The head of the request is too large."),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 2**18, b"The head of the request is too large."),
    ],
    ids=["no HTTP", "a negative length", "two lengths", "an endless path", "an endless header", "endless headers"],
)
def test_what_is_no_request_is_refused(server: Running, target: Target, sent: bytes, told: bytes) -> None:
    with socket.create_connection((server.host, server.port), DEADLINE) as plain:
        try:
            plain.sendall(sent)
        except OSError:
            assert len(sent) >= 2**20  # the server has closed the connection before all was sent
        answer = plain.recv(2**16)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(told)
    assert server.infer(target.body()).status == 200


def test_a_large_body_must_be_binary(serving: Starter, target: Target) -> None:
    server = serving()
    numbers = b", ".join([b"0"] * 6_000_000)
    text = json.dumps(target.body(shape=[1_000_000, 1, 2, 3], data=[])).encode().replace(b"[]", b"[" + numbers + b"]")
    refused = server.infer(text)
    assert (refused.status, refused.json()) == (413, {"error": "the JSON of a request may have 16,777,216 bytes: give the data in binary"})
    read = server.infer(*target.binary(bytes(2**25)))
    assert (read.status, read.json()) == (400, {"error": "`image` has the shape 1 x 1 x 2 x 3, and 8388608 numbers"})


def test_clients_that_are_silent_or_slow_are_hung_up_on(serving: Starter, target: Target) -> None:
    server = serving(head_seconds=0.1, timeout_s=0.1)
    for sent in (b"", b"GET /v2 HTTP/1.1\r\nHost"):
        with socket.create_connection((server.host, server.port), DEADLINE) as plain:
            plain.sendall(sent)
            assert plain.recv(100) == b""
    connection = server.connection()
    connection.putrequest("POST", target.path)
    connection.putheader("Content-Length", "100")
    connection.endheaders(b"{")
    answer = received(connection)
    assert (answer.status, answer.headers["connection"]) == (408, "close")
    assert answer.json() == {"error": "the body did not arrive within 0.1 seconds"}


def test_a_client_that_goes_while_it_sends_leaves_nothing(serving: Starter, target: Target) -> None:
    server = serving()
    with socket.create_connection((server.host, server.port), DEADLINE) as plain:
        plain.sendall(f"POST {target.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n123".encode())
    server.poll('hopgraph_request_seconds_count{code="499"}', 1)
    server.poll("hopgraph_requests_in_flight", 0)


def test_a_model_that_fails_is_told_and_logged(serving: Starter, target: Target) -> None:
    server = serving()
    answer = server.infer(target.body(data=[200.0, 0, 0, 0, 0, 0]))
    assert (answer.status, answer.json()) == (500, {"error": "the model failed; the server's log says why"})
    assert server.infer(target.body()).status == 200
    server.process.terminate()
    assert server.end() == (0, "error: the model failed: RuntimeError: out of memory\n")
