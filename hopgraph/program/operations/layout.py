"""Operations that name, order, merge, lengthen, cut and drop axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hopgraph.energy.records import Value
from hopgraph.program.operations.flops import none, read
from hopgraph.program.operations.record import Attributes, Operation, Site, Typed


def _merge_shape(inputs: Sequence[Value], attributes: Attributes) -> Typed:
    x = inputs[0]
    first, last = (x.axes.index(axis) for axis in (attributes["axes"][0], attributes["axes"][-1]))
    axes = (*x.axes[:first], attributes["into"], *x.axes[last + 1 :])
    return axes, (*x.shape[:first], math.prod(x.shape[first : last + 1]), *x.shape[last + 1 :])


def _merge_torch(t: Any, site: Site, x: Any) -> Any:
    first, *_, last = site.dims("axes")
    return x.flatten(first, last)


def _merge_onnx(o: Any, site: Site, x: Any) -> Any:
    return o.reshape(x, (0, *site.output.shape))


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


def _reduced_shape(inputs: Sequence[Value], attributes: Attributes) -> Typed:
    x = inputs[0]
    kept = tuple(axis for axis in x.axes if axis not in attributes["over"])
    return kept, tuple(x.size(axis) for axis in kept)


def _mean_torch(t: Any, site: Site, x: Any) -> Any:
    return x.mean(site.dims())


def _mean_onnx(o: Any, site: Site, x: Any) -> Any:
    return o("ReduceMean", x, o.integers(site.dims()), keepdims=0)


def _max_torch(t: Any, site: Site, x: Any) -> Any:
    return x.amax(site.dims())


def _max_onnx(o: Any, site: Site, x: Any) -> Any:
    return o("ReduceMax", x, o.integers(site.dims()), keepdims=0)


def _take_shape(inputs: Sequence[Value], attributes: Attributes) -> Typed:
    x = inputs[0]
    kept = tuple(axis for axis in x.axes if axis != attributes["axis"])
    return kept, tuple(map(x.size, kept))


def _take_torch(t: Any, site: Site, x: Any) -> Any:
    return x.select(site.dim(site.attributes["axis"]), site.attributes["index"])


def _take_onnx(o: Any, site: Site, x: Any) -> Any:
    dim = site.dim(site.attributes["axis"])
    return o("Squeeze", o("Gather", x, o.integers((site.attributes["index"],)), axis=dim), o.integers((dim,)))


def _slice_shape(inputs: Sequence[Value], attributes: Attributes) -> Typed:
    x = inputs[0]
    size = attributes["stop"] - attributes["start"]
    return x.axes, tuple(size if axis == attributes["axis"] else x.size(axis) for axis in x.axes)


def _slice_torch(t: Any, site: Site, x: Any) -> Any:
    return x.narrow(site.dim(site.attributes["axis"]), site.attributes["start"], site.output.size(site.attributes["axis"]))


def _slice_onnx(o: Any, site: Site, x: Any) -> Any:
    limits = (o.integers((site.attributes[field],)) for field in ("start", "stop"))
    return o("Slice", x, *limits, o.integers((site.dim(site.attributes["axis"]),)))


def _prepend_shape(inputs: Sequence[Value], attributes: Attributes) -> Typed:
    x, token = inputs
    assert x.axes == token.axes, f"{token} does not go in front of {x}"
    return x.axes, tuple(size + (axis == attributes["axis"]) for axis, size in zip(x.axes, x.shape, strict=True))


def _prepend_torch(t: Any, site: Site, x: Any, token: Any) -> Any:
    return t.cat((token.expand(x.size(0), *site.inputs[1].shape), x), site.dim(site.attributes["axis"]))


def _prepend_onnx(o: Any, site: Site, x: Any, token: Any) -> Any:
    """A row of zeros before x, and the token where it is: no node computes a shape, which would run on the CPU."""
    import numpy as np

    axis, value = site.attributes["axis"], site.inputs[0]
    padded = o("Pad", x, o.integers((1, 0)), o.number(0.0), o.integers((site.dim(axis),)))
    shape = tuple(site.output.size(name) if name == axis else 1 for name in value.axes)
    first = o.constant(f"first {shape}", (np.arange(site.output.size(axis)) == 0).reshape(shape))
    return o("Where", first, token, padded)


def _same_onnx(o: Any, site: Site, x: Any) -> Any:
    return x


ROWS = (
    Operation("merge", _merge_shape, _merge_torch, _merge_onnx, none),
    Operation("rename", _rename_shape, _rename_torch, _same_onnx, none),
    Operation("permute", _permute_shape, _permute_torch, _permute_onnx, none),
    Operation("mean", _reduced_shape, _mean_torch, _mean_onnx, read),
    Operation("max", _reduced_shape, _max_torch, _max_onnx, read),
    Operation("take", _take_shape, _take_torch, _take_onnx, none),
    Operation("slice", _slice_shape, _slice_torch, _slice_onnx, none),
    Operation("prepend", _prepend_shape, _prepend_torch, _prepend_onnx, none),
)
