"""Convolution and pooling over one axis to three, the other axes in any order, with their adjoints.

A value [batch, ...] is seen as [batch * rest, channels, *over]: permuted and reshaped where it is not so already.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hopgraph.energy.records import Axes, Value
from hopgraph.program.operations.record import Attributes, Operation, Site, Typed

Numbers = tuple[int, ...]


@dataclass(frozen=True)
class View:
    """How x is seen in this form, and how what comes of it is seen as the operation's result; None where nothing is to do."""

    order: Numbers | None
    folded: Numbers | None
    unfolded: Numbers | None
    back: Numbers | None

    def enter(self, x: Any) -> Any:
        """X as a torch operation reads it."""
        x = x if self.order is None else x.permute(*self.order)
        return x if self.folded is None else x.reshape(self.folded)

    def leave(self, y: Any) -> Any:
        """The result of a torch operation as the value."""
        y = y if self.unfolded is None else y.reshape(self.unfolded)
        return y if self.back is None else y.permute(*self.back)

    def enter_onnx(self, o: Any, x: Any) -> Any:
        """X as an ONNX node reads it."""
        x = x if self.order is None else o("Transpose", x, perm=self.order)
        return x if self.folded is None else o.reshape(x, self.folded)

    def leave_onnx(self, o: Any, y: Any) -> Any:
        """The result of an ONNX node as the value."""
        y = y if self.unfolded is None else o.reshape(y, self.unfolded)
        return y if self.back is None else o("Transpose", y, perm=self.back)


def view(site: Site, channels: Axes, out_channels: Axes) -> View:
    """The view of an operation that maps axes `channels` to `out_channels` and the axes `over` to `into`."""
    x, y = site.inputs[0], site.output
    over, into = tuple(site.attributes["over"]), tuple(site.attributes["into"])
    rest = tuple(axis for axis in x.axes if axis not in (*channels, *over))
    order = (0, *map(site.dim, (*rest, *channels, *over)))
    left = (*rest, *out_channels, *into)
    back = (0, *(1 + left.index(axis) for axis in y.axes))
    whole = not rest and len(channels) == 1 == len(out_channels)
    return View(
        None if order == tuple(range(len(order))) else order,
        None if whole else (-1, math.prod(map(x.size, channels)), *map(x.size, over)),
        None if whole else (-1, *map(y.size, left)),
        None if back == tuple(range(len(back))) else back,
    )


def others(site: Site) -> Axes:
    """The axes of the input that windows do not slide along: as channels they need no view where there is one of them."""
    return tuple(axis for axis in site.inputs[0].axes if axis not in site.attributes["over"])


def _renamed(axes: Axes, old: Sequence[str], new: Sequence[str]) -> Axes:
    names = dict(zip(old, new, strict=True))
    return tuple(names.get(axis, axis) for axis in axes)


def _counts(x: Value, attributes: Attributes) -> list[int]:
    """How many windows there are along each axis: floor((n + pads - d (k - 1) - 1) / stride) + 1."""
    dilations = attributes.get("dilation", (1,) * len(attributes["over"]))
    each = zip(attributes["over"], attributes["kernel"], attributes["stride"], dilations, attributes["pads"], strict=True)
    return [(x.size(axis) + sum(pads) - d * (k - 1) - 1) // stride + 1 for axis, k, stride, d, pads in each]


def _flat(pads: Sequence[tuple[int, int]]) -> Numbers:
    """Pads as torch lists them: the last axis first."""
    return tuple(zeros for pair in reversed(pads) for zeros in pair)


def _onnx_pads(pads: Sequence[tuple[int, int]]) -> list[int]:
    """Pads as ONNX lists them: all before, then all after."""
    return [before for before, _ in pads] + [after for _, after in pads]


def _function(t: Any, name: str, site: Site) -> Any:
    return getattr(t.nn.functional, f"{name}{len(site.attributes['over'])}d")


def _even(pads: Sequence[tuple[int, int]]) -> bool:
    return all(before == after for before, after in pads)


def _befores(pads: Sequence[tuple[int, int]]) -> Numbers:
    return tuple(before for before, _ in pads)


# --- convolution: x, weight [*per, new, old, *kernel], and a bias [*per, new] ---
# A weight with fewer inputs than x has along `old` reads them in as many groups: 2 of 8 are four groups, each with its own outputs.


def _conv_shape(inputs: Sequence[Value], attributes: Attributes) -> Typed:
    x, weight = inputs[:2]
    old, new, per = attributes["old"], attributes["new"], attributes["per"]
    sizes = {**dict(zip(x.axes, x.shape, strict=True)), **dict(zip(attributes["into"], _counts(x, attributes), strict=True))}
    sizes |= dict(zip(new, weight.shape[len(per) :], strict=False))
    axes = _renamed(x.axes, (*attributes["over"], *old), (*attributes["into"], *new))
    return axes, tuple(sizes[axis] for axis in axes)


def _kernel_shape(site: Site) -> tuple[Numbers, int]:
    """The weight's shape [groups * out, in, *kernel], out and in as the forward map has them, and the number of groups."""
    count = len(site.attributes["per"])
    groups = math.prod(site.inputs[1].shape[:count])
    mapped = site.inputs[1].shape[count : len(site.inputs[1].shape) - len(site.attributes["kernel"])]
    outputs, inputs = mapped or (1, 1)
    return (groups * outputs, inputs, *site.attributes["kernel"]), groups


def _groups_of_inputs(site: Site) -> int:
    """How many groups the axis `old` of the input falls into."""
    old, kernel = site.attributes["old"], site.attributes["kernel"]
    return site.inputs[0].size(old[0]) // site.inputs[1].shape[-1 - len(kernel)] if old else 1


def _grouped(site: Site) -> View:
    per = tuple(site.attributes["per"])
    return view(site, (*per, *site.attributes["old"]), (*per, *site.attributes["new"]))


def _conv_torch(t: Any, site: Site, x: Any, weight: Any, *bias: Any) -> Any:
    shape, groups = _kernel_shape(site)
    groups *= _groups_of_inputs(site)
    seen, pads = _grouped(site), site.attributes["pads"]
    x = seen.enter(x)
    x = x if _even(pads) else t.nn.functional.pad(x, _flat(pads))
    weight = weight if shape == site.inputs[1].shape else weight.reshape(shape)
    bias = tuple(tensor if len(site.inputs[2].shape) == 1 else tensor.reshape((shape[0],)) for tensor in bias)
    padding = _befores(pads) if _even(pads) else 0
    stride, dilation = site.attributes["stride"], site.attributes["dilation"]
    return seen.leave(_function(t, "conv", site)(x, weight, *bias, stride=stride, padding=padding, dilation=dilation, groups=groups))


def _conv_onnx(o: Any, site: Site, x: Any, weight: Any, *bias: Any) -> Any:
    shape, groups = _kernel_shape(site)
    groups *= _groups_of_inputs(site)
    seen = _grouped(site)
    weight = weight if shape == site.inputs[1].shape else o.view(weight, shape)
    bias = tuple(value if len(site.inputs[2].shape) == 1 else o.view(value, (shape[0],)) for value in bias)
    return seen.leave_onnx(o, o("Conv", seen.enter_onnx(o, x), weight, *bias, group=groups, **_onnx_windows(site)))


def _onnx_windows(site: Site) -> dict[str, Any]:
    given = site.attributes
    windows = {"kernel_shape": list(given["kernel"]), "strides": list(given["stride"]), "pads": _onnx_pads(given["pads"])}
    return {**windows, **({"dilations": list(given["dilation"])} if "dilation" in given else {})}


def _conv_flops(site: Site) -> int:
    """A multiply-add for each element of the result and each number that its window reads."""
    (_, *window), _ = _kernel_shape(site)
    return 2 * math.prod(site.output.shape) * math.prod(window)


def _transpose_shape(inputs: Sequence[Value], attributes: Attributes) -> Typed:
    y = inputs[0]
    old, new = (*attributes["over"], *attributes["old"]), (*attributes["into"], *attributes["new"])
    sizes = {**dict(zip(y.axes, y.shape, strict=True)), **dict(zip(new, attributes["sizes"], strict=True))}
    axes = _renamed(y.axes, old, new)
    return axes, tuple(sizes[axis] for axis in axes)


def _remainders(site: Site) -> Numbers:
    """How many positions at the end no window reaches, for each axis."""
    given = site.attributes
    found: list[int] = []
    for index, axis in enumerate(given["over"]):
        dilation = given["dilation"][index] if "dilation" in given else 1
        reached = (site.inputs[0].size(axis) - 1) * given["stride"][index] + dilation * (given["kernel"][index] - 1) + 1
        found.append(given["sizes"][index] + sum(given["pads"][index]) - reached)
    return tuple(found)


def _transpose_torch(t: Any, site: Site, y: Any, weight: Any) -> Any:
    shape, groups = _kernel_shape(site)
    seen = _grouped(site)
    weight = weight if shape == site.inputs[1].shape else weight.reshape(shape)
    return seen.leave(_transposed(t, site, seen.enter(y), weight, groups, site.attributes["dilation"]))


def _transpose_flops(site: Site) -> int:
    """A multiply-add for each element of y and each number that it is spread to."""
    (_, *window), _ = _kernel_shape(site)
    return 2 * math.prod(site.inputs[0].shape) * math.prod(window)


def _transposed(t: Any, site: Site, y: Any, weight: Any, groups: int, dilation: Any) -> Any:
    """The transposed convolution of y in its view; uneven pads are cut off afterwards."""
    pads = site.attributes["pads"]
    padding = _befores(pads) if _even(pads) else 0
    extra = {"stride": site.attributes["stride"], "padding": padding, "output_padding": _remainders(site)}
    x = _function(t, "conv_transpose", site)(y, weight, **extra, groups=groups, dilation=dilation)
    return x if _even(pads) else t.nn.functional.pad(x, tuple(-zeros for zeros in _flat(pads)))


def _transpose_onnx(o: Any, site: Site, y: Any, weight: Any) -> Any:
    shape, groups = _kernel_shape(site)
    seen = _grouped(site)
    weight = weight if shape == site.inputs[1].shape else o.view(weight, shape)
    extra = {"group": groups, "output_padding": list(_remainders(site)), **_onnx_windows(site)}
    return seen.leave_onnx(o, o("ConvTranspose", seen.enter_onnx(o, y), weight, **extra))


# --- pooling: the mean of each window, and its adjoint ---


def _pool_shape(inputs: Sequence[Value], attributes: Attributes) -> Typed:
    x = inputs[0]
    sizes = {**dict(zip(x.axes, x.shape, strict=True)), **dict(zip(attributes["into"], _counts(x, attributes), strict=True))}
    axes = _renamed(x.axes, attributes["over"], attributes["into"])
    return axes, tuple(sizes[axis] for axis in axes)


def _pool_adjoint_shape(inputs: Sequence[Value], attributes: Attributes) -> Typed:
    y = inputs[0]
    sizes = {**dict(zip(y.axes, y.shape, strict=True)), **dict(zip(attributes["into"], attributes["sizes"], strict=True))}
    axes = _renamed(y.axes, attributes["over"], attributes["into"])
    return axes, tuple(sizes[axis] for axis in axes)


def _pooled(t: Any, site: Site, x: Any, sizes: Sequence[int], pads: Sequence[tuple[int, int]]) -> Any:
    """The mean of each window of x in its view, its windowed axes of these sizes, with zeros around it that count."""
    kernel = site.attributes["kernel"]
    fits = all(2 * before <= k <= size for (before, _), k, size in zip(pads, kernel, sizes, strict=True))
    padding = _befores(pads) if fits and _even(pads) else 0  # torch pads by half a window at most, and avg_pool3d no small input
    if padding == 0:
        x = t.nn.functional.pad(x, _flat(pads)) if any(_flat(pads)) else x
    return _function(t, "avg_pool", site)(x, kernel, stride=site.attributes["stride"], padding=padding)


def _pool_torch(t: Any, site: Site, x: Any) -> Any:
    given = site.attributes
    seen = view(site, others(site), others(site))
    x = seen.enter(x)
    sizes = tuple(map(site.inputs[0].size, given["over"]))
    y = _pooled(t, site, x, sizes, given["pads"])
    if not _counted(site):
        y = y / _shares(t, site, x, sizes)
    return seen.leave(y)


def _pool_flops(site: Site) -> int:
    """The sum of each window."""
    return math.prod(site.output.shape) * math.prod(site.attributes["kernel"])


def _counted(site: Site) -> bool:
    """Whether every window counts as many positions as the kernel has."""
    return site.attributes["count_include_pad"] or not any(_flat(site.attributes["pads"]))


def _shares(t: Any, site: Site, like: Any, sizes: Sequence[int]) -> Any:
    """The share of each window that is on the input, [1, 1, *windows]."""
    return _pooled(t, site, like.new_ones((1, 1, *sizes)), sizes, site.attributes["pads"])


def _pool_adjoint_torch(t: Any, site: Site, y: Any) -> Any:
    given = site.attributes
    seen = view(site, others(site), others(site))
    y = seen.enter(y)
    if not _counted(site):
        y = y / _shares(t, site, y, given["sizes"])
    if set(given["stride"]) == {1}:
        return seen.leave(_pooled(t, site, y, tuple(map(site.inputs[0].size, given["over"])), _mirrored(site)))
    channels = _channels(site)
    weight = y.new_ones((channels, 1, *given["kernel"])) / math.prod(given["kernel"])
    return seen.leave(_transposed(t, site, y, weight, channels, 1))


def _pool_adjoint_flops(site: Site) -> int:
    """Each y, added at all the positions of its window."""
    return math.prod(site.inputs[0].shape) * math.prod(site.attributes["kernel"])


def _channels(site: Site) -> int:
    return math.prod(map(site.inputs[0].size, others(site)))


def _mirrored(site: Site) -> tuple[tuple[int, int], ...]:
    """The pads with which windows one apart, turned around, give the adjoint."""
    pairs = zip(site.attributes["kernel"], site.attributes["pads"], strict=True)
    return tuple((kernel - 1 - before, kernel - 1 - after) for kernel, (before, after) in pairs)


def _pool_onnx(o: Any, site: Site, x: Any) -> Any:
    seen = view(site, others(site), others(site))
    counted = int(site.attributes["count_include_pad"])
    y = o("AveragePool", seen.enter_onnx(o, x), count_include_pad=counted, **_onnx_windows(site))
    return seen.leave_onnx(o, y)


def _pool_adjoint_onnx(o: Any, site: Site, y: Any) -> Any:
    given = site.attributes
    seen = view(site, others(site), others(site))
    y = seen.enter_onnx(o, y)
    if not _counted(site):
        y = o("Div", y, _onnx_shares(o, site))
    if set(given["stride"]) == {1}:
        windows = {**_onnx_windows(site), "pads": _onnx_pads(_mirrored(site))}
        return seen.leave_onnx(o, o("AveragePool", y, count_include_pad=1, **windows))
    return seen.leave_onnx(o, _onnx_spread(o, site, y))


def _onnx_spread(o: Any, site: Site, y: Any) -> Any:
    """Each y / k at all the positions of its window."""
    import numpy as np

    kernel, channels = site.attributes["kernel"], _channels(site)
    shape = (channels, 1, *kernel)
    weight = o.constant("mean_" + "_".join(map(str, shape)), np.full(shape, 1 / math.prod(kernel), dtype=np.float32))
    return o("ConvTranspose", y, weight, group=channels, output_padding=list(_remainders(site)), **_onnx_windows(site))


def _onnx_shares(o: Any, site: Site) -> Any:
    """The share of each window that is on the input, [1, 1, *windows], as a constant: a product of one factor per axis."""
    import numpy as np

    given = site.attributes
    shares = np.ones((), dtype=np.float32)
    each = zip(given["over"], given["sizes"], given["kernel"], given["stride"], given["pads"], strict=True)
    for axis, size, kernel, stride, (before, _) in each:
        first = np.arange(site.inputs[0].size(axis)) * stride - before
        inside = np.minimum(first + kernel, size) - np.maximum(first, 0)
        shares = shares[..., None] * (inside / kernel).astype(np.float32)
    numbers = "_".join(map(str, (*given["sizes"], *given["kernel"], *given["stride"], *_flat(given["pads"]))))
    return o.constant(f"shares_{numbers}", shares[None, None])


# TensorRT has no transposed convolution in bfloat16.
ROWS = (
    Operation("conv", _conv_shape, _conv_torch, _conv_onnx, _conv_flops),
    Operation("conv_transpose", _transpose_shape, _transpose_torch, _transpose_onnx, _transpose_flops, float32=("bfloat16",)),
    Operation("pool", _pool_shape, _pool_torch, _pool_onnx, _pool_flops),
    Operation("pool_adjoint", _pool_adjoint_shape, _pool_adjoint_torch, _pool_adjoint_onnx, _pool_adjoint_flops, float32=("bfloat16",)),
)
