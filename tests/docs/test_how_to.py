"""The how-to pages, each followed to the letter in an empty folder: every file, every command, and what it prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from .pages import DOCS, follow

PAGES = sorted((DOCS / "how-to").glob("*.md"))
SLOW = ("add-exporter", "break-one-synapse", "cluster", "own-data", "timm-checkpoint", "triton")
"""The pages that train, export or start many processes: they take more than a few seconds."""
MOST = 100
"""How many lines a page may have."""


def _parameter(page: Path) -> object:
    return pytest.param(page, id=page.stem, marks=pytest.mark.slow if page.stem in SLOW else ())


@pytest.mark.parametrize("page", [_parameter(page) for page in PAGES])
def test_every_step_does_what_the_page_says(page: Path, tmp_path: Path) -> None:
    assert follow(page, tmp_path) > 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_short(page: Path) -> None:
    assert len(page.read_text(encoding="utf-8").splitlines()) <= MOST
