"""A new spec from one that there is: its text with its comments, under a new name, with a head that says what to do with it."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from hopgraph.errors import At, Findings, Source
from hopgraph.files import require_free, write_text
from hopgraph.frontend.library import SCHEMA, read, read_text, specs_root
from hopgraph.frontend.names import check_name
from hopgraph.frontend.tree import parse, parse_value
from hopgraph.passes.pipeline import CheckedSpec, load

MODELINE = "# yaml-language-server:"
"""What the line begins with that tells an editor the schema of a file."""
TRY = {"digits": " --variant digits", "text": " --variant text --data FILE.txt"}
"""How a spec is trained for a first look that has one of the variants `hopgraph.show.catalogue.SMALL`."""


def begin(name: str, like: str | None, out: Path | None, force: bool = False) -> tuple[Path, CheckedSpec]:
    """Write a spec of that name that starts from another, by default the template; where it was written, and the spec.

    A name that ends as a file of YAML does is the file's, without its ending. Raises HopgraphError: the name is none, there is no such
    spec to start from or it does not hold, the file exists already.
    """
    name = name.removesuffix(".yaml").removesuffix(".yml")
    _require_name(name)
    start = _template() if like is None else read(like)
    _require_sound(start)
    path = Path(f"{name}.yaml") if out is None else out
    require_free(path, force)
    text = "\n".join([_modeline(path), *_head(name, like, path, start), *_body(start, name), ""])
    checked = _require_sound(Source(str(path), text))
    write_text(path, text)
    return path, checked


def _template() -> Source:
    return Source("template.yaml", read_text(Path(str(files("hopgraph") / "new" / "template.yaml"))))


def _require_name(name: str) -> None:
    """Raise HopgraphError where a spec cannot have this name. It stands on the command line, so that it has no place in a file."""
    findings = Findings()
    check_name(name, "spec", At(()), findings)
    where = ("give `-o FILE` to write it elsewhere",) if "/" in name or "\\" in name else ()
    findings.found = [replace(found, at=None, helps=(*found.helps, *where)) for found in findings.found]
    findings.raise_if_any()


def _require_sound(source: Source) -> CheckedSpec:
    """The checked spec of a text. Raises HopgraphError where it does not hold, or one of its variants."""
    checked = load(source)
    for variant in checked.variant_names:
        load(source, variant)
    return checked


def _modeline(path: Path) -> str:
    """The schema that lies beside the file, else the shipped one, by an address: a path with a space would be cut at it."""
    beside = (path.parent / SCHEMA).is_file()
    return f"{MODELINE} $schema={SCHEMA if beside else (specs_root() / SCHEMA).resolve().as_uri()}"


def _head(name: str, like: str | None, path: Path, start: Source) -> list[str]:
    """What to change first, and the commands that tell whether it holds."""
    file = shlex.quote(str(path)) if str(path).isprintable() else "FILE"
    commands = {
        f"hopgraph check {file}": "shapes, symmetry, certificate; every mistake with its place",
        f"hopgraph show {file}": "layers, synapses, pulls, parameters",
        f"hopgraph train {file}{_trying(like, start)} --out run": "a run, to export, measure and serve",
    }
    width = max(map(len, commands))
    return [
        f"# {name}: begun by `hopgraph new`{f' from `{like}`' if like and like.isprintable() else ''}.",
        "# Change the sizes in `dims` first, then `input` and `readout` to fit your data, then the layers. After each change:",
        *(f"#   {command.ljust(width)}  # {what}" for command, what in commands.items()),
        "",
    ]


def _trying(like: str | None, start: Source) -> str:
    """The options that train a spec on something small."""
    if like is None:
        return ""
    variants = load(start).variant_names
    return next((options for variant, options in TRY.items() if variant in variants), " --data DATA")


def _body(start: Source, name: str) -> list[str]:
    """The lines of a spec under another name, without its line for editors."""
    node = parse(start).child("name")
    assert node is not None, "a spec that holds has a name"
    lines, row, column = list(start.lines), node.span.line - 1, node.span.column - 1
    lines[row] = lines[row][:column] + _scalar(name) + lines[row][column + node.span.length :]
    while lines and not lines[-1].strip():
        lines.pop()
    return [line for line in lines if not line.startswith(MODELINE)]


def _scalar(name: str) -> str:
    """A name as YAML reads it: in quotes where it would be another value, as `true`."""
    return name if parse_value(Source("name", name), 0).value == name else json.dumps(name)
