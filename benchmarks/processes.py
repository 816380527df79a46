"""A measurement in a process of its own, which answers in one line of JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def asked(module: str, *arguments: object) -> Any:
    """What `python -m module arguments` prints last. Its errors are ours."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)  # noqa: S603 (our own modules)
    return json.loads(done.stdout.splitlines()[-1])
