"""What a record of the language may use: declared parameters, options, and the emitter that writes a program.

Records (Lagrangians, linear maps, encoder and readout operations) come before the program in the order of imports. They
write into it through the :class:`Emitter` protocol and so need to know nothing else of it.
"""

from __future__ import annotations

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


@dataclass(frozen=True)
class ParameterSpec:
    """A tensor to learn: its axes and sizes, how it starts, and whether it is kept positive.

    A positive parameter is stored as its logarithm.
    """

    axes: Axes
    shape: tuple[int, ...]
    init: str = "xavier"
    positive: bool = False


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

    def contract(self, out: Axes, *inputs: tuple[Value, Axes], hint: str = "") -> Value:
        """The product of tensors, each with the labels of its axes, summed over the labels that are not in `out`."""
        ...


Weights = Mapping[str, Value]
