"""The documentation builds as a site: every link leads somewhere, and nothing is loaded from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hopgraph.energy.lagrangians import LAGRANGIANS
from hopgraph.energy.maps import MAPS
from hopgraph.errors import CODES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly: a warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_link_inside_the_site_leads_somewhere(site: Path) -> None:
    """mkdocs looks at the links of pages; these are those of the pages that were made, the made ones too."""
    missing = [(page.relative_to(site).as_posix(), link) for page in site.rglob("*.html") if page.name != "404.html" for link in lost(page)]
    assert missing == []


def lost(page: Path) -> list[str]:
    links = re.findall(r'href="(?!https?:|mailto:|#|data:)([^"#?]+)', page.read_text(encoding="utf-8"))
    return [link for link in links if not (page.parent / link).resolve().exists()]


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    loads = re.compile(r'(?:src="|<link[^>]+rel="(?:stylesheet|preconnect)"[^>]+href=")(https?:[^"]+)')
    assert {load for page in site.rglob("*.html") for load in loads.findall(page.read_text(encoding="utf-8"))} == set()


def test_reference_pages_have_all_that_the_code_has(site: Path) -> None:
    for page, names in (("lagrangians", LAGRANGIANS), ("maps", MAPS), ("diagnostics", CODES)):
        text = (site / "reference" / f"{page}.html").read_text(encoding="utf-8")
        assert [name for name in names if f">{name}" not in text] == []


def test_no_role_of_a_docstring_is_left(site: Path) -> None:
    assert ":func:" not in (site / "reference" / "python.html").read_text(encoding="utf-8")


def test_the_picture_is_what_the_command_draws(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hopgraph", "show", "paramixer", "--format", "svg", "-o", str(tmp_path / "drawn.svg")]
    subprocess.run(command, check=True, capture_output=True)
    assert (ROOT / "docs" / "pictures" / "paramixer.svg").read_text(encoding="utf-8") == (tmp_path / "drawn.svg").read_text(
        encoding="utf-8"
    )
