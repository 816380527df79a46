"""Lagrangians whose activation acts position by position."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from hopgraph.energy.lagrangians.record import Activation, Lagrangian, Slopes
from hopgraph.energy.lagrangians.temperature import Tempered, beta_of, beta_parameters, greatest_beta, tempered
from hopgraph.energy.options import OptionModel, Power
from hopgraph.energy.records import Axes, Emitter, Options, Value, Weights

if TYPE_CHECKING:
    from torch import Tensor

    from hopgraph.energy.lagrangians.record import Formula

GELU_MIN_SLOPE = math.erfc(1) / 2 - math.exp(-1) / math.sqrt(math.pi)
"""The least slope of the exact gelu, -0.12890, at x = -sqrt(2); the slope is negative below x = -0.7518."""
GELU_MAX_SLOPE = 1 - GELU_MIN_SLOPE
"""The greatest slope of the exact gelu, at x = sqrt(2)."""


class NoOptions(OptionModel):
    """A Lagrangian without settings."""


class Repu(OptionModel):
    """`n`, the power in L = 1/n sum relu(x)^n, greater than 1."""

    n: Power = 2.0


def _identity(x: Tensor, axes: Axes, o: Options, w: Mapping[str, Tensor]) -> Tensor:
    return x.square() / 2


def _relu(x: Tensor, axes: Axes, o: Options, w: Mapping[str, Tensor]) -> Tensor:
    return x.clamp(min=0).square() / 2


def _repu(x: Tensor, axes: Axes, o: Options, w: Mapping[str, Tensor]) -> Tensor:
    return x.clamp(min=0).pow(o["n"]) / o["n"]


def _squared_relu(x: Tensor, axes: Axes, o: Options, w: Mapping[str, Tensor]) -> Tensor:
    return x.clamp(min=0).pow(3) / 3


def _tanh(x: Tensor, axes: Axes, o: Options, w: Mapping[str, Tensor]) -> Tensor:
    """1/b log cosh(b x) = 1/b (log(exp(b x) + exp(-b x)) - log 2)."""
    beta = beta_of(o, w)
    return (_log_of_two(beta * x, 1.0, -1.0) - math.log(2)) / beta


def _sigmoid(x: Tensor, axes: Axes, o: Options, w: Mapping[str, Tensor]) -> Tensor:
    """1/b log(1 + exp(b x))."""
    beta = beta_of(o, w)
    return _log_of_two(beta * x, 1.0, 0.0) / beta


def _log_of_two(x: Tensor, first: float, second: float) -> Tensor:
    """log(exp(first x) + exp(second x)), free of overflow and smooth at 0, where a form in |x| has no derivative."""
    return (x.unsqueeze(-1) * x.new_tensor([first, second])).logsumexp(-1)


def _gelu(x: Tensor, axes: Axes, o: Options, w: Mapping[str, Tensor]) -> Tensor:
    """The antiderivative of x Phi(x): 1/4 (x^2 + (x^2 - 1) erf(x / sqrt 2) + x sqrt(2 / pi) exp(-x^2 / 2))."""
    square = x.square()
    return (square + (square - 1) * (x / math.sqrt(2)).erf() + x * math.sqrt(2 / math.pi) * (-square / 2).exp()) / 4


def _plain(operation: str) -> Activation:
    def activation(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
        return emit.op(operation, x, hint=hint) if operation else x

    return activation


def _tempered(operation: str) -> Activation:
    def activation(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
        return emit.op(operation, tempered(emit, x, options, weights), hint=hint)

    return activation


def relu_power(emit: Emitter, x: Value, exponent: float, hint: str = "") -> Value:
    """relu(x)^exponent."""
    positive = emit.op("relu", x, hint=hint)
    return positive if exponent == 1 else emit.op("power", positive, exponent=exponent, hint=hint)


def _repu_activation(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
    return relu_power(emit, x, options["n"] - 1, hint)


def _square(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
    return relu_power(emit, x, 2, hint)


def steepest(slopes: Callable[[Options], Slopes]) -> Callable[[Options], float]:
    """The Lipschitz constant of an elementwise activation."""
    return lambda options: max(map(abs, slopes(options)))


def _row(
    name: str,
    value: Formula,
    activation: Activation,
    slopes: Slopes,
    formula: str,
    latex: str,
    options: type[OptionModel] = NoOptions,
) -> Lagrangian:
    """An elementwise Lagrangian whose slopes are constants."""

    def between(options: Options) -> Slopes:
        return slopes

    return Lagrangian(name, options, value, activation, between, steepest(between), formula, latex)


def _tempered_row(name: str, value: Formula, greatest: float, formula: str, latex: str) -> Lagrangian:
    """An elementwise Lagrangian with an inverse temperature; its slopes are 0 to beta times `greatest`."""

    def between(options: Options) -> Slopes:
        return 0.0, greatest_beta(options) * greatest

    return Lagrangian(name, Tempered, value, _tempered(name), between, steepest(between), formula, latex, beta_parameters)


ROWS = (
    _row("identity", _identity, _plain(""), (1.0, 1.0), "1/2 sum @^2", r"\tfrac{1}{2} \sum @^2"),
    _row("relu", _relu, _plain("relu"), (0.0, 1.0), "1/2 sum relu(@)^2", r"\tfrac{1}{2} \sum [@]_+^2"),
    _row("repu", _repu, _repu_activation, (0.0, math.inf), "1/n sum relu(@)^n", r"\tfrac{1}{n} \sum [@]_+^n", Repu),
    _row("squared_relu", _squared_relu, _square, (0.0, math.inf), "1/3 sum relu(@)^3", r"\tfrac{1}{3} \sum [@]_+^3"),
    _tempered_row("tanh", _tanh, 1.0, "1/beta sum log cosh(beta @)", r"\tfrac{1}{\beta} \sum \log \cosh(\beta @)"),
    _tempered_row("sigmoid", _sigmoid, 0.25, "1/beta sum log(1 + exp(beta @))", r"\tfrac{1}{\beta} \sum \log(1 + e^{\beta @})"),
    _row(
        "gelu",
        _gelu,
        _plain("gelu"),
        (GELU_MIN_SLOPE, GELU_MAX_SLOPE),
        "sum of the integral of @ Phi(@)",
        r"\sum \int_0^{@} t \, \Phi(t) \, dt",
    ),
)
