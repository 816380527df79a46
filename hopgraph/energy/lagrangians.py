r"""Lagrangians: a layer's state x, its Lagrangian L(x), and its activation g = dL/dx.

One record each. `value` is the formula of L and feeds the oracle alone; `activation` writes g into the program in closed
form. The two share nothing, so autograd of the one checks the other. A record also states what the certificate needs:
whether L is convex, the range of the activation's slope, and whether g acts element by element.

References: Krotov, "Hierarchical Associative Memory" (arXiv:2107.06446); Hoover et al., "A Universal Abstraction for
Hierarchical Hopfield Networks" (2022); Karakida, Ota and Taki (arXiv:2406.12220).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hopgraph.energy.options import AxisList, Gain, OptionModel, Positive, Power
from hopgraph.energy.records import Axes, Emitter, Options, ParameterSpec, Sizes, Value, Weights

if TYPE_CHECKING:
    from torch import Tensor

GELU_MIN_SLOPE = math.erfc(1) / 2 - math.exp(-1) / math.sqrt(math.pi)
"""The least slope of the exact gelu, -0.12890, at x = -sqrt(2); the slope is negative below x = -0.7518."""
GELU_MAX_SLOPE = 1 - GELU_MIN_SLOPE
"""The greatest slope of the exact gelu, at x = sqrt(2)."""


class NoOptions(OptionModel):
    """A Lagrangian without settings."""


class Scaled(OptionModel):
    """`beta`, the inverse temperature."""

    beta: Positive = 1.0


class Repu(OptionModel):
    """`n`, the power in L = 1/n sum relu(x)^n, greater than 1."""

    n: Power = 2.0


class Softmax(OptionModel):
    """`over`, the axes that sum to one; `beta`, the inverse temperature."""

    over: AxisList
    beta: Positive = 1.0


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


@dataclass(frozen=True)
class Lagrangian:
    """One row of the table.

    `value(x, dims, options, weights)` is L with its normalized or summed positions `dims` kept at size 1, of a state x
    [batch, *axes]; what remains is summed by the caller. `slope` bounds dg/dx of an elementwise activation at inverse
    temperature 1; it is None where the activation couples positions.
    """

    name: str
    options: type[OptionModel]
    value: Callable[[Tensor, tuple[int, ...], Options, Mapping[str, Tensor]], Tensor]
    activation: Callable[[Emitter, Value, Options, Weights, str], Value]
    slope: tuple[float, float] | None = None
    formula: str = ""

    @property
    def elementwise(self) -> bool:
        """Whether g at one position depends on x at that position alone."""
        return self.slope is not None

    @property
    def convex(self) -> bool:
        """Whether L is convex; of a norm, given a positive gain that is constant along the normalized axes."""
        return self.slope is None or self.slope[0] >= 0


def gain_axes(options: Options, field: str, axes: Axes) -> Axes | None:
    """The axes of a gain or bias, in the layer's order; empty for a scalar, None where there is none."""
    choice = options.get(field, "none")
    if choice == "none":
        return None
    if choice == "scalar":
        return ()
    wanted = over_axes(options) if choice == "vector" else tuple(choice)
    return tuple(axis for axis in axes if axis in wanted)


def over_axes(options: Options) -> Axes:
    """The axes that a Lagrangian couples; empty for an elementwise one."""
    return tuple(options.get("over", ()))


def breaking_gain(options: Options, axes: Axes) -> Axes:
    """The normalized axes that the gain varies along. Non-empty: g is the gradient of no Lagrangian."""
    return tuple(axis for axis in gain_axes(options, "gain", axes) or () if axis in over_axes(options))


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
            init = "ones" if is_gain and not keep_positive else "zeros"
            found[field] = ParameterSpec(over, tuple(sizes[axis] for axis in over), init, keep_positive)
    return found


def _identity(x: Tensor, dims: tuple[int, ...], o: Options, w: Mapping[str, Tensor]) -> Tensor:
    return x.square() / 2


def _relu(x: Tensor, dims: tuple[int, ...], o: Options, w: Mapping[str, Tensor]) -> Tensor:
    return x.clamp(min=0).square() / 2


def _repu(x: Tensor, dims: tuple[int, ...], o: Options, w: Mapping[str, Tensor]) -> Tensor:
    return x.clamp(min=0).pow(o["n"]) / o["n"]


def _tanh(x: Tensor, dims: tuple[int, ...], o: Options, w: Mapping[str, Tensor]) -> Tensor:
    """1/b log cosh(b x) = 1/b (log(exp(b x) + exp(-b x)) - log 2)."""
    return (_log_of_two(x, o["beta"], -o["beta"]) - math.log(2)) / o["beta"]


def _sigmoid(x: Tensor, dims: tuple[int, ...], o: Options, w: Mapping[str, Tensor]) -> Tensor:
    """1/b log(1 + exp(b x))."""
    return _log_of_two(x, o["beta"], 0.0) / o["beta"]


def _log_of_two(x: Tensor, first: float, second: float) -> Tensor:
    """log(exp(first x) + exp(second x)), free of overflow and smooth at 0, where a form in |x| has no derivative."""
    return (x.unsqueeze(-1) * x.new_tensor([first, second])).logsumexp(-1)


def _softmax(x: Tensor, dims: tuple[int, ...], o: Options, w: Mapping[str, Tensor]) -> Tensor:
    return (x * o["beta"]).logsumexp(dims, keepdim=True) / o["beta"]


def _gelu(x: Tensor, dims: tuple[int, ...], o: Options, w: Mapping[str, Tensor]) -> Tensor:
    """The antiderivative of x Phi(x): 1/4 (x^2 + (x^2 - 1) erf(x / sqrt 2) + x sqrt(2 / pi) exp(-x^2 / 2))."""
    square = x.square()
    return (square + (square - 1) * (x / math.sqrt(2)).erf() + x * math.sqrt(2 / math.pi) * (-square / 2).exp()) / 4


def _scaled(root: Tensor, x: Tensor, dims: tuple[int, ...], w: Mapping[str, Tensor]) -> Tensor:
    """Gain * root + <bias, x>, the form that every norm's Lagrangian has."""
    total = root * w["gain"] if "gain" in w else root
    return total + (x * w["bias"]).sum(dims, keepdim=True) if "bias" in w else total


def _count(x: Tensor, dims: tuple[int, ...]) -> int:
    return math.prod(x.shape[dim] for dim in dims)


def _layernorm(x: Tensor, dims: tuple[int, ...], o: Options, w: Mapping[str, Tensor]) -> Tensor:
    variance = x.var(dims, unbiased=False, keepdim=True)
    return _scaled(_count(x, dims) * (variance + o["eps"]).sqrt(), x, dims, w)


def _rmsnorm(x: Tensor, dims: tuple[int, ...], o: Options, w: Mapping[str, Tensor]) -> Tensor:
    return _scaled(_count(x, dims) * (x.square().mean(dims, keepdim=True) + o["eps"]).sqrt(), x, dims, w)


def _spherical(x: Tensor, dims: tuple[int, ...], o: Options, w: Mapping[str, Tensor]) -> Tensor:
    return _scaled((x.square().sum(dims, keepdim=True) + o["eps"]).sqrt(), x, dims, w)


def _plain(operation: str) -> Callable[[Emitter, Value, Options, Weights, str], Value]:
    def activation(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
        return emit.op(operation, x, hint=hint) if operation else x

    return activation


def _tempered(operation: str) -> Callable[[Emitter, Value, Options, Weights, str], Value]:
    def activation(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
        scaled = x if options["beta"] == 1 else emit.op("scale", x, factor=options["beta"])
        attributes: dict[str, Any] = {"over": over_axes(options)} if "over" in options else {}
        return emit.op(operation, scaled, hint=hint, **attributes)

    return activation


def _power(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
    positive = emit.op("relu", x, hint=hint)
    return positive if options["n"] == 2 else emit.op("power", positive, exponent=options["n"] - 1, hint=hint)


def _norm(operation: str) -> Callable[[Emitter, Value, Options, Weights, str], Value]:
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


LAGRANGIANS: dict[str, Lagrangian] = {
    record.name: record
    for record in (
        Lagrangian("identity", NoOptions, _identity, _plain(""), (1.0, 1.0), "1/2 sum x^2"),
        Lagrangian("relu", NoOptions, _relu, _plain("relu"), (0.0, 1.0), "1/2 sum relu(x)^2"),
        Lagrangian("repu", Repu, _repu, _power, (0.0, math.inf), "1/n sum relu(x)^n"),
        Lagrangian("tanh", Scaled, _tanh, _tempered("tanh"), (0.0, 1.0), "1/beta sum log cosh(beta x)"),
        Lagrangian("sigmoid", Scaled, _sigmoid, _tempered("sigmoid"), (0.0, 0.25), "1/beta sum log(1 + exp(beta x))"),
        Lagrangian("softmax", Softmax, _softmax, _tempered("softmax"), None, "1/beta logsumexp(beta x)"),
        Lagrangian("gelu", NoOptions, _gelu, _plain("gelu"), (GELU_MIN_SLOPE, GELU_MAX_SLOPE), "sum of the integral of x Phi(x)"),
        Lagrangian("layernorm", Norm, _layernorm, _norm("layernorm"), None, "D gain sqrt(var(x) + eps) + <bias, x>"),
        Lagrangian("rmsnorm", Unshifted, _rmsnorm, _norm("rmsnorm"), None, "D gain sqrt(mean(x^2) + eps)"),
        Lagrangian("spherical", Unshifted, _spherical, _norm("spherical"), None, "gain sqrt(sum(x^2) + eps)"),
    )
}
"""Every Lagrangian by name. One more is one more record."""
