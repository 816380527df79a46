"""share: what would be computed twice from the same values is computed once. Nothing that draws numbers or keeps statistics is shared."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from hopgraph.errors import Findings
from hopgraph.passes.base import Pass
from hopgraph.passes.sound import ensures
from hopgraph.program.operations import OPERATIONS
from hopgraph.program.program import Carried, Program, Repeat, Statement

Names = dict[str, str]
"""By the name of a value that is not computed again, that of the value that is equal to it."""


def run(program: Program, findings: Findings) -> Program:
    """The program with each value once; a loop reads those before it too. What a loop carries on it computes itself."""
    names: Names = {}
    statements = tuple(_shared(program.statements, {}, names, set()))
    return replace(program, statements=statements, outputs=tuple(names.get(name, name) for name in program.outputs))


def _shared(
    items: Sequence[Statement | Repeat], known: dict[str, str], names: Names, kept: Collection[str]
) -> Iterator[Statement | Repeat]:
    for item in items:
        if isinstance(item, Repeat):
            results = {carried.result for carried in item.carried}
            body = tuple(found for found in _shared(item.body, dict(known), names, results) if isinstance(found, Statement))
            yield Repeat(item.times, tuple(_carried(carried, names) for carried in item.carried), body)
            continue
        inputs = tuple(names.get(name, name) for name in item.inputs)
        statement = item if inputs == item.inputs else replace(item, inputs=inputs)
        key = repr((statement.op, statement.inputs, sorted(statement.attributes.items())))
        if key in known and statement.output.name not in kept and not OPERATIONS[statement.op].training:
            names[statement.output.name] = known[key]
        else:
            known[key] = statement.output.name
            yield statement


def _carried(carried: Carried, names: Mapping[str, str]) -> Carried:
    return replace(carried, initial=names.get(carried.initial, carried.initial))


PASS = Pass("share", run, ensures)
