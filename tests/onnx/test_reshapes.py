"""Reshapes that lead nowhere are left out of a graph; the others stay, and so do the numbers (tests/onnx/test_parity.py)."""

from collections import Counter

import numpy as np
import onnx_ir as ir
import pytest
from onnx.reference import ReferenceEvaluator

from exporters.onnx.builder import NodeBuilder, Shared
from exporters.onnx.emit import emit_graph
from exporters.onnx.reshapes import shortened
from hopgraph.passes.pipeline import load


def graph(*shapes: tuple[int, ...]) -> ir.Graph:
    """A value [batch, 2, 6] in one shape after another, negated at the end."""
    nodes: list[ir.Node] = []
    shared = Shared("float32", 23)
    o = NodeBuilder(shared, nodes, "float32", "it")
    given = ir.val("x", dtype=ir.DataType.FLOAT, shape=["batch", 2, 6])
    value = given
    for shape in shapes:
        value = o.reshape(value, shape)
    result = o("Neg", value)
    return ir.Graph(
        [given], [result], nodes=shortened(nodes, [result]), initializers=[*shared.constants.values()], opset_imports={"": 23}, name="it"
    )


@pytest.mark.parametrize(
    ("shapes", "left"),
    [
        (((0, 3, 4),), 1),
        (((0, 3, 4), (0, 12)), 1),
        (((0, 3, 4), (0, 2, 6)), 0),
        (((0, 2, 6),), 0),
        (((0, 3, 4), (0, 12), (0, 2, 6), (0, 4, 3)), 1),
        (((-1, 3), (0, 3)), 2),
        (((-1, 2, 6),), 1),
        (((0, 3, 4), (0, 0, 2, 2)), 2),
    ],
)
def test_only_those_that_do_something_are_left(shapes: tuple[tuple[int, ...], ...], left: int) -> None:
    found = graph(*shapes)
    assert Counter(node.op_type for node in found)["Reshape"] == left
    given = np.arange(36, dtype=np.float32).reshape(3, 2, 6)
    wanted = given
    for shape in shapes:
        wanted = wanted.reshape([size or wanted.shape[index] for index, size in enumerate(shape)])
    (result,) = ReferenceEvaluator(ir.to_proto(ir.Model(found, ir_version=10))).run(None, {"x": given})
    assert np.array_equal(np.asarray(result), -wanted)


def test_a_reshape_that_is_the_output_stays() -> None:
    nodes: list[ir.Node] = []
    o = NodeBuilder(Shared("float32", 23), nodes, "float32", "it")
    result = o.reshape(ir.val("x", dtype=ir.DataType.FLOAT, shape=["batch", 2, 6]), (0, 2, 6))
    assert len(shortened(nodes, [result])) == 1


def test_heads_of_attention_are_told_apart_by_the_node_alone() -> None:
    """Queries, keys and values are [batch, n, h * y] from the product to Attention: of all reshapes the encoder's is left."""
    found = Counter(node.op_type for node in emit_graph(load("vit", "digits").program).graph)
    assert (found["Attention"], found["Reshape"]) == (4, 1)
