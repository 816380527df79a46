"""Operations that couple positions: softmax and the norms."""

from __future__ import annotations

from typing import Any

from hopgraph.program.operations.record import Operation, Site, same


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
    if affine:
        return o("LayerNormalization", x, *affine, axis=-len(site.attributes["over"]), epsilon=site.attributes["eps"])
    centred = o("Sub", x, o("ReduceMean", x, o.integers(site.dims()), keepdims=1))
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


ROWS = (
    Operation("softmax", same, softmax_torch, softmax_onnx),
    Operation("layernorm", same, _layernorm_torch, _layernorm_onnx),
    Operation("rmsnorm", same, _rmsnorm_torch, _rmsnorm_onnx),
    Operation("spherical", same, _spherical_torch, _spherical_onnx),
)
