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
        sizes = tuple(site.inputs[0].size(axis) for axis in site.attributes["over"])
        return t.nn.functional.layer_norm(x, sizes, *affine, eps=site.attributes["eps"])
    centred = x - x.mean(site.dims(), keepdim=True)
    return centred * (centred.square().mean(site.dims(), keepdim=True) + site.attributes["eps"]).rsqrt()


def _layernorm_onnx(o: Any, site: Site, x: Any, *affine: Any) -> Any:
    over, eps = site.attributes["over"], site.attributes["eps"]
    if site.trailing() and (len(over) == 1 or (affine and site.inputs[1].axes)):
        gain = affine or (_full(o, _sizes(site), 1.0),)
        return o("LayerNormalization", x, *gain, axis=-len(over), epsilon=eps)
    if site.trailing():
        return _instance_norm(o, site, x, *affine)
    centred = o("Sub", x, o("ReduceMean", x, o.integers(site.dims()), keepdims=1))
    return _root_scaled(o, site, centred, "ReduceMean")


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
    seen = o("Reshape", x, o.integers((0, *channels, -1)))
    affine = (*(gains or [_full(o, channels, 1.0)]), _full(o, channels, 0.0))
    normed = o("InstanceNormalization", seen, *affine, epsilon=site.attributes["eps"])
    return o("Reshape", normed, o.integers((0, *value.shape)))


def _root_scaled(o: Any, site: Site, x: Any, reduce: str) -> Any:
    """X / sqrt(reduce(x^2) + eps)."""
    total = o(reduce, o("Mul", x, x), o.integers(site.dims()), keepdims=1)
    return o("Div", x, o("Sqrt", o("Add", total, o.number(site.attributes["eps"]))))


def _rmsnorm_torch(t: Any, site: Site, x: Any) -> Any:
    return x * (x.square().mean(site.dims(), keepdim=True) + site.attributes["eps"]).rsqrt()


def _rmsnorm_onnx(o: Any, site: Site, x: Any, *gain: Any) -> Any:
    if site.trailing() and o.has("RMSNormalization"):
        scale = gain or (_full(o, _sizes(site), 1.0),)
        return o("RMSNormalization", x, *scale, axis=-len(site.attributes["over"]), epsilon=site.attributes["eps"])
    normed = _root_scaled(o, site, x, "ReduceMean")
    return o("Mul", normed, *gain) if gain else normed


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
