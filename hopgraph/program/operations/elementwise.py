"""Operations that act position by position."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hopgraph.program.operations.flops import each
from hopgraph.program.operations.record import Operation, Site, broadcast, same


def _aligned_torch(site: Site, index: int, tensor: Any) -> Any:
    shape = site.aligned(index)
    return tensor if shape is None else tensor.reshape(shape)


def _aligned_onnx(o: Any, site: Site, index: int, value: Any) -> Any:
    shape = site.aligned(index)
    return value if shape is None else o.view(value, shape)


def _add_torch(t: Any, site: Site, x: Any, y: Any) -> Any:
    return x + _aligned_torch(site, 1, y)


def _add_onnx(o: Any, site: Site, x: Any, y: Any) -> Any:
    return o("Add", x, _aligned_onnx(o, site, 1, y))


def _multiply_torch(t: Any, site: Site, x: Any, y: Any) -> Any:
    return x * _aligned_torch(site, 1, y)


def _multiply_onnx(o: Any, site: Site, x: Any, y: Any) -> Any:
    return o("Mul", x, _aligned_onnx(o, site, 1, y))


def _scale_torch(t: Any, site: Site, x: Any) -> Any:
    return x * site.attributes["factor"]


def _scale_onnx(o: Any, site: Site, x: Any) -> Any:
    return o("Mul", x, o.number(site.attributes["factor"]))


def _shift_torch(t: Any, site: Site, x: Any) -> Any:
    return x + site.attributes["amount"]


def _shift_onnx(o: Any, site: Site, x: Any) -> Any:
    return o("Add", x, o.number(site.attributes["amount"]))


def _power_torch(t: Any, site: Site, x: Any) -> Any:
    return x ** site.attributes["exponent"]


def _power_onnx(o: Any, site: Site, x: Any) -> Any:
    return o("Pow", x, o.number(site.attributes["exponent"]))


def _functional(name: str) -> Callable[..., Any]:
    def apply(t: Any, site: Site, x: Any) -> Any:
        return getattr(t.nn.functional, name)(x)

    return apply


def _elementary(name: str) -> Callable[..., Any]:
    def apply(t: Any, site: Site, x: Any) -> Any:
        return getattr(t, name)(x)

    return apply


def _node(op_type: str) -> Callable[..., Any]:
    def emit(o: Any, site: Site, x: Any) -> Any:
        return o(op_type, x)

    return emit


ROWS = (
    Operation("add", broadcast, _add_torch, _add_onnx, each()),
    Operation("multiply", broadcast, _multiply_torch, _multiply_onnx, each()),
    Operation("scale", same, _scale_torch, _scale_onnx, each()),
    Operation("shift", same, _shift_torch, _shift_onnx, each()),
    Operation("power", same, _power_torch, _power_onnx, each()),
    Operation("exp", same, _elementary("exp"), _node("Exp"), each()),
    Operation("tanh", same, _elementary("tanh"), _node("Tanh"), each()),
    Operation("sigmoid", same, _elementary("sigmoid"), _node("Sigmoid"), each()),
    Operation("relu", same, _functional("relu"), _node("Relu"), each()),
    Operation("gelu", same, _functional("gelu"), _node("Gelu"), each()),
)
