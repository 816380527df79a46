"""Where specs and recipes are found: a path, or the name of one that is shipped."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from hopgraph.errors import Diagnostic, HopgraphError, Source, article, listing, rename_help
from hopgraph.frontend.tree import MAX_CHARACTERS

RECIPES = "recipes"
"""The folder of the shipped recipes, beside those of the specs' families."""
SCHEMA = "hopgraph.schema.json"
"""The name of the JSON Schema of specs, in their folder."""


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
        if family != RECIPES:
            found[family if path.stem == family else f"{family}/{path.stem}"] = path
    return found


def shipped_recipes() -> dict[str, Path]:
    """The shipped recipes by name."""
    return {path.stem: path for path in sorted((specs_root() / RECIPES).glob("*.yaml"))}


def read(spec: str | Path) -> Source:
    """The text of a spec given by path or by shipped name. Raises HopgraphError."""
    return _read(spec, shipped(), "spec")


def read_recipe_text(recipe: str | Path) -> Source:
    """The text of a recipe given by path or by shipped name. Raises HopgraphError."""
    return _read(recipe, shipped_recipes(), "recipe")


def _read(given: str | Path, known: Mapping[str, Path], noun: str) -> Source:
    path = Path(given)
    if str(given) in known and (path.is_dir() or not path.exists()):
        found = known[str(given)]
        return Source(f"specs/{found.parent.name}/{found.name}", read_text(found, noun), noun)
    if path.suffix in (".yaml", ".yml") or os.path.lexists(path):
        return Source(str(given), read_text(path, noun), noun)
    raise HopgraphError(
        Diagnostic(
            f"{noun}-unknown",
            f"`{given}` is neither a file nor the name of a shipped {noun}",
            notes=(f"shipped {noun}s: {listing(known)}",),
            helps=(*rename_help(str(given), known), "give the path of a .yaml file"),
        )
    )


def read_text(path: Path, noun: str = "spec") -> str:
    """A file's text, up to one character more than it may have. Raises HopgraphError: missing, a folder, not UTF-8."""
    try:
        with path.open(encoding="utf-8-sig") as stream:
            return stream.read(MAX_CHARACTERS + 1)
    except FileNotFoundError:
        raise HopgraphError(Diagnostic("file-missing", f"there is no file `{path}`")) from None
    except IsADirectoryError:
        helps = tuple(f"give a file in it, such as `{file}`" for file in sorted(path.glob("*.yaml"))[:1])
        raise HopgraphError(Diagnostic("file-unreadable", f"`{path}` is a folder, not {article(noun)}", helps=helps)) from None
    except (OSError, ValueError) as error:
        reason = _reason(error)
        raise HopgraphError(Diagnostic("file-unreadable", f"`{path}` cannot be read: {reason}")) from None


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    strerror = error.strerror if isinstance(error, OSError) else None
    return strerror[:1].lower() + strerror[1:] if strerror else "no file can have this name"
