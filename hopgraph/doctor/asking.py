"""Questions are asked in a process of their own, since an import may end the process that it runs in, or never end.

A child writes a line of JSON for each question as it is answered. Where it dies, the first without a line is to blame, and another child
is asked the rest.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TextIO

from hopgraph.doctor.questions import first_line, question

LIMIT = 120.0
"""The seconds that one child has: imports from a slow disk take long."""


@dataclass(frozen=True)
class Answer:
    """What came of a question: `state` is `works`, `missing` (the module is not there) or `broken`, with the reason."""

    state: str
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    reason: str = ""


def ask(names: Sequence[str], limit: float = LIMIT) -> dict[str, Answer]:
    """The answer to each question. Nothing is raised: a question whose child cannot be had is answered as broken."""
    found: dict[str, Answer] = {}
    while left := [name for name in names if name not in found]:
        answered, ending = _child(left, limit)
        found |= answered
        at = next((name for name in left if name not in found), None)
        if at is not None:
            found[at] = Answer("broken", reason=ending)
    return found


def _child(names: Sequence[str], limit: float) -> tuple[dict[str, Answer], str]:
    """What a child answers, and how it ended."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        told = Path(folder) / "told"
        ending = _run(told, names, limit)
        lines = told.read_text(encoding="utf-8").split("\n")[:-1] if told.exists() else []  # the last may be half a line
    return dict(map(_answer, lines)), ending


def _run(told: Path, names: Sequence[str], limit: float) -> str:
    """Run a child, which sees the modules that this process does, and say how it ended."""
    code = f"import sys; sys.path[:] = {sys.path!r}; from hopgraph.doctor.asking import tell; tell({str(told)!r}, {list(names)!r})"
    quiet = subprocess.DEVNULL
    try:
        done = subprocess.run([sys.executable, "-c", code], check=False, timeout=limit, stdin=quiet, stdout=quiet, stderr=quiet)  # noqa: S603 (our own code)
    except subprocess.TimeoutExpired:
        return f"its import does not end within {limit:g} s"
    except OSError as error:
        return first_line(error)
    return f"its import ends Python ({_status(done.returncode)})"


def _status(status: int) -> str:
    """How a process ended, in words: `signal SIGILL` where the processor lacks an instruction."""
    names = {item.value: item.name for item in signal.Signals}
    return f"signal {names.get(-status, -status)}" if status < 0 else f"exit status {status}"


def _answer(line: str) -> tuple[str, Answer]:
    name, state, facts, reason = json.loads(line)
    return name, Answer(state, facts, reason)


def tell(path: str, names: Sequence[str]) -> None:
    """In the child: answer each question by a line of JSON, written at once."""
    with Path(path).open("w", encoding="utf-8") as stream:
        for name in names:
            _tell_one(stream, name)
    os._exit(0)  # what the modules would do at the end is not asked


def _tell_one(stream: TextIO, name: str) -> None:
    try:
        answer = Answer("works", question(name)())
    except ModuleNotFoundError as error:
        answer = Answer("missing" if error.name == name else "broken", reason=first_line(error))
    except BaseException as error:  # a module may even ask for the end of the process
        answer = Answer("broken", reason=first_line(error))
    print(json.dumps((name, answer.state, answer.facts, answer.reason)), file=stream, flush=True)
