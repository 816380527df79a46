"""What a record of the language may use: declared parameters, options, and the emitter that writes a program.

Records (Lagrangians, linear maps, encoder and readout operations) come before the program in the order of imports. They
write into it through the :class:`Emitter` protocol and so need to know nothing else of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Axes = tuple[str, ...]
Sizes = Mapping[str, int]
Options = Mapping[str, Any]


class RecordError(Exception):
    """A record refuses its operands. `field` is the option at fault, if one is; `word` a name in it that is none of `known`."""

    def __init__(self, message: str, field: str | None = None, word: str = "", known: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message, self.field, self.word, self.known = message, field, word, tuple(known)


Init = tuple[str, float]
"""How a parameter starts: ("uniform", bound), ("normal", deviation), cut at two deviations, or ("constant", value)."""

ZEROS: Init = ("constant", 0.0)
ONES: Init = ("constant", 1.0)


def xavier(fan_in: int, fan_out: int) -> Init:
    """Uniform with the bound of Glorot and Bengio (2010)."""
    return "uniform", math.sqrt(6 / (fan_in + fan_out))


def lecun(fan_in: int) -> Init:
    """Normal of variance 1 / fan in, cut at two deviations, which takes away the factor 0.8796."""
    return "normal", math.sqrt(1 / fan_in) / 0.87962566103423978


@dataclass(frozen=True)
class ParameterSpec:
    """A tensor of the model: its axes and sizes, how what is stored starts, and what it is for.

    A `positive` one is stored as its logarithm. One that is not `trainable` is a buffer, such as a running mean. An `offset`
    is no part of an affine map's linear part: an adjoint does not read it.
    """

    axes: Axes
    shape: tuple[int, ...]
    init: Init
    positive: bool = False
    trainable: bool = True
    offset: bool = False


@dataclass(frozen=True)
class Value:
    """A tensor of the program: its name, its axes (batch left out) with their sizes, and whether it has a batch."""

    name: str
    axes: Axes
    shape: tuple[int, ...]
    batched: bool = True

    def size(self, axis: str) -> int:
        """The size of one axis."""
        return self.shape[self.axes.index(axis)]


class Emitter(Protocol):
    """Writes operations of a program, one at a time."""

    def op(self, name: str, *inputs: Value, hint: str = "", **attributes: Any) -> Value:
        """Append an operation of the table and give its value; `hint` is the name wanted for it."""
        ...

    def once(self, name: str, *inputs: Value, hint: str = "", **attributes: Any) -> Value:
        """`op`, or the value of the same operation on the same inputs where it was asked for before."""
        ...

    def contract(self, out: Axes, *inputs: tuple[Value, Axes], hint: str = "") -> Value:
        """The product of tensors, each with the labels of its axes, summed over the labels that are not in `out`."""
        ...


Weights = Mapping[str, Value]
