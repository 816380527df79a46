"""What hopgraph itself needs around it: its entry points, its schema for editors, and a folder that can be written."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hopgraph.doctor.packages import installed_version
from hopgraph.doctor.questions import first_line
from hopgraph.frontend.library import SCHEMA, shipped, specs_root
from hopgraph.frontend.schema import schema_text
from hopgraph.version import __version__


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what it is, and what is wrong with it, with what to do; None where it is as it should be."""

    what: str
    wrong: str | None = None
    help: str = ""


def checks(exporters: int) -> tuple[Check, ...]:
    """Of this package and the current folder; `exporters` is how many were found. Nothing is raised."""
    looks = {
        "installation": partial(_installation, exporters),
        "shipped specs": _specs,
        "schema for editors": _schema,
        "current folder": _writable,
    }
    return tuple(_looked(what, look) for what, look in looks.items())


def _looked(what: str, look: Callable[[], tuple[str, str] | None]) -> Check:
    """One look, which gives what is wrong and what to do, or None."""
    try:
        return Check(what, *(look() or ()))
    except Exception as error:  # whatever it is, it is no reason to see nothing of the rest
        return Check(what, first_line(error), "install hopgraph again")


def _installation(exporters: int) -> tuple[str, str] | None:
    """Exporters are found through what pip writes: a copy that was never installed has none."""
    found, again = installed_version("hopgraph"), "run `pip install -e .` in its folder, or install hopgraph again"
    if found is None or exporters == 0:
        return "hopgraph was not installed by pip, so that no exporter is found", again
    return None if found == __version__ else (f"pip knows hopgraph {found}, and this is {__version__}", again)


def _specs() -> tuple[str, str] | None:
    return None if shipped() else (f"there are none in {specs_root()}", "install hopgraph again")


def _schema() -> tuple[str, str] | None:
    """Editors read the file: it should be there, and of this version of the language."""
    path = specs_root() / SCHEMA
    renew = f"write it anew: `hopgraph schema -o {path}`"
    if not path.is_file():
        return f"there is no {path}", renew
    return None if path.read_text(encoding="utf-8") == schema_text() else (f"{path} is of another version", renew)


def _writable() -> tuple[str, str] | None:
    """Commands write beside where they are called."""
    try:
        with tempfile.TemporaryFile(dir=Path.cwd()):
            return None
    except OSError as error:
        return f"it cannot be written: {error.strerror or error}", "go to a folder of your own"
