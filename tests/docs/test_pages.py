"""Every page of the documentation, as it is read: its links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .pages import DOCS

EXPLANATIONS = sorted((DOCS.parent / "hopgraph" / "explanations").glob("*.md"))


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: str(page.relative_to(DOCS).with_suffix("")))
def test_a_page_names_only_files_that_are_there(page: Path) -> None:
    """Relative links of pages, without their anchors; code has none."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", [*sorted(DOCS.rglob("*.md")), *EXPLANATIONS], ids=lambda page: f"{page.parent.name}/{page.stem}")
def test_prose_has_nothing_that_a_browser_takes_for_a_tag(page: Path) -> None:
    """`<x, g>` outside of code would not be shown: write ⟨x, g⟩."""
    text = re.sub(r"^(?:```.*?^```|(?: {4}|\t).*?)$|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert re.findall(r"<(?!br>)[A-Za-z/!][^\n]{0,40}", text) == []
