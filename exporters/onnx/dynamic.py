"""A graph of one length made one of every length up to it, by what graphs of shorter ones differ in from it.

Sizes get the name of the dim. In a shape that a node is told, the size is inferred, or read from the graph's input. Masks are cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from exporters.onnx.builder import NodeBuilder, Shared
from exporters.onnx.compare import INFERRED, Cut, Edit, Shaped, Sized, differences, differs, numbers_of
from exporters.onnx.emit import FIRST, Emitted
from exporters.onnx.opsets import NEWEST
from hopgraph.export.lengths import Lengths


def resizable(large: Emitted, shorter: Mapping[int, Emitted], lengths: Lengths) -> Emitted:
    """The graph of the largest length, changed into one of every length. Raises HopgraphError (dim-fixed)."""
    found = {length: differences(large, small, lengths, length) for length, small in shorter.items()}
    edits = next(iter(found.values()))
    for length, others in found.items():
        if others != edits:
            raise differs(lengths, length, _place(next(edit for edit in (*edits, *others) if (edit in edits) != (edit in others))))
    _apply(large, edits, lengths)
    leaves = {name: leaf for name, leaf in large.leaves.items() if name in large.graph.initializers}
    return replace(large, leaves=leaves)


def _place(edit: Edit) -> ir.Node | None:
    return edit.value.producer() if isinstance(edit, Sized) else edit.node


def _apply(emitted: Emitted, edits: Sequence[Edit], lengths: Lengths) -> None:
    """Change the graph."""
    graph = emitted.graph
    maker = _Maker(graph, lengths)
    for edit in edits:
        match edit:
            case Sized(value, dims):
                value.shape = _symbolic(value.shape, dims, lengths)
            case Shaped(node, index, place, whole):
                node.replace_input_with(index, maker.shape(numbers_of(node.inputs[index]), place, whole))
            case Cut(node, index, dims):
                node.replace_input_with(index, maker.cut(node.inputs[index], dims))
    maker.finish()


def _symbolic(shape: ir.Shape | None, dims: tuple[int, ...], lengths: Lengths) -> ir.Shape:
    """A shape with the name of the dim in its place: `T`, or `T + 1`."""
    assert shape is not None
    return ir.Shape([_named(lengths, size) if dim in dims and isinstance(size, int) else size for dim, size in enumerate(shape)])


def _named(lengths: Lengths, size: int) -> str:
    more = size - lengths.largest
    return symbol(lengths.dim) if more == 0 else f"{symbol(lengths.dim)} {'+' if more > 0 else '-'} {abs(more)}"


def symbol(dim: str) -> str:
    """What the dimension is called in the graph."""
    return dim if dim != FIRST else f"{dim}_length"


class _Maker:
    """Makes what is read from the input, each once, at the beginning of a graph."""

    def __init__(self, graph: ir.Graph, lengths: Lengths) -> None:
        self._graph, self._lengths = graph, lengths
        constants = {name: value for name, value in graph.initializers.items() if value.const_value is not None}
        self._shared, self._nodes = Shared("float32", NEWEST, constants), list[ir.Node]()
        self._o = NodeBuilder(self._shared, self._nodes, "float32", f"{symbol(lengths.dim)}.length")
        self._made: dict[object, ir.Value] = {}

    def shape(self, numbers: np.ndarray | None, place: int, whole: bool) -> ir.Value:
        """A shape with the length at one place, or with what a Reshape infers."""
        assert numbers is not None
        before, after = tuple(map(int, numbers[:place])), tuple(map(int, numbers[place + 1 :]))
        if not whole:
            return self._o.integers((*before, INFERRED, *after))
        key = (before, int(numbers[place]), after)
        if key not in self._made:
            length = self._length(int(numbers[place]))
            parts = [self._o.integers(before)] * bool(before) + [length] + [self._o.integers(after)] * bool(after)
            self._made[key] = self._o("Concat", *parts, axis=0) if len(parts) > 1 else parts[0]
        return self._made[key]

    def cut(self, value: ir.Value | None, dims: tuple[int, ...]) -> ir.Value:
        """The leading part of a constant."""
        numbers = numbers_of(value)
        assert value is not None
        assert numbers is not None
        for dim in dims:
            key = (value, dim)
            if key not in self._made:
                limits = self._o.integers((0,)), self._length(numbers.shape[dim])
                self._made[key] = self._o("Slice", value, *limits, self._o.integers((dim,)))
            value = self._made[key]
        return value

    def finish(self) -> None:
        """Put what was made into the graph, and take out the constants that nothing reads any more."""
        for name, value in self._shared.constants.items():
            if value.uses() and name not in self._graph.initializers:
                self._graph.initializers[name] = value
        if self._nodes:
            self._graph.insert_before(self._graph[0], self._nodes)
        for name in [name for name, value in self._graph.initializers.items() if not value.uses()]:
            self._graph.initializers.pop(name)

    def _length(self, size: int) -> ir.Value:
        """What becomes of a size where the input has its length, [1]."""
        more = size - self._lengths.largest
        if more not in self._made:
            dim = 1 + self._lengths.axis
            read = self._o("Shape", self._graph.inputs[0], start=dim, end=dim + 1) if more == 0 else self._length(self._lengths.largest)
            self._made[more] = read if more == 0 else self._o("Add", read, self._o.integers((more,)))
        return self._made[more]
