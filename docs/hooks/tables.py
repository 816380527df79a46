"""Reference pages that are made of the code: what a record, a diagnostic or a command says of itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator

import typer.main
from pydantic.fields import FieldInfo
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from hopgraph.cli import app
from hopgraph.energy.lagrangians import LAGRANGIANS
from hopgraph.energy.maps import MAPS
from hopgraph.energy.options import OptionModel
from hopgraph.errors import CODES
from hopgraph.explain import explanation
from hopgraph.frontend.ends import ENDS
from hopgraph.frontend.fields import fields_of


def lagrangians() -> str:
    """Every Lagrangian: L, what its options are, and their defaults."""
    head = "What each layer may have. `x` is the state of the layer; the activation is g = dL/dx. A temperature `beta` is b."
    found = ((name, f"L = {record.formula.replace('@', 'x')}", record.options) for name, record in LAGRANGIANS.items())
    return _page("Lagrangians", head, (_record(name, f"`{formula}`", options) for name, formula, options in found))


def maps() -> str:
    """Every linear map."""
    head = "What a factor of a synapse may go through. A pull goes the other way by the adjoint, which has the same weights."
    return _page("Linear maps", head, (_record(name, "", record.options) for name, record in MAPS.items()))


def operations() -> str:
    """Every operation of the encoder and the readout."""
    head = "What stands between the input and the first state, and between the last state and the output."
    return _page("Encoder and readout", head, (_record(name, "", record.options) for name, record in ENDS.items()))


def diagnostics() -> str:
    """Every code: `hopgraph explain` on one page."""
    head = "What `hopgraph explain CODE` tells of each code."
    return _page("Diagnostics", head, (_deeper(explanation(code)) for code in CODES))


def commands() -> str:
    """Every command with its arguments."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    head = "`hopgraph COMMAND --help` tells the same."
    return _page("Commands", head, (_command(name, command) for name, command in group.commands.items()))


def _page(title: str, head: str, parts: Iterable[str]) -> str:
    return "\n\n".join((f"# {title}", head, *parts)) + "\n"


def _record(name: str, formula: str, options: type[OptionModel]) -> str:
    fields = fields_of(options)
    rows = [f"| `{field}` | {_default(about)} |" for field, about in fields.items()]
    about = (inspect.cleandoc(options.__doc__ or ""), "| option | default |\n|---|---|\n" + "\n".join(rows)) if fields else ()
    return "\n\n".join(part for part in (f"## {name}", formula, *about) if part)


def _default(field: FieldInfo) -> str:
    return "required" if field.is_required() else f"`{field.get_default(call_default_factory=True)}`"


def _deeper(markdown: str) -> str:
    """A page with its headings a level deeper; lines of its examples stay."""
    return "\n".join(_deeper_lines(markdown.strip().splitlines()))


def _deeper_lines(lines: Iterable[str]) -> Iterator[str]:
    inside = False
    for line in lines:
        inside ^= line.startswith("```")
        yield f"#{line}" if line.startswith("#") and not inside else line


def _command(name: str, command: object) -> str:
    assert isinstance(command, TyperCommand)
    rows = ["| argument | | default |", "|---|---|---|", *map(_argument, command.params)]
    return f"## {name}\n\n{inspect.cleandoc(command.help or '')}\n\n" + "\n".join(rows)


def _argument(parameter: object) -> str:
    assert isinstance(parameter, TyperArgument | TyperOption)
    option = isinstance(parameter, TyperOption)
    wanted = " or ".join(f"`{text}`" for text in parameter.opts) if option else f"`{parameter.metavar or parameter.name}`"
    about = str(parameter.help or "").replace("|", "\\|")
    plain = isinstance(parameter.default, str | int | float) and parameter.default is not False
    return f"| {wanted} | {about} | {f'`{parameter.default}`' if plain else ''} |"
