"""The inverse temperature beta of a Lagrangian: a number, or a positive scalar that is learned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hopgraph.energy.options import Learnable, OptionModel, Real, as_mapping
from hopgraph.energy.records import Axes, Emitter, Options, ParameterSpec, Sizes, Value, Weights

if TYPE_CHECKING:
    from torch import Tensor


class Tempered(OptionModel):
    """`beta`, the inverse temperature: a positive number, or learned."""

    beta: Learnable = Real("1")


def learned_beta(options: Options) -> float | None:
    """What a learned beta starts at; None where it is a number."""
    given = as_mapping(options.get("beta"))
    return None if given is None else given["learned"]


def beta_parameters(options: Options, axes: Axes, sizes: Sizes) -> dict[str, ParameterSpec]:
    """A learned beta, a positive scalar."""
    start = learned_beta(options)
    return {} if start is None else {"beta": ParameterSpec((), (), ("constant", math.log(start)), positive=True)}


def greatest_beta(options: Options) -> float:
    """The least bound of beta: infinite where it is learned."""
    return math.inf if learned_beta(options) is not None else options.get("beta", 1.0)


def tempered(emit: Emitter, x: Value, options: Options, weights: Weights) -> Value:
    """Beta x."""
    if "beta" in weights:
        return emit.op("multiply", x, weights["beta"])
    return x if options["beta"] == 1 else emit.op("scale", x, factor=options["beta"])


def beta_of(options: Options, weights: Mapping[str, Tensor]) -> Any:
    """Beta as the formulas read it: a number or a tensor."""
    return weights.get("beta", options["beta"])
