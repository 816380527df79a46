"""Every page of the documentation, as it is read: its links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .pages import DOCS


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: str(page.relative_to(DOCS).with_suffix("")))
def test_a_page_names_only_files_that_are_there(page: Path) -> None:
    """Relative links of pages, without their anchors; code has none."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []
