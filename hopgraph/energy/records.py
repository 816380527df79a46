"""What a record of the language may use: declared parameters, options, and the emitter that writes a program.

Records (Lagrangians, linear maps, encoder and readout operations) come before the program in the order of imports. They
write into it through the :class:`Emitter` protocol and so need to know nothing else of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

Axes = tuple[str, ...]
Sizes = Mapping[str, int]
Options = Mapping[str, Any]

UNKNOWN = -(2**40)
"""The size of an axis whose expression could not be evaluated: reported once, then passed over. No sum of sizes makes it positive."""


def frozen(value: Any) -> Any:
    """Lists as tuples, at any depth: what a dump reads back to is equal to what was dumped."""
    if isinstance(value, list | tuple):
        items = cast("list[Any]", value)
        return tuple(frozen(item) for item in items)
    if isinstance(value, dict):
        return {name: frozen(item) for name, item in cast("dict[str, Any]", value).items()}
    return value


def words(value: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every text inside an option's value, with its path: `{"causal": ("q", "k")}` has `q` at ("causal", 0)."""
    if isinstance(value, str):
        yield (), value
    elif isinstance(value, dict):
        for name, item in cast("dict[str, Any]", value).items():
            yield from (((name, *path), word) for path, word in words(item))
    elif isinstance(value, tuple | list):
        for index, item in enumerate(cast("tuple[Any, ...]", value)):
            yield from (((index, *path), word) for path, word in words(item))


class RecordError(Exception):
    """A record refuses its operands. `field` is the option at fault, if one is; `word` a name in it that is none of `known`."""

    def __init__(self, message: str, field: str | None = None, word: str = "", known: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message, self.field, self.word, self.known = message, field, word, tuple(known)


Init = tuple[str, float]
"""How a parameter starts: ("uniform", bound), ("normal", deviation), cut at two deviations, or ("constant", value)."""

ZEROS: Init = ("constant", 0.0)
ONES: Init = ("constant", 1.0)


def constant(value: float) -> Init:
    """The same number everywhere."""
    return "constant", value


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
    """A tensor of the program: its name, its axes (batch left out) with their sizes, whether it has a batch, and is of integers."""

    name: str
    axes: Axes
    shape: tuple[int, ...]
    batched: bool = True
    integer: bool = False

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
