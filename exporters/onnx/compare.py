"""What graphs of two lengths differ in: they are walked in parallel, the bodies of loops too.

They may differ in the sizes of values, in the shape that a node is told, and in numbers, such as a mask, of which the shorter graph has
the leading part. Where they differ in anything else the dim cannot vary.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from exporters.onnx.emit import Emitted
from hopgraph.errors import HopgraphError
from hopgraph.export.lengths import Lengths, fixed

TOLD: Mapping[str, tuple[int, ...]] = {"Expand": (1,), "Reshape": (1,), "Slice": (1, 2)}
"""The inputs by which a node is told sizes: a shape, or where a slice begins and ends."""
INFERRED = -1
"""What a Reshape takes for the size that is left."""


@dataclass(frozen=True)
class Sized:
    """A value of which some dimensions have the length, or some more, as with a class token."""

    value: ir.Value
    dims: tuple[int, ...]


@dataclass(frozen=True)
class Shaped:
    """A node that is told sizes by an input, with the length at one place; not `whole`, with anything that a Reshape can infer."""

    node: ir.Node
    index: int
    place: int
    whole: bool


@dataclass(frozen=True)
class Cut:
    """A node that reads numbers of which some dimensions are cut to the length."""

    node: ir.Node
    index: int
    dims: tuple[int, ...]


Edit = Sized | Shaped | Cut


def differences(large: Emitted, small: Emitted, lengths: Lengths, length: int) -> list[Edit]:
    """What has to be changed in the graph of the largest length. Raises HopgraphError (dim-fixed) where no change will do."""
    return list(_Walk(lengths, length).graphs(large.graph, small.graph))


def differs(lengths: Lengths, length: int, node: ir.Node | None) -> HopgraphError:
    """The error at a node."""
    place = "the input" if node is None else f"`{str(node.name).rpartition('.')[0]}` ({node.op_type})"
    return fixed(lengths.dim, f"{place} is computed in another way where it is {length}")


def numbers_of(value: ir.Value | None) -> np.ndarray | None:
    """The numbers of a constant; none of a weight, which has no data yet, and of what a node makes."""
    return None if value is None or value.const_value is None else value.const_value.numpy()


@dataclass(frozen=True)
class _Walk:
    """Two graphs in parallel, of the largest length and of a shorter one."""

    lengths: Lengths
    length: int

    def graphs(self, large: ir.Graph, small: ir.Graph) -> Iterator[Edit]:
        """What has to be changed in a graph."""
        for one, two in zip(large.inputs, small.inputs, strict=True):
            yield from self._sized(one, two, None)
        nodes, others = list(large), list(small)
        for one, two in zip(nodes, others, strict=False):
            yield from self._nodes(one, two)
        if len(nodes) != len(others):
            raise self.differs((nodes if len(nodes) > len(others) else others)[min(len(nodes), len(others))])
        names = [[value.name for value in graph.outputs] for graph in (large, small)]
        assert names[0] == names[1], "the same nodes have different outputs"

    def differs(self, node: ir.Node | None) -> HopgraphError:
        """The error at a node."""
        return differs(self.lengths, self.length, node)

    def _nodes(self, one: ir.Node, two: ir.Node) -> Iterator[Edit]:
        if (one.op_type, one.name, len(one.inputs)) != (two.op_type, two.name, len(two.inputs)):
            raise self.differs(one)
        if one.attributes.keys() != two.attributes.keys():
            raise self.differs(one)
        for attribute, other in zip(one.attributes.values(), two.attributes.values(), strict=True):
            yield from self._attributes(one, attribute, other)
        for index, (given, other) in enumerate(zip(one.inputs, two.inputs, strict=True)):
            yield from self._inputs(one, index, given, other)
        for made, other in zip(one.outputs, two.outputs, strict=True):
            yield from self._sized(made, other, one)

    def _attributes(self, node: ir.Node, one: ir.Attr, two: ir.Attr) -> Iterator[Edit]:
        if one.type == ir.AttributeType.GRAPH:
            yield from self.graphs(one.as_graph(), two.as_graph())
        elif one.value != two.value:
            raise self.differs(node)

    def _sized(self, one: ir.Value, two: ir.Value, node: ir.Node | None) -> Iterator[Edit]:
        """The dimensions of a value that have the length."""
        if one.name != two.name or (one.shape is None) != (two.shape is None):
            raise self.differs(node)
        if one.shape is not None and two.shape is not None and one.shape != two.shape:
            yield Sized(one, self._dims(list(one.shape), list(two.shape), node))

    def _dims(self, sizes: list[Any], others: list[Any], node: ir.Node | None) -> tuple[int, ...]:
        """Where sizes differ, if they do as the two lengths do."""
        found = tuple(dim for dim, (size, less) in enumerate(zip(sizes, others, strict=False)) if size != less)
        if len(sizes) != len(others) or not all(self._follows(sizes[dim], others[dim]) for dim in found):
            raise self.differs(node)
        return found

    def _follows(self, size: Any, less: Any) -> bool:
        return isinstance(size, int) and isinstance(less, int) and size - less == self.lengths.largest - self.length

    def _inputs(self, node: ir.Node, index: int, one: ir.Value | None, two: ir.Value | None) -> Iterator[Edit]:
        numbers, others = numbers_of(one), numbers_of(two)
        if numbers is not None and others is not None:
            yield from self._constants(node, index, numbers, others)
        elif (one is None) != (two is None) or (one is not None and two is not None and one.name != two.name):
            raise self.differs(node)

    def _constants(self, node: ir.Node, index: int, one: np.ndarray, two: np.ndarray) -> Iterator[Edit]:
        if one.shape == two.shape and np.array_equal(one, two):
            return
        if index in TOLD.get(node.op_type, ()):
            yield self._shaped(node, index, one, two)
            return
        dims = self._dims(list(one.shape), list(two.shape), node)
        if not dims or not np.array_equal(one[tuple(map(slice, two.shape))], two):
            raise self.differs(node)
        yield Cut(node, index, dims)

    def _shaped(self, node: ir.Node, index: int, one: np.ndarray, two: np.ndarray) -> Shaped:
        """Sizes that differ at one place: there a Reshape infers the size, or it is the length itself."""
        places = np.flatnonzero(one != two) if one.shape == two.shape else ()
        if len(places) != 1:
            raise self.differs(node)
        place = int(places[0])
        if node.op_type == "Reshape" and INFERRED not in one:
            return Shaped(node, index, place, whole=False)
        if not self._follows(int(one[place]), int(two[place])):
            raise self.differs(node)
        return Shaped(node, index, place, whole=True)
