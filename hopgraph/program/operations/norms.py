"""Operations that couple positions: softmax and the norms."""

from __future__ import annotations

import math
from typing import Any

from hopgraph.program.operations.flops import each, norm
from hopgraph.program.operations.record import HALVES, Operation, Site, same

SOFTMAX = 5
"""The steps of a softmax."""


def softmax_torch(t: Any, site: Site, x: Any) -> Any:
    """The softmax over the axes `over`, in torch."""
    first, *others = site.dims()
    if not others:
        return t.softmax(x, first)
    powers = (x - x.amax(site.dims(), keepdim=True)).exp()  # less the greatest first: log sum exp would round at its size
    return powers / powers.sum(site.dims(), keepdim=True)


def softmax_onnx(o: Any, site: Site, x: Any) -> Any:
    """The softmax over the axes `over`, in ONNX."""
    dims = site.dims()
    if len(dims) == 1:
        return o("Softmax", x, axis=dims[0])
    shifted = o("Sub", x, o("ReduceMax", x, o.integers(dims), keepdims=1))
    powers = o("Exp", shifted)
    return o("Div", powers, o("ReduceSum", powers, o.integers(dims), keepdims=1))


def _layernorm_torch(t: Any, site: Site, x: Any, *affine: Any) -> Any:
    if site.trailing():
        sizes = _sizes(site)
        wide = [tensor if value.axes else tensor.expand(sizes) for tensor, value in zip(affine, site.inputs[1:], strict=True)]
        return t.nn.functional.layer_norm(x, sizes, *wide, eps=site.attributes["eps"])
    centred = x - x.mean(site.dims(), keepdim=True)
    return centred * (centred.square().mean(site.dims(), keepdim=True) + site.attributes["eps"]).rsqrt()


def _layernorm_onnx(o: Any, site: Site, x: Any, *affine: Any) -> Any:
    if site.trailing() and affine and site.inputs[1].axes:
        return _layer_normalization(o, site, x, *affine)
    if site.trailing() and len(site.attributes["over"]) == 1:
        return _adjusted(o, _layer_normalization(o, site, x, _full(o, _sizes(site), 1.0)), *affine)
    if site.trailing():
        return _adjusted(o, _instance_norm(o, site, x, *affine[:1]), None, *affine[1:])
    centred = o("Sub", x, o("ReduceMean", x, o.integers(site.dims()), keepdims=1))
    return _root_scaled(o, site, centred, "ReduceMean")


def _layer_normalization(o: Any, site: Site, x: Any, *affine: Any) -> Any:
    over, eps = site.attributes["over"], site.attributes["eps"]
    return o("LayerNormalization", x, *affine, axis=-len(over), epsilon=eps)


def _adjusted(o: Any, y: Any, gain: Any = None, bias: Any = None) -> Any:
    """A gain of one number, and a bias, after a norm whose node takes them not."""
    y = y if gain is None else o("Mul", y, gain)
    return y if bias is None else o("Add", y, bias)


def _sizes(site: Site) -> tuple[int, ...]:
    """The sizes of the axes that a norm is over."""
    return tuple(map(site.inputs[0].size, site.attributes["over"]))


def _full(o: Any, shape: tuple[int, ...], number: float) -> Any:
    import numpy as np

    return o.constant(f"{number} {list(shape)}", np.full(shape, number))


def _instance_norm(o: Any, site: Site, x: Any, *gain: Any) -> Any:
    """A layernorm over the last of several axes: an instance norm of [batch, channels, over], of one channel where it is over all axes.

    A gain is one number. This is a GroupNormalization of as many groups, which ONNX Runtime has no kernel for.
    """
    value, count = site.inputs[0], len(site.attributes["over"])
    channels = (math.prod(value.shape[:-count]),)
    gains = [o.view(number, (1,)) if channels == (1,) else o("Expand", number, o.integers(channels)) for number in gain]
    seen = o.reshape(x, (0, *channels, -1))
    affine = (*(gains or [_full(o, channels, 1.0)]), _full(o, channels, 0.0))
    normed = o("InstanceNormalization", seen, *affine, epsilon=site.attributes["eps"])
    return o.reshape(normed, (0, *value.shape))


def _root_scaled(o: Any, site: Site, x: Any, reduce: str) -> Any:
    """X / sqrt(reduce(x^2) + eps)."""
    total = o(reduce, o("Mul", x, x), o.integers(site.dims()), keepdims=1)
    return o("Div", x, o("Sqrt", o("Add", total, o.number(site.attributes["eps"]))))


def _rmsnorm_torch(t: Any, site: Site, x: Any, *gain: Any) -> Any:
    normed = x * (x.square().mean(site.dims(), keepdim=True) + site.attributes["eps"]).rsqrt()
    return normed * gain[0] if gain else normed


def _rmsnorm_onnx(o: Any, site: Site, x: Any, *gain: Any) -> Any:
    if site.trailing() and o.has("RMSNormalization"):
        wide = bool(gain and site.inputs[1].axes)
        scale = gain if wide else (_full(o, _sizes(site), 1.0),)
        normed = o("RMSNormalization", x, *scale, axis=-len(site.attributes["over"]), epsilon=site.attributes["eps"])
        return normed if wide else _adjusted(o, normed, *gain)
    return _adjusted(o, _root_scaled(o, site, x, "ReduceMean"), *gain)


def _spherical_torch(t: Any, site: Site, x: Any) -> Any:
    return x * (x.square().sum(site.dims(), keepdim=True) + site.attributes["eps"]).rsqrt()


def _spherical_onnx(o: Any, site: Site, x: Any) -> Any:
    return _root_scaled(o, site, x, "ReduceSum")


ROWS = (
    Operation("softmax", same, softmax_torch, softmax_onnx, each(SOFTMAX)),
    Operation("layernorm", same, _layernorm_torch, _layernorm_onnx, norm(5), float32=HALVES),
    Operation("rmsnorm", same, _rmsnorm_torch, _rmsnorm_onnx, norm(3), float32=HALVES),
    Operation("spherical", same, _spherical_torch, _spherical_onnx, norm(3), float32=HALVES),
)
