"""Fold what is made of weights alone: statements without a batch become constants, computed once before export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from hopgraph.program.operations import OPERATIONS, Site
from hopgraph.program.program import Program, Statement


@dataclass(frozen=True)
class Folded:
    """The statements that remain with their sites, and the constants that they read, each under its own name."""

    statements: tuple[tuple[Statement, Site], ...]
    constants: dict[str, Tensor]


def fold(program: Program, weights: Mapping[str, Tensor]) -> Folded:
    """Compute every unbatched statement from the weights, in the weights' own dtype."""
    known: dict[str, Tensor] = {item.stored_name: weights[item.stored_name].detach() for item in program.parameters}
    remaining: list[tuple[Statement, Site]] = []
    for statement, site in program.sites():
        if statement.output.batched:
            remaining.append((statement, site))
        else:
            known[statement.output.name] = OPERATIONS[statement.op].torch(torch, site, *(known[name] for name in statement.inputs))
    read = {name for statement, _ in remaining for name in statement.inputs}
    return Folded(tuple(remaining), {name: tensor for name, tensor in known.items() if name in read})
