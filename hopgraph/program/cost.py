"""What a program costs, counted from its graph: floating point operations, and the bytes that must move."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from hopgraph.program.operations import OPERATIONS
from hopgraph.program.program import Program

FLOAT = 4
"""The bytes of a number in float32."""


@dataclass(frozen=True)
class Cost:
    """The least that a program takes, in float32.

    `flops` are the floating point operations of one example, each step of a repeat counted; the module `operations.flops` says how
    each is. What is made of weights alone is none of them: it is the same for every example, and an export has it done.

    `weight_bytes` are read once for each use of the model, whatever the batch: every parameter and buffer that a statement reads,
    once however often it is read. Of a table of which only rows are looked up, as many rows as one example looks up.

    `value_bytes` move for each example: the inputs and the outputs alone. What lies between may stay in a cache.
    """

    flops: int
    weight_bytes: int
    value_bytes: int


def cost_of(program: Program) -> Cost:
    """The cost of a program."""
    return Cost(sum(flops_by_operation(program).values()), FLOAT * _weights(program), FLOAT * _values(program))


def flops_by_operation(program: Program) -> dict[str, int]:
    """The floating point operations of one example by the name of the operation, the most first; those that compute none are left out."""
    found: Counter[str] = Counter()
    for statement, site in program.sites():
        if statement.output.batched:
            found[statement.op] += OPERATIONS[statement.op].flops(site)
    return {name: count for name, count in found.most_common() if count}


def _weights(program: Program) -> int:
    """How many numbers of the parameters are read."""
    whole: set[str] = set()
    rows: Counter[str] = Counter()
    for statement in program.flat():
        if statement.op == "gather":
            rows[statement.inputs[1]] += math.prod(statement.output.shape)
            whole.add(statement.inputs[0])
        else:
            whole.update(statement.inputs)
    sizes = {parameter.stored_name: parameter.size for parameter in program.parameters}
    return sum(size if name in whole else min(size, rows[name]) for name, size in sizes.items())


def _values(program: Program) -> int:
    """How many numbers the inputs and the outputs have."""
    known = {value.name: value for value in (*program.inputs, *(statement.output for statement in program.flat()))}
    return sum(math.prod(value.shape) for value in (*program.inputs, *(known[name] for name in program.outputs)))
