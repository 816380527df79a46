"""The program: a short list of statements in the operations of one table, from which every target is lowered.

Frozen data. A :class:`Statement` computes one value; a :class:`Repeat` runs a body several times on the same weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from hopgraph.energy.records import Init, Value
from hopgraph.program.operations import Site

Attribute = int | float | str | tuple[str, ...] | tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Parameter:
    """A tensor to learn. A positive one is stored as its logarithm.

    `base` names the weights that this one is a copy of (an own pull) or a departure V from (a penalized pull, whose
    `penalty` is the lambda of lambda |V|^2 in the loss).
    """

    name: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    init: Init
    positive: bool = False
    penalty: float | None = None
    base: str | None = None

    @property
    def size(self) -> int:
        """The number of its elements."""
        return math.prod(self.shape)

    @property
    def stored_name(self) -> str:
        """The name in a checkpoint, which says whether a logarithm is stored."""
        owner, dot, leaf = self.name.rpartition(".")
        return f"{owner}{dot}log_{leaf}" if self.positive else self.name

    @property
    def stored(self) -> Value:
        """What a checkpoint stores, as a value of the program."""
        return Value(self.stored_name, self.axes, self.shape, batched=False)


@dataclass(frozen=True)
class Statement:
    """`output = op(inputs, **attributes)`. Inputs are names of values."""

    output: Value
    op: str
    inputs: tuple[str, ...]
    attributes: dict[str, Attribute]


@dataclass(frozen=True)
class Repeat:
    """Runs `body` `times` times: each turn's `result` is the next turn's `state`; `output` is the last."""

    output: Value
    times: int
    initial: str
    state: Value
    body: tuple[Statement, ...]
    result: str


@dataclass(frozen=True)
class Program:
    """Inputs, parameters, statements in order, outputs by name."""

    name: str
    inputs: tuple[Value, ...]
    parameters: tuple[Parameter, ...]
    statements: tuple[Statement | Repeat, ...]
    outputs: tuple[str, ...]

    @property
    def parameter_count(self) -> int:
        """The number of learned scalars."""
        return sum(parameter.size for parameter in self.parameters)

    def sites(self) -> Iterator[tuple[Statement, Site]]:
        """Every statement of :meth:`flat` with the types of its inputs, which is what the columns of the table are given."""
        types = {value.name: value for value in self.inputs} | {parameter.stored_name: parameter.stored for parameter in self.parameters}
        for statement in self.flat():
            yield statement, Site(tuple(types[name] for name in statement.inputs), statement.output, statement.attributes)
            types[statement.output.name] = statement.output

    def flat(self) -> Iterator[Statement]:
        """The statements in order with every repeat written out, its values renamed per turn."""
        for item in self.statements:
            if isinstance(item, Statement):
                yield item
            else:
                yield from _unrolled(item)


def _unrolled(repeat: Repeat) -> Iterator[Statement]:
    before = repeat.initial
    for turn in range(repeat.times):
        names = {repeat.state.name: before}
        last = turn == repeat.times - 1
        for statement in repeat.body:
            if not statement.output.batched:  # made of weights alone: computed once
                if turn == 0:
                    yield statement
                continue
            is_result = statement.output.name == repeat.result
            names[statement.output.name] = repeat.output.name if is_result and last else f"{statement.output.name}_step{turn + 1}"
            inputs = tuple(names.get(name, name) for name in statement.inputs)
            yield replace(statement, output=replace(statement.output, name=names[statement.output.name]), inputs=inputs)
        before = names[repeat.result]
