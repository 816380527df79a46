"""Lagrangians whose activation is a norm."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from hopgraph.energy.lagrangians.record import Activation, Lagrangian, breaking_gain, gain_axes, over_axes, over_dims
from hopgraph.energy.options import AxisList, Gain, OptionModel, Positive
from hopgraph.energy.records import ONES, ZEROS, Axes, Emitter, Options, ParameterSpec, Sizes, Value, Weights

if TYPE_CHECKING:
    from torch import Tensor


class Norm(OptionModel):
    """`over`, the axes normalized; `gain` and `bias`: none, scalar, vector (along `over`) or a list of axes."""

    over: AxisList
    gain: Gain = "scalar"
    bias: Gain = "none"
    eps: Positive = 1e-6


class Unshifted(OptionModel):
    """A norm without a mean, hence without a bias."""

    over: AxisList
    gain: Gain = "scalar"
    eps: Positive = 1e-6


def norm_parameters(options: Options, axes: Axes, sizes: Sizes) -> dict[str, ParameterSpec]:
    """The parameters of a layer with this Lagrangian: `gain` and `bias` where the options ask for them.

    A scalar gain, and one over axes that are not normalized, is kept positive, since convexity needs that.
    """
    found: dict[str, ParameterSpec] = {}
    positive = not breaking_gain(options, axes)
    for field in ("gain", "bias"):
        over = gain_axes(options, field, axes)
        if over is not None:
            is_gain = field == "gain"
            keep_positive = is_gain and positive
            init = ONES if is_gain and not keep_positive else ZEROS
            found[field] = ParameterSpec(over, tuple(sizes[axis] for axis in over), init, keep_positive)
    return found


def _scaled(root: Tensor, x: Tensor, dims: tuple[int, ...], w: Mapping[str, Tensor]) -> Tensor:
    """Gain * root + <bias, x>, the form that every norm's Lagrangian has."""
    total = root * w["gain"] if "gain" in w else root
    return total + (x * w["bias"]).sum(dims, keepdim=True) if "bias" in w else total


def _count(x: Tensor, dims: tuple[int, ...]) -> int:
    return math.prod(x.shape[dim] for dim in dims)


def _layernorm(x: Tensor, axes: Axes, o: Options, w: Mapping[str, Tensor]) -> Tensor:
    dims = over_dims(o, axes)
    variance = x.var(dims, unbiased=False, keepdim=True)
    return _scaled(_count(x, dims) * (variance + o["eps"]).sqrt(), x, dims, w)


def _rmsnorm(x: Tensor, axes: Axes, o: Options, w: Mapping[str, Tensor]) -> Tensor:
    dims = over_dims(o, axes)
    return _scaled(_count(x, dims) * (x.square().mean(dims, keepdim=True) + o["eps"]).sqrt(), x, dims, w)


def _spherical(x: Tensor, axes: Axes, o: Options, w: Mapping[str, Tensor]) -> Tensor:
    dims = over_dims(o, axes)
    return _scaled((x.square().sum(dims, keepdim=True) + o["eps"]).sqrt(), x, dims, w)


def _norm(operation: str) -> Activation:
    def activation(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
        over = over_axes(options)
        given = [weights[field] for field in ("gain", "bias") if field in weights]
        fused = operation == "layernorm" and x.axes[-len(over) :] == over and all(w.axes == over for w in given) and "gain" in weights
        if fused:
            return emit.op(operation, x, *given, hint=hint, over=over, eps=options["eps"])
        g = emit.op(operation, x, hint=hint, over=over, eps=options["eps"])
        for field, combine in (("gain", "multiply"), ("bias", "add")):
            g = emit.op(combine, g, weights[field], hint=hint) if field in weights else g
        return g

    return activation


def _coupled(options: Options) -> None:
    return None


def _norm_lipschitz(options: Options) -> float:
    """Without a gain 1 / sqrt(eps), at a state without variance; a learned gain has no bound."""
    return 1 / math.sqrt(options["eps"]) if options["gain"] == "none" else math.inf


ROWS = (
    Lagrangian(
        "layernorm",
        Norm,
        _layernorm,
        _norm("layernorm"),
        _coupled,
        _norm_lipschitz,
        "D gain sqrt(var(@) + eps) + <bias, @>",
        r"D \gamma \sqrt{\operatorname{var} @ + \varepsilon} + \langle \delta, @ \rangle",
        norm_parameters,
    ),
    Lagrangian(
        "rmsnorm",
        Unshifted,
        _rmsnorm,
        _norm("rmsnorm"),
        _coupled,
        _norm_lipschitz,
        "D gain sqrt(mean(@^2) + eps)",
        r"D \gamma \sqrt{\operatorname{mean} @^2 + \varepsilon}",
        norm_parameters,
    ),
    Lagrangian(
        "spherical",
        Unshifted,
        _spherical,
        _norm("spherical"),
        _coupled,
        _norm_lipschitz,
        "gain sqrt(sum(@^2) + eps)",
        r"\gamma \sqrt{\sum @^2 + \varepsilon}",
        norm_parameters,
    ),
)
