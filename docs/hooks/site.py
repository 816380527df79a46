"""What mkdocs calls: pages that lie elsewhere in the repository, pages that are made of the code, and the links between all of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from posixpath import dirname, normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from docs.hooks import tables

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {
    "README.md": "index.md",
    "specs/README.md": "catalogue/index.md",
    "examples/README.md": "examples/index.md",
    "benchmarks/README.md": "measurements.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Pages by their places in the repository, and where they are on the site."""
WIDE = ("catalogue/index.md", "measurements.md")
"""Those of them whose tables need the room of the page's contents."""
MADE: dict[str, Callable[[], str]] = {
    "reference/lagrangians.md": tables.lagrangians,
    "reference/maps.md": tables.maps,
    "reference/operations.md": tables.operations,
    "reference/diagnostics.md": tables.diagnostics,
    "reference/commands.md": tables.commands,
}
"""Pages that are made of the code."""
_LINK = re.compile(r"\[(?P<text>[^\]\[]*(?:\[[^\]]*\][^\]\[]*)*)\]\((?!https?:|#|mailto:)(?P<path>[^)#\s]+)(?P<anchor>#[^)]*)?\)")
_FENCE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/."""
    for source, target in ELSEWHERE.items():
        if (ROOT / source).is_file():
            head = "---\nhide: [toc]\n---\n\n" if target in WIDE else ""
            files.append(File.generated(config, target, content=head + (ROOT / source).read_text(encoding="utf-8")))
    for picture in sorted((ROOT / "examples").glob("*.png")):
        files.append(File.generated(config, f"examples/{picture.name}", abs_src_path=str(picture)))
    for spec in _listings():
        files.append(File.generated(config, _page_of(spec), content=_listing(spec)))
    for target, make in MADE.items():
        files.append(File.generated(config, target, content=make()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links of the repository to pages of the site. What has no page is named without a link."""
    here = page.file.src_uri
    origin = next((source for source, target in ELSEWHERE.items() if target == here), f"docs/{here}")

    def led(match: re.Match[str]) -> str:
        found = _target(normpath(f"{dirname(origin)}/{match['path']}".lstrip("/")), files)
        if found is None:
            return match["text"] if match["text"].startswith("`") else f"`{match['text']}`"
        return f"[{match['text']}]({relpath(found, dirname(here) or '.')}{match['anchor'] or ''})"

    parts = _FENCE.split(markdown)
    return "".join(part if part.startswith("```") else _LINK.sub(led, part) for part in parts)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Leave out the roles that docstrings have before a name."""
    return re.sub(r":(?:func|class|data|mod|meth|attr):(?=<code>)", "", html)


def _target(place: str, files: Files) -> str | None:
    """The page, or the picture, for a place in the repository; None where there is none, as for a folder of code."""
    if not (ROOT / place).exists():
        return place.removeprefix("docs/")  # mkdocs finds that it leads nowhere, and fails
    place = f"{place}/README.md" if (ROOT / place / "README.md").is_file() else place
    found = ELSEWHERE.get(place) or (_page_of(Path(place)) if place.startswith("specs/") else place.removeprefix("docs/"))
    return found if files.get_file_from_path(found) else None


def _listings() -> list[Path]:
    """The shipped specs and recipes."""
    return sorted(path.relative_to(ROOT) for path in (ROOT / "specs").rglob("*.yaml"))


def _page_of(spec: Path) -> str:
    """The page that shows a shipped file."""
    return f"catalogue/{'recipes/' if spec.parent.name == 'recipes' else ''}{spec.stem}.md"


def _listing(spec: Path) -> str:
    return f"# {spec.stem}\n\n`{spec.as_posix()}`\n\n```yaml\n{(ROOT / spec).read_text(encoding='utf-8')}```\n"
