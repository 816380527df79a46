"""Where specs are found: a path, or the name of one that is shipped."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from hopgraph.errors import Diagnostic, HopgraphError, Source, listing, rename_help
from hopgraph.frontend.tree import MAX_CHARACTERS


def specs_root() -> Path:
    """The folder of the shipped specs: inside the package where it was installed, else the checkout's."""
    packaged = Path(str(files("hopgraph"))) / "_specs"
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[2] / "specs"


def shipped() -> dict[str, Path]:
    """The shipped specs by name, `<family>` for `<family>/<family>.yaml` and `<family>/<name>` for the others."""
    root = specs_root()
    found: dict[str, Path] = {}
    for path in sorted(root.glob("*/*.yaml")):
        family = path.parent.name
        found[family if path.stem == family else f"{family}/{path.stem}"] = path
    return found


def read(spec: str | Path) -> Source:
    """The text of a spec given by path or by shipped name. Raises HopgraphError."""
    path, known = Path(spec), shipped()
    if str(spec) in known and (path.is_dir() or not path.exists()):
        found = known[str(spec)]
        return Source(f"specs/{found.parent.name}/{found.name}", read_text(found))
    if path.suffix in (".yaml", ".yml") or os.path.lexists(path):
        return Source(str(spec), read_text(path))
    raise HopgraphError(
        Diagnostic(
            "spec-unknown",
            f"`{spec}` is neither a file nor the name of a shipped spec",
            notes=(f"shipped specs: {listing(known)}",),
            helps=(*rename_help(str(spec), known), "give the path of a .yaml file"),
        )
    )


def read_text(path: Path) -> str:
    """A spec's text, up to one character more than a spec may have. Raises HopgraphError: missing, a folder, not UTF-8."""
    try:
        with path.open(encoding="utf-8-sig") as stream:
            return stream.read(MAX_CHARACTERS + 1)
    except FileNotFoundError:
        raise HopgraphError(Diagnostic("file-missing", f"there is no file `{path}`")) from None
    except IsADirectoryError:
        helps = tuple(f"give a file in it, such as `{file}`" for file in sorted(path.glob("*.yaml"))[:1])
        raise HopgraphError(Diagnostic("file-unreadable", f"`{path}` is a folder, not a spec", helps=helps)) from None
    except (OSError, ValueError) as error:
        reason = _reason(error)
        raise HopgraphError(Diagnostic("file-unreadable", f"`{path}` cannot be read: {reason}")) from None


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    strerror = error.strerror if isinstance(error, OSError) else None
    return strerror[:1].lower() + strerror[1:] if strerror else "no file can have this name"
