"""What `hopgraph check SPEC` costs, the whole process, against `python -c "import torch"`.

    python -m benchmarks.check [--quick] [--out FOLDER]

Every shipped spec, and torch, take turns, each in a fresh process. Once for each spec the interpreter tells all that it imports, and torch
must not be among it. The target is a quarter.
"""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial

from benchmarks.base import Result, Target, compared, timed, turns
from benchmarks.tables import Table, command
from hopgraph.frontend.library import shipped

ROUNDS = 7
TARGET = Target(0.25)
TORCH = "import torch"
IMPORTED = re.compile(r"^import time:.*\|\s*torch(\.|$)", re.MULTILINE)


def called(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A process of this interpreter, to its end."""
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)  # noqa: S603 (our own commands)


def checks(spec: str) -> tuple[str, ...]:
    """The arguments that check a spec."""
    return ("-m", "hopgraph", "check", spec)


def require_no_torch(spec: str) -> None:
    """An AssertionError where the check of a spec imports torch."""
    assert not IMPORTED.search(called("-X", "importtime", *checks(spec)).stderr), f"`hopgraph check {spec}` imports torch"


def measure(quick: bool) -> Table:
    """A row for each spec, the slowest first."""
    assert IMPORTED.search(called("-X", "importtime", "-c", TORCH).stderr), "the interpreter does not tell what it imports"
    specs = list(shipped())[: 1 if quick else None]
    for spec in specs:
        require_no_torch(spec)
    commands = {TORCH: ("-c", TORCH), **{spec: checks(spec) for spec in specs}}
    found = turns({name: partial(timed, partial(called, *command)) for name, command in commands.items()}, 2 if quick else ROUNDS)
    rows = [row(spec, found[spec], found[TORCH]) for spec in specs]
    return Table(tuple(sorted(rows, key=lambda result: -result.ours)))


def row(spec: str, ours: list[float], theirs: list[float]) -> Result:
    """A spec beside torch."""
    return compared("whole process", f'python -c "{TORCH}"', ours, theirs, name=f"check {spec}", target=TARGET)


def main() -> None:
    """Print the table."""
    command("check", __doc__ or "", measure)


if __name__ == "__main__":
    main()
