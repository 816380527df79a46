"""Commands that a newcomer meets first: what works on this machine, and a first spec."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from hopgraph.commands import completion
from hopgraph.commands.options import AsJson, Force, app
from hopgraph.console import print_json


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say what is installed here, which devices there are, what can be done with them, and how to get what is missing.

    Exit status 1 where no model can be trained, exported and run.
    """
    from hopgraph.doctor.examine import examine
    from hopgraph.doctor.text import text_of

    report = examine()
    if as_json:
        print_json(report.as_json())
    else:
        print(text_of(report), end="")
    raise typer.Exit(1 if report.problems else 0)


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the model; NAME.yaml is written.")],
    like: Annotated[
        str | None,
        typer.Option(
            "--like",
            metavar="SPEC",
            help="The spec to start from; by default a small one that explains itself.",
            autocompletion=completion.specs,
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="FILE", help="The file to write instead.")] = None,
    force: Force = False,
) -> None:
    """Write a first spec of one's own: a small memory that explains itself line by line, or a copy of another spec."""
    from hopgraph.new.begin import begin

    path, checked = begin(name, like, out, force)
    print(f"wrote {path}: {checked.parameter_count:,} parameters, certificate {checked.certificate}")
    print(f"next: hopgraph check {shlex.quote(str(path))}, then the commands at its head")
