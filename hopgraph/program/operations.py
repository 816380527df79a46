"""The one table of operations. A record has a shape rule, a torch column and an ONNX column.

`shape(inputs, attributes)` gives the axes and sizes of the result. `torch(t, site, *tensors)` computes it, `t` being the
torch module; it runs on tensors and on torch.fx proxies alike. `onnx(o, site, *values)` emits it, `o` being the exporter's
node builder. Neither library is imported here: `hopgraph check` needs this table and must start in a fraction of a second.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hopgraph.energy.records import Axes, Value

Attributes = Mapping[str, Any]
Typed = tuple[Axes, tuple[int, ...]]


@dataclass(frozen=True)
class Site:
    """Where an operation stands: the types of its inputs and output, and its attributes."""

    inputs: tuple[Value, ...]
    output: Value
    attributes: Attributes

    def dim(self, axis: str, index: int = 0) -> int:
        """The position of an axis in input `index`, the batch counted."""
        value = self.inputs[index]
        return value.axes.index(axis) + value.batched

    def dims(self, field: str = "over") -> tuple[int, ...]:
        """The positions in the first input of the axes that an attribute names."""
        return tuple(sorted(self.dim(axis) for axis in self.attributes[field]))

    @property
    def rank(self) -> int:
        """The number of dimensions of the first input, the batch counted."""
        return len(self.inputs[0].axes) + self.inputs[0].batched

    def trailing(self) -> bool:
        """Whether the axes of `over` are the last ones, in order."""
        over = tuple(self.attributes["over"])
        return self.inputs[0].axes[-len(over) :] == over

    def aligned(self, index: int) -> tuple[int, ...] | None:
        """The shape that makes input `index` broadcast to the first by axis names; None where it already does."""
        first, other = self.inputs[0], self.inputs[index]
        if other.batched or first.axes[len(first.axes) - len(other.axes) :] == other.axes:
            return None
        start = first.axes.index(other.axes[0])
        return tuple(size if axis in other.axes else 1 for axis, size in zip(first.axes[start:], first.shape[start:], strict=True))


@dataclass(frozen=True)
class Operation:
    """One row of the table."""

    name: str
    shape: Callable[[Sequence[Value], Attributes], Typed]
    torch: Callable[..., Any]
    onnx: Callable[..., Any]


def _same(inputs: Sequence[Value], attributes: Attributes) -> Typed:
    return inputs[0].axes, inputs[0].shape


def _broadcast(inputs: Sequence[Value], attributes: Attributes) -> Typed:
    first, second = inputs
    assert [axis for axis in first.axes if axis in second.axes] == list(second.axes), f"{second} does not broadcast to {first}"
    return first.axes, first.shape


# --- contract: a product of tensors summed over labels -----------------------------------------------------------------


def _contract_shape(inputs: Sequence[Value], attributes: Attributes) -> Typed:
    sizes: dict[str, int] = {}
    for value, labels in zip(inputs, attributes["labels"], strict=True):
        for label, size in zip(labels, value.shape, strict=True):
            assert sizes.setdefault(label, size) == size, f"label {label} has sizes {sizes[label]} and {size}"
    out = tuple(attributes["out"])
    return out, tuple(sizes[label] for label in out)


@dataclass(frozen=True)
class _MatrixProduct:
    """A contraction of x [batch, ...] with a matrix over its last axis, or over its last but one (`left`)."""

    left: bool
    transposed: bool


def matrix_product(site: Site) -> _MatrixProduct | None:
    """The contraction as one matrix product without a transpose of x, where it is one: token maps are W x, channel maps x W^T."""
    if len(site.inputs) != 2 or not site.inputs[0].batched or site.inputs[1].batched:
        return None
    given, weight = site.attributes["labels"]
    out = tuple(site.attributes["out"])
    summed = [label for label in given if label in weight and label not in out]
    if len(weight) != 2 or len(summed) != 1:
        return None
    new = weight[0] if weight[1] == summed[0] else weight[1]
    index = given.index(summed[0])
    if out != (*given[:index], new, *given[index + 1 :]) or index < len(given) - 2:
        return None
    left = index == len(given) - 2
    return _MatrixProduct(left, transposed=weight[0] == summed[0])


def einsum_equation(site: Site) -> str:
    """The contraction in einsum's letters, `a` for the batch."""
    letters: dict[str, str] = {}
    terms: list[str] = []
    for value, labels in zip((*site.inputs, site.output), (*site.attributes["labels"], site.attributes["out"]), strict=True):
        term = "".join(letters.setdefault(label, chr(ord("b") + len(letters))) for label in labels)
        terms.append(f"a{term}" if value.batched else term)
    return f"{','.join(terms[:-1])}->{terms[-1]}"


def _contract_torch(t: Any, site: Site, *tensors: Any) -> Any:
    plan = matrix_product(site)
    if plan is None:
        return t.einsum(einsum_equation(site), *tensors)
    x, weight = tensors
    if plan.left:
        turned = weight.mT if plan.transposed else weight
        leading = site.inputs[0].shape[:-2]  # expanded by hand: matmul would fold the batch into copies, at twice the time
        return t.matmul(turned.expand(x.size(0), *leading, -1, -1), x)
    return t.matmul(x, weight) if plan.transposed else t.nn.functional.linear(x, weight)


def _contract_onnx(o: Any, site: Site, *values: Any) -> Any:
    plan = matrix_product(site)
    if plan is None:
        return o("Einsum", *values, equation=einsum_equation(site))
    x, weight = values
    turned = o("Transpose", weight, perm=[1, 0]) if plan.transposed == plan.left else weight
    return o("MatMul", turned, x) if plan.left else o("MatMul", x, turned)


# --- elementwise ------------------------------------------------------------------------------------------------------


def _aligned_torch(site: Site, index: int, tensor: Any) -> Any:
    shape = site.aligned(index)
    return tensor if shape is None else tensor.reshape(shape)


def _aligned_onnx(o: Any, site: Site, index: int, value: Any) -> Any:
    shape = site.aligned(index)
    return value if shape is None else o("Reshape", value, o.integers(shape))


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


def _power_torch(t: Any, site: Site, x: Any) -> Any:
    return x ** site.attributes["exponent"]


def _power_onnx(o: Any, site: Site, x: Any) -> Any:
    return o("Pow", x, o.number(site.attributes["exponent"]))


def _softmax_torch(t: Any, site: Site, x: Any) -> Any:
    first, *others = site.dims()
    if not others:
        return t.softmax(x, first)
    powers = (x - x.amax(site.dims(), keepdim=True)).exp()  # less the greatest first: log sum exp would round at its size
    return powers / powers.sum(site.dims(), keepdim=True)


def _softmax_onnx(o: Any, site: Site, x: Any) -> Any:
    dims = site.dims()
    if len(dims) == 1:
        return o("Softmax", x, axis=dims[0])
    shifted = o("Sub", x, o("ReduceMax", x, o.integers(dims), keepdims=1))
    powers = o("Exp", shifted)
    return o("Div", powers, o("ReduceSum", powers, o.integers(dims), keepdims=1))


# --- norms ------------------------------------------------------------------------------------------------------------


def _layernorm_torch(t: Any, site: Site, x: Any, *affine: Any) -> Any:
    if site.trailing():
        sizes = tuple(site.inputs[0].size(axis) for axis in site.attributes["over"])
        return t.nn.functional.layer_norm(x, sizes, *affine, eps=site.attributes["eps"])
    centred = x - x.mean(site.dims(), keepdim=True)
    return centred * (centred.square().mean(site.dims(), keepdim=True) + site.attributes["eps"]).rsqrt()


def _layernorm_onnx(o: Any, site: Site, x: Any, *affine: Any) -> Any:
    if affine:
        return o("LayerNormalization", x, *affine, axis=-len(site.attributes["over"]), epsilon=site.attributes["eps"])
    centred = o("Sub", x, _mean_onnx(o, site, x, keepdims=1))
    return _root_scaled(o, site, centred, "ReduceMean")


def _root_scaled(o: Any, site: Site, x: Any, reduce: str) -> Any:
    """X / sqrt(reduce(x^2) + eps)."""
    total = o(reduce, o("Mul", x, x), o.integers(site.dims()), keepdims=1)
    return o("Div", x, o("Sqrt", o("Add", total, o.number(site.attributes["eps"]))))


def _rmsnorm_torch(t: Any, site: Site, x: Any) -> Any:
    return x * (x.square().mean(site.dims(), keepdim=True) + site.attributes["eps"]).rsqrt()


def _rmsnorm_onnx(o: Any, site: Site, x: Any) -> Any:
    return _root_scaled(o, site, x, "ReduceMean")


def _spherical_torch(t: Any, site: Site, x: Any) -> Any:
    return x * (x.square().sum(site.dims(), keepdim=True) + site.attributes["eps"]).rsqrt()


def _spherical_onnx(o: Any, site: Site, x: Any) -> Any:
    return _root_scaled(o, site, x, "ReduceSum")


# --- encoder and readout ----------------------------------------------------------------------------------------------


def _convolution_shape(inputs: Sequence[Value], attributes: Attributes) -> Typed:
    x, weight, _ = inputs
    extents = ((size - kernel) // attributes["stride"] + 1 for size, kernel in zip(x.shape[1:], weight.shape[2:], strict=True))
    return (attributes["channels"], *x.axes[1:]), (weight.shape[0], *extents)


def _convolution_torch(t: Any, site: Site, x: Any, weight: Any, bias: Any) -> Any:
    return t.nn.functional.conv2d(x, weight, bias, stride=site.attributes["stride"])


def _convolution_onnx(o: Any, site: Site, x: Any, weight: Any, bias: Any) -> Any:
    kernel = list(site.inputs[1].shape[2:])
    return o("Conv", x, weight, bias, strides=[site.attributes["stride"]] * 2, kernel_shape=kernel)


def _merge_shape(inputs: Sequence[Value], attributes: Attributes) -> Typed:
    x = inputs[0]
    first, last = (x.axes.index(axis) for axis in (attributes["axes"][0], attributes["axes"][-1]))
    axes = (*x.axes[:first], attributes["into"], *x.axes[last + 1 :])
    return axes, (*x.shape[:first], math.prod(x.shape[first : last + 1]), *x.shape[last + 1 :])


def _merge_torch(t: Any, site: Site, x: Any) -> Any:
    first, *_, last = site.dims("axes")
    return x.flatten(first, last)


def _merge_onnx(o: Any, site: Site, x: Any) -> Any:
    return o("Reshape", x, o.integers((0, *site.output.shape)))


def _rename_shape(inputs: Sequence[Value], attributes: Attributes) -> Typed:
    return tuple(attributes["axes"]), inputs[0].shape


def _rename_torch(t: Any, site: Site, x: Any) -> Any:
    return x


def _permute_shape(inputs: Sequence[Value], attributes: Attributes) -> Typed:
    order = tuple(attributes["order"])
    return order, tuple(inputs[0].size(axis) for axis in order)


def _permute_torch(t: Any, site: Site, x: Any) -> Any:
    return x.permute(0, *(site.dim(axis) for axis in site.attributes["order"]))


def _permute_onnx(o: Any, site: Site, x: Any) -> Any:
    return o("Transpose", x, perm=[0, *(site.dim(axis) for axis in site.attributes["order"])])


def _mean_shape(inputs: Sequence[Value], attributes: Attributes) -> Typed:
    x = inputs[0]
    kept = tuple(axis for axis in x.axes if axis not in attributes["over"])
    return kept, tuple(x.size(axis) for axis in kept)


def _mean_torch(t: Any, site: Site, x: Any) -> Any:
    return x.mean(site.dims())


def _mean_onnx(o: Any, site: Site, x: Any, keepdims: int = 0) -> Any:
    return o("ReduceMean", x, o.integers(site.dims()), keepdims=keepdims)


def _linear_shape(inputs: Sequence[Value], attributes: Attributes) -> Typed:
    x, weight, _ = inputs
    return (*x.axes[:-1], attributes["axis"]), (*x.shape[:-1], weight.shape[0])


def _linear_torch(t: Any, site: Site, x: Any, weight: Any, bias: Any) -> Any:
    return t.nn.functional.linear(x, weight, bias)


def _linear_onnx(o: Any, site: Site, x: Any, weight: Any, bias: Any) -> Any:
    if site.rank == 2:
        return o("Gemm", x, weight, bias, transB=1)
    return o("Add", o("MatMul", x, o("Transpose", weight, perm=[1, 0])), bias)


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


OPERATIONS: dict[str, Operation] = {
    record.name: record
    for record in (
        Operation("contract", _contract_shape, _contract_torch, _contract_onnx),
        Operation("add", _broadcast, _add_torch, _add_onnx),
        Operation("multiply", _broadcast, _multiply_torch, _multiply_onnx),
        Operation("scale", _same, _scale_torch, _scale_onnx),
        Operation("power", _same, _power_torch, _power_onnx),
        Operation("exp", _same, _elementary("exp"), _node("Exp")),
        Operation("tanh", _same, _elementary("tanh"), _node("Tanh")),
        Operation("sigmoid", _same, _elementary("sigmoid"), _node("Sigmoid")),
        Operation("relu", _same, _functional("relu"), _node("Relu")),
        Operation("gelu", _same, _functional("gelu"), _node("Gelu")),
        Operation("softmax", _same, _softmax_torch, _softmax_onnx),
        Operation("layernorm", _same, _layernorm_torch, _layernorm_onnx),
        Operation("rmsnorm", _same, _rmsnorm_torch, _rmsnorm_onnx),
        Operation("spherical", _same, _spherical_torch, _spherical_onnx),
        Operation("convolution", _convolution_shape, _convolution_torch, _convolution_onnx),
        Operation("merge", _merge_shape, _merge_torch, _merge_onnx),
        Operation("rename", _rename_shape, _rename_torch, _node("Identity")),
        Operation("permute", _permute_shape, _permute_torch, _permute_onnx),
        Operation("mean", _mean_shape, _mean_torch, _mean_onnx),
        Operation("linear", _linear_shape, _linear_torch, _linear_onnx),
    )
}
"""Every operation by name. One more is one more record; one more target is one more column."""
