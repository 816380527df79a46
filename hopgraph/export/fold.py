"""What a program computes from weights alone: it is computed once, before export, and graphs read the result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hopgraph.program.operations import OPERATIONS
from hopgraph.program.program import Program, Repeat, Statement


@dataclass(frozen=True)
class Folded:
    """A program without the statements that are made of weights alone, and the names of their results that it reads."""

    program: Program
    computed: tuple[str, ...]


def fold(program: Program) -> Folded:
    """Leave out every statement whose result has no batch, in loops too."""
    statements = tuple(_kept(item) for item in program.statements if isinstance(item, Repeat) or item.output.batched)
    made = [statement.output.name for statement in _all(program) if not statement.output.batched]
    left = replace(program, statements=statements)
    read = {name for statement in _all(left) for name in statement.inputs}
    return Folded(left, tuple(name for name in made if name in read))


def computed(program: Program, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those results by name, from the weights by stored name: computed in float64, given in float32."""
    made = [(statement, site) for statement, site in program.sites() if not statement.output.batched]
    stored = {item.stored_name for item in program.parameters}
    known = {name: weights[name].detach().double() for statement, _ in made for name in statement.inputs if name in stored}
    for statement, site in made:
        known[statement.output.name] = OPERATIONS[statement.op].torch(torch, site, *(known[name] for name in statement.inputs))
    return {name: known[name].float() for name in fold(program).computed}


def _kept(item: Statement | Repeat) -> Statement | Repeat:
    if isinstance(item, Statement):
        return item
    return replace(item, body=tuple(statement for statement in item.body if statement.output.batched))


def _all(program: Program) -> Iterator[Statement]:
    for item in program.statements:
        yield from item.body if isinstance(item, Repeat) else (item,)
