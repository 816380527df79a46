"""Reshapes that lead nowhere: of two in a row one is enough, and one to the shape that a value has is none."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir


def shortened(nodes: Sequence[ir.Node], outputs: Sequence[ir.Value]) -> list[ir.Node]:
    """The nodes of a graph, in order, without such reshapes and without what nothing reads any more."""
    for node in nodes:
        if node.op_type == "Reshape":
            _join(node)
            same = _same(node)
            if same is not None and node.outputs[0] not in outputs:
                ir.convenience.replace_all_uses_with(node.outputs[0], same)
    return _read(nodes, outputs)


def _join(node: ir.Node) -> None:
    """Read what a reshape before this one reads. Both keep the first dimension, the batch, which a 0 stands for."""
    before = node.inputs[0].producer() if node.inputs[0] is not None else None
    if before is not None and before.op_type == "Reshape":
        shape, first = _shape(node), _shape(before)
        if shape and first and shape[0] == first[0] == 0 and 0 not in shape[1:]:
            node.replace_input_with(0, before.inputs[0])


def _same(node: ir.Node) -> ir.Value | None:
    """The value that is given the shape which it has, if it is."""
    given, shape = node.inputs[0], _shape(node)
    if given is None or given.shape is None or shape is None:
        return None
    return given if shape[0] == 0 and list(given.shape)[1:] == shape[1:] else None


def _shape(node: ir.Node) -> list[int] | None:
    """The shape that a node is told, where it is a constant."""
    told = node.inputs[1]
    return None if told is None or told.const_value is None else told.const_value.numpy().tolist()


def _read(nodes: Sequence[ir.Node], outputs: Sequence[ir.Value]) -> list[ir.Node]:
    """The nodes of which something is read, here or outside."""
    found: list[ir.Node] = []
    for node in reversed(nodes):
        if node.op_type == "Reshape" and not any(value.uses() or value in outputs for value in node.outputs):
            for index in range(len(node.inputs)):
                node.replace_input_with(index, None)
        else:
            found.append(node)
    return found[::-1]
