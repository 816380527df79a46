"""Fold what is made of weights alone: statements without a batch become constants, computed once before export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from hopgraph.energy.records import Value
from hopgraph.program.operations import OPERATIONS, Site
from hopgraph.program.program import Program, Statement


@dataclass(frozen=True)
class Folded:
    """The statements that remain, and the constants that they read: parameters under their own names, folded ones under theirs."""

    program: Program
    statements: tuple[Statement, ...]
    constants: dict[str, Tensor]
    types: dict[str, Value]


def fold(program: Program, weights: Mapping[str, Tensor]) -> Folded:
    """Compute every unbatched statement from the weights, in the weights' own dtype."""
    types = {value.name: value for value in program.inputs} | {item.stored_name: item.stored for item in program.parameters}
    known: dict[str, Tensor] = {item.stored_name: weights[item.stored_name].detach() for item in program.parameters}
    remaining: list[Statement] = []
    for statement in program.flat():
        types[statement.output.name] = statement.output
        if statement.output.batched:
            remaining.append(statement)
            continue
        site = Site(tuple(types[name] for name in statement.inputs), statement.output, statement.attributes)
        known[statement.output.name] = OPERATIONS[statement.op].torch(torch, site, *(known[name] for name in statement.inputs))
    read = {name for statement in remaining for name in statement.inputs}
    constants = {name: tensor for name, tensor in known.items() if name in read}
    return Folded(program, tuple(remaining), constants, types)
