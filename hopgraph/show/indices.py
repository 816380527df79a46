"""What index rules share: the place, an array as a function of it, and a supply of indices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

from hopgraph.graph.ham import ChainMap
from hopgraph.show.expression import Expression, Index, Variable, index

At = Mapping[str, Index]
Array = Callable[[At], Expression]
Weight = Callable[..., Expression]
"""`weight(field, indices, first=())`: a parameter of one map at a place."""
Weights = Callable[[str, ChainMap], Weight]
"""The parameters of the map with some label in a chain."""


@dataclass(frozen=True)
class Scope:
    """The sizes of the axes, and a supply of indices."""

    sizes: Mapping[str, int]
    serials: Iterator[int] = field(default_factory=count)

    def fresh(self, axis: str, size: int | None = None, *, offset: bool = False) -> Variable:
        """A new index along an axis."""
        return Variable(axis, self.sizes[axis] if size is None else size, next(self.serials), offset)

    def each(self, axes: tuple[str, ...]) -> dict[str, Variable]:
        """A new index along each axis."""
        return {axis: self.fresh(axis) for axis in axes}


def place(variables: Mapping[str, Variable]) -> dict[str, Index]:
    """The place that some indices name."""
    return {axis: index(variable) for axis, variable in variables.items()}
