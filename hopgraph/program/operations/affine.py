"""Affine maps of the encoder and the readout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hopgraph.energy.records import Value
from hopgraph.program.operations.record import Attributes, Operation, Site, Typed


def _convolution_shape(inputs: Sequence[Value], attributes: Attributes) -> Typed:
    x, weight, _ = inputs
    extents = ((size - kernel) // attributes["stride"] + 1 for size, kernel in zip(x.shape[1:], weight.shape[2:], strict=True))
    return (attributes["channels"], *x.axes[1:]), (weight.shape[0], *extents)


def _convolution_torch(t: Any, site: Site, x: Any, weight: Any, bias: Any) -> Any:
    return t.nn.functional.conv2d(x, weight, bias, stride=site.attributes["stride"])


def _convolution_onnx(o: Any, site: Site, x: Any, weight: Any, bias: Any) -> Any:
    kernel = list(site.inputs[1].shape[2:])
    return o("Conv", x, weight, bias, strides=[site.attributes["stride"]] * 2, kernel_shape=kernel)


def _linear_shape(inputs: Sequence[Value], attributes: Attributes) -> Typed:
    x, weight, _ = inputs
    return (*x.axes[:-1], attributes["axis"]), (*x.shape[:-1], weight.shape[0])


def _linear_torch(t: Any, site: Site, x: Any, weight: Any, bias: Any) -> Any:
    return t.nn.functional.linear(x, weight, bias)


def _linear_onnx(o: Any, site: Site, x: Any, weight: Any, bias: Any) -> Any:
    if site.rank == 2:
        return o("Gemm", x, weight, bias, transB=1)
    return o("Add", o("MatMul", x, o("Transpose", weight, perm=[1, 0])), bias)


ROWS = (
    Operation("convolution", _convolution_shape, _convolution_torch, _convolution_onnx),
    Operation("linear", _linear_shape, _linear_torch, _linear_onnx),
)
