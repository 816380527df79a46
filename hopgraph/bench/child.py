"""The process of a candidate, as the one that measures sees it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from types import TracebackType
from typing import IO, Any

from hopgraph.bench.candidates import Candidate


class Child:
    """A candidate in a process of its own. Every answer is a record; one with a `reason` says what could not be done, and why."""

    def __init__(self, candidate: Candidate, threads: int) -> None:
        names = (candidate.bundle, candidate.runtime, candidate.dtype, str(threads))
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the process, which a full pipe would stop)
        self._process = subprocess.Popen(  # noqa: S603 (our own module, no shell)
            [sys.executable, "-m", "hopgraph.bench.worker", *names],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        )

    def opened(self) -> str | None:
        """Wait until it is open; why it cannot be, None where it is."""
        reason = self._answer().get("reason")
        return None if reason is None else str(reason)

    def ask(self, what: str, **request: object) -> dict[str, Any]:
        """The answer to a request."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"what": what, **request}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return self._died()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return json.loads(line) if line else self._died()

    def _died(self) -> dict[str, Any]:
        """What it said last."""
        status = self._process.wait()
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return {"reason": f"its process ended: {lines[-1] if lines else f'it said nothing (exit status {status})'}"}

    def __enter__(self) -> Child:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close its input, at which it ends; where we end by an error, it may be in a long call, and is ended."""
        if kind is not None:
            self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            try:
                stream.close()
            except BrokenPipeError:
                continue
        self._process.wait()
        self._said.close()
