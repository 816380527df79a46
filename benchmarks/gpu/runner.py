"""A section is run: in a process of its own, within its time, and whatever becomes of it there is an outcome."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.gpu.child import SKIPPED
from benchmarks.gpu.sections import Section
from benchmarks.processes import ROOT

LEAST = 2.0
"""In fewer seconds no process even starts."""
MOST = 4000
"""So many of the last characters of the errors are kept."""


@dataclass(frozen=True)
class Outcome:
    """What became of a section: `status` is `done`, `skipped`, `failed` or `out of time`, `reason` is why, if it is not done."""

    name: str
    status: str
    reason: str
    seconds: float
    rows: Sequence[dict[str, Any]] = ()

    @property
    def failures(self) -> int:
        """How many rows tell an error of a part."""
        return sum("failed" in row for row in self.rows)


def run(section: Section, limit: float, arguments: Sequence[str], dry: bool) -> Outcome:
    """Run a section for so many seconds at most."""
    if section.missing is not None:
        return Outcome(section.name, "skipped", section.missing, 0.0)
    if limit < LEAST:
        return Outcome(section.name, "skipped", "no time was left", 0.0)
    begun = time.monotonic()
    with TemporaryDirectory() as folder:
        rows = Path(folder) / "rows"
        command = [sys.executable, "-m", "benchmarks.gpu.child", section.module, str(rows), *arguments]
        status, errors = ended(command, limit, Path(folder) / "errors", environment(dry))
        told, reason = verdict(status, errors, limit)
        return Outcome(section.name, told, reason, round(time.monotonic() - begun, 1), read(rows))


def environment(dry: bool) -> dict[str, str]:
    """That of the process. A dry run sees no GPU, though there be one."""
    return {**os.environ, "PYTHONUNBUFFERED": "1", **({"CUDA_VISIBLE_DEVICES": ""} if dry else {})}


def ended(command: Sequence[str], limit: float, file: Path, given: dict[str, str]) -> tuple[int | None, str]:
    """The status, none where the time was over and the process was killed with all that it started; and its errors."""
    with file.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(  # noqa: S603 (our own modules)
            command, cwd=ROOT, env=given, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True
        )
        try:
            status: int | None = process.wait(limit)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            _kill(process)
    return status, file.read_text(encoding="utf-8", errors="replace")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End what is left of a process and of those that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def verdict(status: int | None, errors: str, limit: float) -> tuple[str, str]:
    """The status and the reason in words."""
    if status is None:
        return "out of time", f"it was ended after {limit:.0f} s; its rows up to then are kept"
    if status == SKIPPED:
        return "skipped", errors.strip().splitlines()[-1]
    return ("done", "") if status == 0 else ("failed", f"status {status}: {errors[-MOST:].strip()}")


def read(file: Path) -> list[dict[str, Any]]:
    """The rows that were written whole."""
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]
