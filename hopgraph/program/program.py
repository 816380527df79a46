"""The program: a short list of statements in the operations of one table, from which every target is lowered.

Frozen data. A :class:`Statement` computes one value; a :class:`Repeat` runs a body several times on the same weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any

from pydantic import BeforeValidator

from hopgraph.energy.records import Init, Value, frozen
from hopgraph.graph.ham import Penalty
from hopgraph.program.operations import Site

Attributes = Annotated[dict[str, Any], BeforeValidator(frozen)]
"""An operation's attributes: numbers, names, and tuples of these."""


@dataclass(frozen=True)
class Parameter:
    """A tensor of the model. A positive one is stored as its logarithm; one that is not trainable is a buffer.

    `base` names the weights that this one is a copy of (an own pull) or a departure V from (a penalized pull, whose
    `penalty` gives the lambda of lambda |V|^2 in the loss; `rate` is the stored name of a lambda that is learned).
    """

    name: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    init: Init
    positive: bool = False
    trainable: bool = True
    penalty: Penalty | None = None
    rate: str | None = None
    base: str | None = None

    @property
    def size(self) -> int:
        """The number of its elements."""
        return math.prod(self.shape)

    @cached_property
    def stored_name(self) -> str:
        """The name in a checkpoint, which says whether a logarithm is stored."""
        owner, dot, leaf = self.name.rpartition(".")
        return f"{owner}{dot}log_{leaf}" if self.positive else self.name

    @cached_property
    def stored(self) -> Value:
        """What a checkpoint stores, as a value of the program."""
        return Value(self.stored_name, self.axes, self.shape, batched=False)


@dataclass(frozen=True)
class Statement:
    """`output = op(inputs, **attributes)`. Inputs are names of values."""

    output: Value
    op: str
    inputs: tuple[str, ...]
    attributes: Attributes


@dataclass(frozen=True)
class Carried:
    """A value that a loop carries: `initial` before the first turn, `state` in a turn, `result` after it, `output` at the end."""

    initial: str
    state: Value
    result: str
    output: Value


@dataclass(frozen=True)
class Repeat:
    """Runs `body` `times` times: each turn's results are the next turn's states."""

    times: int
    carried: tuple[Carried, ...]
    body: tuple[Statement, ...]


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
        return sum(parameter.size for parameter in self.parameters if parameter.trainable)

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
    before = {item.state.name: item.initial for item in repeat.carried}
    outputs = {item.result: item.output.name for item in repeat.carried}
    for turn in range(repeat.times):
        names = dict(before)
        last = turn == repeat.times - 1
        for statement in repeat.body:
            if not statement.output.batched:  # made of weights alone: computed once
                if turn == 0:
                    yield statement
                continue
            name = statement.output.name
            names[name] = outputs[name] if last and name in outputs else f"{name}_step{turn + 1}"
            inputs = tuple(names.get(given, given) for given in statement.inputs)
            yield replace(statement, output=replace(statement.output, name=names[name]), inputs=inputs)
        before = {item.state.name: names[item.result] for item in repeat.carried}
