"""A server in a process of its own, and the ways in which tests call it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tritonclient.http import InferenceServerClient

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 30.0
"""Seconds that a test waits for what must happen."""


def until(happened: Callable[[], object]) -> None:
    """Wait until something has happened. Raises AssertionError where it does not."""
    end = time.monotonic() + DEADLINE
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Running:
    """A server that runs: its process, the folder that it runs in, where it listens, and its model's name."""

    process: subprocess.Popen[str]
    folder: Path
    host: str
    port: int

    @property
    def url(self) -> str:
        """What tritonclient connects to."""
        return f"{self.host}:{self.port}"

    def connection(self) -> HTTPConnection:
        """A connection of one's own."""
        return HTTPConnection(self.host, self.port, timeout=DEADLINE)

    def get(self, path: str, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One request on a connection of its own."""
        connection = self.connection()
        connection.request(method, path, body, dict(headers or {}))
        return received(connection)

    def infer(self, body: Any, headers: Mapping[str, str] | None = None, model: str = "stub") -> Answer:
        """One inference, of JSON data or of bytes."""
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.get(f"/v2/models/{model}/infer", "POST", text, headers)

    def metric(self, name: str) -> float:
        """The value of a metric."""
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.get("/metrics").body.decode(), re.MULTILINE)
        return float(found.group(1)) if found else 0.0

    def poll(self, name: str, value: float) -> None:
        """Wait until a metric has a value."""
        until(lambda: self.metric(name) == value)

    def statistics(self) -> Any:
        """What the model's statistics are."""
        return self.get("/v2/models/stats").json()["model_stats"][0]

    def end(self) -> tuple[int, str]:
        """The exit code, and all that it wrote to standard error."""
        _, err = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode, err


def received(connection: HTTPConnection) -> Answer:
    """The answer on a connection, which is closed."""
    response = connection.getresponse()
    answer = Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
    connection.close()
    return answer


@contextmanager
def connected(server: Running, concurrency: int = 1) -> Generator[Any]:
    """Triton's client. Its own types leave much unsaid."""
    with InferenceServerClient(server.url, concurrency=concurrency) as found:
        yield found


@contextmanager
def running(command: Sequence[str], folder: Path) -> Generator[Running]:
    """A server, from a command that prints where it listens."""
    process = subprocess.Popen([sys.executable, *command], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r" at http://(.+):(\d+)$", line)
        assert found, line + process.communicate(timeout=DEADLINE)[1]
        yield Running(process, folder, found.group(1), int(found.group(2)))
    finally:
        process.kill()
        process.communicate()


def stub(folder: Path, kind: str = "image", **settings: Any) -> AbstractContextManager[Running]:
    """A server over a stub model, on a free port."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from tests.serve.stub import main; main()"
    return running(["-c", code, kind, json.dumps({"port": 0, **settings})], folder)
