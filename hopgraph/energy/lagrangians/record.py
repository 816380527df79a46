"""What a Lagrangian is: a record with its formula, its activation in closed form, and what the certificate needs of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hopgraph.energy.options import OptionModel
from hopgraph.energy.records import Axes, Emitter, Options, ParameterSpec, Sizes, Value, Weights

if TYPE_CHECKING:
    from torch import Tensor

    Formula = Callable[[Tensor, Axes, Options, Mapping[str, Tensor]], Tensor]

Activation = Callable[[Emitter, Value, Options, Weights, str], Value]
Slopes = tuple[float, float]


def no_parameters(options: Options, axes: Axes, sizes: Sizes) -> dict[str, ParameterSpec]:
    """The parameters of a Lagrangian that has none."""
    return {}


def no_check(options: Options, axes: Axes) -> None:
    """The check of a Lagrangian whose options name no axes but those of `over`, `gain` and `bias`."""


@dataclass(frozen=True)
class Lagrangian:
    """One row of the table.

    `value(x, axes, options, weights)` is L with its normalized or summed positions kept at size 1, of a state x
    [batch, *axes]; what remains is summed by the caller; it feeds the oracle alone. `activation` writes g into the program.
    `weights` hold the parameters by name: in `activation` as values of the program, in `value` as tensors with a dimension
    for every axis of the layer, of size 1 where the parameter has none. A parameter that is kept positive comes as itself,
    not as its logarithm.

    `slopes(options)` are the least and the greatest slope dg/dx of an elementwise activation, over all values of its
    parameters, or None where the activation couples positions. `lipschitz(options)` is the Lipschitz constant of g (infinite
    where none is known).

    `check(options, axes)` raises RecordError where the options do not fit a layer on these axes; that `over`, `gain` and
    `bias` name axes of the layer is checked for every record alike.

    `formula` is L as plain text and `latex` as LaTeX, with `@` for the state x.
    """

    name: str
    options: type[OptionModel]
    value: Formula
    activation: Activation
    slopes: Callable[[Options], Slopes | None]
    lipschitz: Callable[[Options], float]
    formula: str
    latex: str
    parameters: Callable[[Options, Axes, Sizes], dict[str, ParameterSpec]] = no_parameters
    check: Callable[[Options, Axes], None] = no_check

    def convex(self, options: Options) -> bool:
        """Whether L is convex; of a norm, given a positive gain that is constant along the normalized axes."""
        slopes = self.slopes(options)
        return slopes is None or slopes[0] >= 0


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


def over_dims(options: Options, axes: Axes) -> tuple[int, ...]:
    """The dimensions of a state [batch, *axes] that a Lagrangian couples."""
    return tuple(1 + axes.index(axis) for axis in over_axes(options))


def breaking_gain(options: Options, axes: Axes) -> Axes:
    """The normalized axes that the gain varies along. Non-empty: g is the gradient of no Lagrangian."""
    return tuple(axis for axis in gain_axes(options, "gain", axes) or () if axis in over_axes(options))
