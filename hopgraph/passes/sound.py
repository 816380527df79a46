"""What every pass promises of a program that it makes: it can be computed in the order of its statements."""

from __future__ import annotations

import math

from hopgraph.program.operations import OPERATIONS
from hopgraph.program.program import Program, Repeat, Statement


def ensures(program: Program) -> list[str]:
    """Every input of a statement is computed before it, what a loop carries on in it, and every operation is one of the table's."""
    known = {value.name for value in program.inputs} | {parameter.stored_name for parameter in program.parameters}
    broken: list[str] = []
    for item in program.statements:
        if isinstance(item, Repeat):
            broken += _unsound(item.body, known, {carried.state.name for carried in item.carried})
            made = {statement.output.name for statement in item.body}
            broken += [f"{carried.result} is not computed in its loop" for carried in item.carried if carried.result not in made]
            known |= {statement.output.name for statement in item.body if not statement.output.batched}
            known |= {carried.output.name for carried in item.carried}
        else:
            broken += _unsound((item,), known, set())
            known.add(item.output.name)
    return broken + [f"output {name} is not computed" for name in program.outputs if name not in known]


def _unsound(statements: tuple[Statement, ...], known: set[str], inside: set[str]) -> list[str]:
    """What is broken in statements that read what is `known`, and what is so `inside` their loop."""
    broken: list[str] = []
    for statement in statements:
        early = [name for name in statement.inputs if name not in known and name not in inside]
        broken += [f"{statement.output.name} reads {name} too early" for name in early]
        broken += [] if statement.op in OPERATIONS else [f"unknown operation {statement.op}"]
        broken += [] if math.prod(statement.output.shape) else [f"{statement.output.name} is empty"]
        inside.add(statement.output.name)
    return broken
