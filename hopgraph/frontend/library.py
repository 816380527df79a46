"""Where specs are found: a path, or the name of one that is shipped."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from hopgraph.errors import Diagnostic, HopgraphError, Source, listing, rename_help


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
    path = Path(spec)
    if path.suffix in (".yaml", ".yml") or path.exists():
        return Source(str(spec), read_text(path))
    known = shipped()
    if str(spec) in known:
        return Source(f"specs/{known[str(spec)].parent.name}/{known[str(spec)].name}", read_text(known[str(spec)]))
    raise HopgraphError(
        Diagnostic(
            "spec-unknown",
            f"`{spec}` is neither a file nor the name of a shipped spec",
            notes=(f"shipped specs are {listing(known)}",),
            helps=(*rename_help(str(spec), known), "give the path of a .yaml file"),
        )
    )


def read_text(path: Path) -> str:
    """A file's text. Raises HopgraphError where it is missing, a folder, or not UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise HopgraphError(Diagnostic("file-missing", f"there is no file `{path}`")) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise HopgraphError(Diagnostic("file-unreadable", f"`{path}` cannot be read: {reason}")) from None
