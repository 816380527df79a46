"""The tutorial, followed to the letter in an empty folder: every file, every command, and what it prints."""

from __future__ import annotations

from pathlib import Path

from .pages import DOCS, follow


def test_every_step_does_what_the_page_says(tmp_path: Path) -> None:
    assert follow(DOCS / "tutorial.md", tmp_path) > 10
