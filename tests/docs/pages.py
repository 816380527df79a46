"""A page of the documentation as a user follows it: files to write, and commands with what they print."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from doctest import ELLIPSIS, OutputChecker
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
FAILS = "error["
"""What a command prints that ends with status 1."""
BACKGROUND = " &"
"""The end of a command that goes on beside the next ones."""
INSTALL = "pip install "
"""The start of a command that installs a package of the page's own: beside the tests' packages, not among them."""
SITE = ".site"
"""Where it is installed, in the folder of the page."""

_BLOCK = re.compile(r'^```(?:(?P<file>\w+) title="(?P<name>[^"]+)"|console)\n(?P<text>.*?)^```$', re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Written:
    """A file that the page says to write."""

    name: str
    text: str


@dataclass(frozen=True)
class Command:
    """A command, and what it prints, `...` standing for anything."""

    text: str
    printed: str


def steps(page: Path) -> Iterator[Written | Command]:
    """What the page says to do, in order."""
    for block in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        if block["name"]:
            yield Written(block["name"], block["text"])
        else:
            for part in re.split(r"^\$ ", block["text"], flags=re.MULTILINE)[1:]:
                command, _, printed = part.partition("\n")
                yield Command(command, printed)


def follow(page: Path, folder: Path) -> int:
    """Do in an empty folder what the page says, and hold what is printed against it. How many commands these were."""
    commands = [step for step in steps(page) if isinstance(step, Command)]
    with ExitStack() as background:
        for step in steps(page):
            if isinstance(step, Written):
                file = folder / step.name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(step.text, encoding="utf-8")
                continue
            status, printed = _started(step, folder, background) if step.text.endswith(BACKGROUND) else _done(step, folder)
            assert status == (FAILS in step.printed), f"$ {step.text}\n{printed}"
            assert as_told(step, printed), f"$ {step.text}\n{printed}\ninstead of\n{step.printed}"
    return len(commands)


def as_told(step: Command, printed: str) -> bool:
    """Whether that is what the page says."""
    return OutputChecker().check_output(step.printed, printed, ELLIPSIS)


def _done(step: Command, folder: Path) -> tuple[int, str]:
    """The status of a command, and what it prints: on standard error where it fails."""
    words = shlex.split(step.text)
    if step.text.startswith(INSTALL):
        words += ["--no-index", "--no-deps", "--no-build-isolation", "--target", SITE]
    done = subprocess.run(words, cwd=folder, env=_environment(folder), capture_output=True, text=True, check=False)
    return done.returncode, done.stderr if done.returncode else done.stdout


def _started(step: Command, folder: Path, background: ExitStack) -> tuple[int, str]:
    """A command that goes on beside the next ones: as many lines of it as the page has. It is ended after the last."""
    words = shlex.split(step.text.removesuffix(BACKGROUND))
    process = background.enter_context(subprocess.Popen(words, cwd=folder, env=_environment(folder), stdout=subprocess.PIPE, text=True))
    background.callback(process.terminate)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in step.printed.splitlines()]
    return process.poll() or 0, "".join(lines)


def _environment(folder: Path) -> dict[str, str]:
    """That of a user who has HopGraph, what the page installed, and a wide terminal."""
    first = {"PATH": Path(sys.executable).parent, "PYTHONPATH": folder / SITE}
    found = {name: os.pathsep.join(filter(None, (str(place), os.environ.get(name)))) for name, place in first.items()}
    return {**os.environ, **found, "COLUMNS": "200"}
