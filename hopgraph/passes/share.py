"""share: what would be computed twice from the same values is computed once. Nothing that draws numbers or keeps statistics is shared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from hopgraph.errors import Findings
from hopgraph.passes import unroll
from hopgraph.passes.base import Pass
from hopgraph.program.operations import OPERATIONS
from hopgraph.program.program import Carried, Program, Repeat, Statement

Names = dict[str, str]
"""By the name of a value that is not computed again, that of the value that is equal to it."""


def run(program: Program, findings: Findings) -> Program:
    """The program with each value once; a loop reads those before it too."""
    names: Names = {}
    statements = tuple(_shared(program.statements, {}, names))
    return replace(program, statements=statements, outputs=tuple(names.get(name, name) for name in program.outputs))


def _shared(items: Sequence[Statement | Repeat], known: dict[str, str], names: Names) -> Iterator[Statement | Repeat]:
    for item in items:
        if isinstance(item, Repeat):
            body = tuple(found for found in _shared(item.body, dict(known), names) if isinstance(found, Statement))
            yield Repeat(item.times, tuple(_carried(carried, names) for carried in item.carried), body)
            continue
        statement = replace(item, inputs=tuple(names.get(name, name) for name in item.inputs))
        key = repr((statement.op, statement.inputs, sorted(statement.attributes.items())))
        if key in known and not OPERATIONS[statement.op].training:
            names[statement.output.name] = known[key]
        else:
            known[key] = statement.output.name
            yield statement


def _carried(carried: Carried, names: Mapping[str, str]) -> Carried:
    return replace(carried, initial=names.get(carried.initial, carried.initial), result=names.get(carried.result, carried.result))


PASS = Pass("share", run, unroll.ensures)
