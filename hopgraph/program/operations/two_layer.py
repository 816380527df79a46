"""two_layer: u = W^T f(W g + b) + c, a map, an elementwise activation and the same map back, as one operation.

Its torch column is an operator of our own (see `hopgraph.lower.kernels`), its ONNX column the parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hopgraph.energy.records import Value
from hopgraph.program.operations import contract, elementwise
from hopgraph.program.operations.contract import matrix_product
from hopgraph.program.operations.record import Attributes, Operation, Site, Typed

ACTIVATIONS: Mapping[str, Sequence[tuple[str, Mapping[str, Any]]]] = {
    "relu": (("relu", {}),),
    "squared_relu": (("relu", {}), ("power", {"exponent": 2})),
    "gelu": (("gelu", {}),),
    "tanh": (("tanh", {}),),
    "sigmoid": (("sigmoid", {}),),
}
"""By name, the operations that an activation is."""
_PARTS = {row.name: row for row in (*contract.ROWS, *elementwise.ROWS)}


@dataclass(frozen=True)
class Part:
    """An operation inside: its site, and the input of the whole that it reads beside the value before it, if it does."""

    op: str
    site: Site
    reads: int | None = None


def parts(inputs: Sequence[Value], attributes: Attributes) -> Iterator[Part]:
    """The operations inside, in order.

    `first` are the labels of g and of W where they are multiplied, and `hidden` those of the product; `second` are the labels of the hidden
    values and of W, and `out` those of u. `bias` and `offset` say whether b and c are among the inputs after g and W.
    """
    value = inputs[0]
    steps: list[tuple[str, Attributes, int | None]] = [("contract", {"labels": attributes["first"], "out": attributes["hidden"]}, 1)]
    steps += [("add", {}, 2)] if attributes["bias"] else []
    steps += [(op, about, None) for op, about in ACTIVATIONS[attributes["activation"]]]
    steps += [("contract", {"labels": attributes["second"], "out": attributes["out"]}, 1)]
    steps += [("add", {}, len(inputs) - 1)] if attributes["offset"] else []
    for op, about, reads in steps:
        operands = (value,) if reads is None else (value, inputs[reads])
        value = Value("", *_PARTS[op].shape(operands, about))
        yield Part(op, Site(operands, value, about), reads)


def _shape(inputs: Sequence[Value], attributes: Attributes) -> Typed:
    *_, last = parts(inputs, attributes)
    return last.site.output.axes, last.site.output.shape


def _torch(t: Any, site: Site, g: Any, weight: Any, *others: Any) -> Any:
    """The operator, with several axes that are mapped as one."""
    plan = matrix_product(next(parts(site.inputs, site.attributes)).site)
    assert plan is not None, "a pass made it of two matrix products"
    kept = site.rank - plan.summed
    x = g if plan.summed == 1 else g.flatten(kept, site.rank - 1)
    first, second = (plan.summed, plan.made) if plan.transposed else (plan.made, plan.summed)
    matrix = weight if first == 1 else weight.flatten(0, first - 1)
    matrix = matrix if second == 1 else matrix.flatten(1, second)
    bias = others[0] if site.attributes["bias"] else None
    offset = others[-1] if site.attributes["offset"] else None
    bias = bias if bias is None or plan.made == 1 else bias.flatten()
    offset = offset if offset is None or plan.summed == 1 else offset.flatten()
    how = (site.attributes["activation"], plan.transposed, -2 if plan.left else -1)
    u = t.ops.hopgraph.two_layer(x, matrix, bias, offset, *how)
    return u if plan.summed == 1 else u.unflatten(kept, site.output.shape[kept - site.output.batched :])


def _onnx(o: Any, site: Site, *values: Any) -> Any:
    """The parts, each as it is alone."""
    value = values[0]
    for part in parts(site.inputs, site.attributes):
        operands = (value,) if part.reads is None else (value, values[part.reads])
        value = _PARTS[part.op].onnx(o, part.site, *operands)
    return value


def _flops(site: Site) -> int:
    """Those of the products, whose sums start from b and c, and of the activation."""
    return sum(_PARTS[part.op].flops(part.site) for part in parts(site.inputs, site.attributes) if part.op != "add")


ROWS = (Operation("two_layer", _shape, _torch, _onnx, _flops),)
