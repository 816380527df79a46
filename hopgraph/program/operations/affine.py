"""Maps of the encoder and the readout by a matrix: the affine map, and the rows of an embedding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hopgraph.energy.records import Value
from hopgraph.program.operations.flops import none
from hopgraph.program.operations.record import Attributes, Operation, Site, Typed


def _linear_shape(inputs: Sequence[Value], attributes: Attributes) -> Typed:
    x, weight = inputs[:2]
    return (*x.axes[:-1], attributes["axis"]), (*x.shape[:-1], weight.shape[0])


def _linear_torch(t: Any, site: Site, x: Any, weight: Any, *bias: Any) -> Any:
    return t.nn.functional.linear(x, weight, *bias)


def _linear_onnx(o: Any, site: Site, x: Any, weight: Any, *bias: Any) -> Any:
    if site.rank == 2:
        return o("Gemm", x, weight, *bias, transB=1)
    y = o("MatMul", x, o("Transpose", weight, perm=[1, 0]))
    return o("Add", y, *bias) if bias else y


def _linear_flops(site: Site) -> int:
    return 2 * math.prod(site.output.shape) * site.inputs[1].shape[1]


def _gather_shape(inputs: Sequence[Value], attributes: Attributes) -> Typed:
    (tokens,), weight = inputs[0].shape, inputs[1]
    return tuple(attributes["axes"]), (tokens, weight.shape[1])


def _gather_torch(t: Any, site: Site, tokens: Any, weight: Any) -> Any:
    return t.nn.functional.embedding(tokens, weight)


def _gather_onnx(o: Any, site: Site, tokens: Any, weight: Any) -> Any:
    return o("Gather", weight, tokens, axis=0)


ROWS = (
    Operation("linear", _linear_shape, _linear_torch, _linear_onnx, _linear_flops),
    Operation("gather", _gather_shape, _gather_torch, _gather_onnx, none),
)
