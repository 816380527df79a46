"""The tutorial, followed to the letter in an empty folder: every file, every command, and what it prints."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from doctest import ELLIPSIS, OutputChecker
from pathlib import Path

import pytest

from .pages import Command, Written, steps

ROOT = Path(__file__).resolve().parents[2]
FAILS = "error["
"""What a command prints that ends with status 1."""


def followed(step: Command, folder: Path) -> tuple[int, str]:
    """The status of a command, and what it prints: on standard error where it fails."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    environment = {**os.environ, "PATH": path, "COLUMNS": "200"}
    done = subprocess.run(shlex.split(step.text), cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr if done.returncode else done.stdout


def test_every_step_does_what_the_page_says(tmp_path: Path) -> None:
    page = list(steps(ROOT / "docs" / "tutorial.md"))
    assert sum(isinstance(step, Command) for step in page) > 10
    for step in page:
        if isinstance(step, Written):
            (tmp_path / step.name).write_text(step.text, encoding="utf-8")
            continue
        status, printed = followed(step, tmp_path)
        assert status == (FAILS in step.printed), f"$ {step.text}\n{printed}"
        assert OutputChecker().check_output(step.printed, printed, ELLIPSIS), f"$ {step.text}\n{printed}\ninstead of\n{step.printed}"


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.stem)
def test_a_page_names_only_files_that_are_there(page: Path) -> None:
    """Relative links of pages, without their anchors."""
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
