"""What the passes over a program share: several statements of which one other computes the result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from hopgraph.energy.records import Value
from hopgraph.program.program import Program, Repeat, Statement

Item = Statement | Repeat
Before = Mapping[str, Statement]
"""The statements of one scope, the program's or a loop's, by the names of their results."""
Types = Mapping[str, Value]
"""Every value of a program by name."""


@dataclass(frozen=True)
class Fusion:
    """One statement that takes the place of the last of several; the results of the others are its `steps`."""

    statement: Statement
    steps: tuple[str, ...]


Find = Callable[[Before, Types], Iterator[Fusion]]


def fused(program: Program, find: Find) -> Program:
    """A program with the fusions that are found, in loops too. One with a step that something else reads is not made."""
    reads, types = Counter(_reads(program)), _types(program)

    def scope(items: Sequence[Statement]) -> dict[str, Statement | None]:
        """What takes the place of a statement, by its result: another one, or none where it is a step."""
        made = [found for found in find({item.output.name: item for item in items}, types) if all(reads[step] == 1 for step in found.steps)]
        return {step: None for found in made for step in found.steps} | {found.statement.output.name: found.statement for found in made}

    whole = scope([item for item in program.statements if isinstance(item, Statement)])
    return replace(program, statements=tuple(_replaced(program.statements, whole, scope)))


def _replaced(
    items: Sequence[Item], whole: Mapping[str, Statement | None], scope: Callable[[Sequence[Statement]], Mapping[str, Statement | None]]
) -> Iterator[Item]:
    for item in items:
        if isinstance(item, Repeat):
            inner = scope(item.body)
            kept = (inner.get(statement.output.name, statement) for statement in item.body)
            yield replace(item, body=tuple(statement for statement in kept if statement is not None))
        else:
            found = whole.get(item.output.name, item)
            if found is not None:
                yield found


def _reads(program: Program) -> Iterator[str]:
    """Every name as often as it is read."""
    yield from program.outputs
    for item in program.statements:
        if isinstance(item, Statement):
            yield from item.inputs
        else:
            yield from (name for carried in item.carried for name in (carried.initial, carried.result))
            yield from (name for statement in item.body for name in statement.inputs)


def _types(program: Program) -> dict[str, Value]:
    found = [*program.inputs, *(parameter.stored for parameter in program.parameters)]
    for item in program.statements:
        if isinstance(item, Statement):
            found.append(item.output)
        else:
            found += [value for carried in item.carried for value in (carried.state, carried.output)]
            found += [statement.output for statement in item.body]
    return {value.name: value for value in found}
