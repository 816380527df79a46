"""Lagrangians whose activation acts position by position."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from hopgraph.energy.lagrangians.record import Lagrangian
from hopgraph.energy.options import Learnable, OptionModel, Power, Real
from hopgraph.energy.records import Emitter, Options, Value, Weights

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

    beta: Learnable = Real("1")


class Repu(OptionModel):
    """`n`, the power in L = 1/n sum relu(x)^n, greater than 1."""

    n: Power = 2.0


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


def _gelu(x: Tensor, dims: tuple[int, ...], o: Options, w: Mapping[str, Tensor]) -> Tensor:
    """The antiderivative of x Phi(x): 1/4 (x^2 + (x^2 - 1) erf(x / sqrt 2) + x sqrt(2 / pi) exp(-x^2 / 2))."""
    square = x.square()
    return (square + (square - 1) * (x / math.sqrt(2)).erf() + x * math.sqrt(2 / math.pi) * (-square / 2).exp()) / 4


def _plain(operation: str) -> Callable[[Emitter, Value, Options, Weights, str], Value]:
    def activation(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
        return emit.op(operation, x, hint=hint) if operation else x

    return activation


def _tempered(operation: str) -> Callable[[Emitter, Value, Options, Weights, str], Value]:
    def activation(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
        return emit.op(operation, tempered(emit, x, options), hint=hint)

    return activation


def tempered(emit: Emitter, x: Value, options: Options) -> Value:
    """Beta x."""
    return x if options["beta"] == 1 else emit.op("scale", x, factor=options["beta"])


def _power(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
    positive = emit.op("relu", x, hint=hint)
    return positive if options["n"] == 2 else emit.op("power", positive, exponent=options["n"] - 1, hint=hint)


def _between(low: float, high: float) -> Callable[[Options], tuple[float, float]]:
    def slopes(options: Options) -> tuple[float, float]:
        beta = options.get("beta", 1.0)
        return beta * low, beta * high

    return slopes


def _steepest(slopes: Callable[[Options], tuple[float, float]]) -> Callable[[Options], float]:
    return lambda options: max(map(abs, slopes(options)))


def _row(
    name: str,
    options: type[OptionModel],
    value: Callable[[Tensor, tuple[int, ...], Options, Mapping[str, Tensor]], Tensor],
    activation: Callable[[Emitter, Value, Options, Weights, str], Value],
    slopes: tuple[float, float],
    formula: str,
    latex: str,
) -> Lagrangian:
    """An elementwise Lagrangian; `slopes` are those at inverse temperature 1."""
    between = _between(*slopes)
    return Lagrangian(name, options, value, activation, between, _steepest(between), formula, latex)


ROWS = (
    _row("identity", NoOptions, _identity, _plain(""), (1.0, 1.0), "1/2 sum @^2", r"\tfrac{1}{2} \sum @^2"),
    _row("relu", NoOptions, _relu, _plain("relu"), (0.0, 1.0), "1/2 sum relu(@)^2", r"\tfrac{1}{2} \sum [@]_+^2"),
    _row("repu", Repu, _repu, _power, (0.0, math.inf), "1/n sum relu(@)^n", r"\tfrac{1}{n} \sum [@]_+^n"),
    _row(
        "tanh",
        Scaled,
        _tanh,
        _tempered("tanh"),
        (0.0, 1.0),
        "1/beta sum log cosh(beta @)",
        r"\tfrac{1}{\beta} \sum \log \cosh(\beta @)",
    ),
    _row(
        "sigmoid",
        Scaled,
        _sigmoid,
        _tempered("sigmoid"),
        (0.0, 0.25),
        "1/beta sum log(1 + exp(beta @))",
        r"\tfrac{1}{\beta} \sum \log(1 + e^{\beta @})",
    ),
    _row(
        "gelu",
        NoOptions,
        _gelu,
        _plain("gelu"),
        (GELU_MIN_SLOPE, GELU_MAX_SLOPE),
        "sum of the integral of @ Phi(@)",
        r"\sum \int @ \Phi(@)",
    ),
)
