"""The products of an ONNX graph that have weights: where they read them, and along which axis of them the output channels lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx_ir as ir

PRODUCTS = ("Conv", "ConvTranspose", "Einsum", "Gemm", "MatMul")
"""The operations that multiply and add up."""

ROUNDED = ("Conv", "Einsum", "Gemm", "MatMul")
"""Those of them that eight bits serve."""

LAYOUT = ("Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
"""The operations that move numbers and leave them as they are."""


@dataclass(frozen=True)
class Site:
    """A product of an activation and a weight.

    `operand` is the position of the activation among the node's inputs. The weight is input `slot` of `reader`, which is the node itself
    or the first of those that lay the weight out for it. `channel` is the weight's axis of output channels, none where it is not one axis.
    """

    node: ir.Node
    operand: int
    weight: ir.Value
    reader: ir.Node
    slot: int
    channel: int | None

    @property
    def value(self) -> ir.Value:
        """The activation that is multiplied."""
        value = self.node.inputs[self.operand]
        assert value is not None
        return value


def find_sites(graph: ir.Graph) -> list[Site]:
    """The products with weights that eight bits serve.

    Not those that read the input, so that inputs unlike the examples are not cut; not convolutions with groups, where few numbers add
    up to each output: they take little time, and rounding costs them most; nor transposed ones, which have no kernels of eight bits.
    """
    found = (site for node in graph.all_nodes() if node.op_type in ROUNDED for site in _sites(node))
    return [site for site in found if not _is_input(site.value, graph)]


def _sites(node: ir.Node) -> Iterator[Site]:
    """The one site of a product, or none: exactly one of its two operands is a weight."""
    traced = [] if _is_grouped(node) else [_laid_out(node, index) for index in range(min(2, len(node.inputs)))]
    weights = [index for index, chain in enumerate(traced) if _is_weight(_start(node, index, chain))]
    if len(weights) == 1:
        index = weights[0]
        chain = traced[index]
        weight = _start(node, index, chain)
        assert weight is not None
        reader, slot = (chain[-1], 0) if chain else (node, index)
        yield Site(node, 1 - index, weight, reader, slot, _channel(node, index, chain, weight))


def _is_grouped(node: ir.Node) -> bool:
    return "group" in node.attributes and node.attributes["group"].as_int() > 1


def _laid_out(node: ir.Node, index: int) -> list[ir.Node]:
    """The nodes of layout that lead to an input, the last of them first."""
    chain: list[ir.Node] = []
    value = node.inputs[index]
    while value is not None and (producer := value.producer()) is not None and producer.op_type in LAYOUT:
        chain.append(producer)
        value = producer.inputs[0]
    return chain


def _start(node: ir.Node, index: int, chain: list[ir.Node]) -> ir.Value | None:
    return chain[-1].inputs[0] if chain else node.inputs[index]


def _is_weight(value: ir.Value | None) -> bool:
    """Whether a value is a stored tensor of float32 with more than one number."""
    tensor = value.const_value if value is not None and value.is_initializer() else None
    return tensor is not None and tensor.dtype == ir.DataType.FLOAT and tensor.size > 1


def _is_input(value: ir.Value, graph: ir.Graph) -> bool:
    producer = value.producer()
    while producer is not None and producer.op_type in (*LAYOUT, "Cast", "Pad", "Slice"):
        first = producer.inputs[0]
        assert first is not None
        value, producer = first, first.producer()
    return value in graph.inputs


def _channel(node: ir.Node, index: int, chain: list[ir.Node], weight: ir.Value) -> int | None:
    """The axis of the stored weight that becomes the output channels."""
    assert weight.shape is not None
    axis = _operand_channel(node, index, len(weight.shape))
    for layout in chain:
        if layout.op_type != "Transpose" or axis is None:
            return None
        axis = layout.attributes["perm"].as_ints()[axis]
    return axis


def _operand_channel(node: ir.Node, index: int, rank: int) -> int | None:
    """The axis of output channels in an operand as the product reads it."""
    if node.op_type == "Conv":
        return 0
    if node.op_type == "MatMul" and rank >= 2:
        return rank - 1 if index == 1 else rank - 2
    if node.op_type == "Gemm":
        turned = "transB" in node.attributes and node.attributes["transB"].as_int() == 1
        return (0 if turned else 1) if index == 1 else None
    return _einsum_channel(node, index) if node.op_type == "Einsum" else None


def _einsum_channel(node: ir.Node, index: int) -> int | None:
    """The one axis that the other operand does not have and the output does."""
    given, output = node.attributes["equation"].as_string().replace(" ", "").split("->")
    operands = given.split(",")
    own = [axis for axis, letter in enumerate(operands[index]) if letter in output and letter not in operands[1 - index]]
    return own[0] if len(own) == 1 else None
