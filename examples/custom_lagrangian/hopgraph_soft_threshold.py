"""A Lagrangian of one's own: the soft threshold, whose activation is zero wherever the state is small.

    L(x) = sum 1/2 max(|x| - t, 0)^2,    g(x) = sign(x) max(|x| - t, 0),    0 <= dg/dx <= 1

It makes a layer sparse (Rozell et al., "Sparse Coding via Thresholding and Local Competition in Neural Circuits", 2008). A package adds it
to the language by one entry point, in its pyproject.toml:

    [project.entry-points."hopgraph.lagrangians"]
    soft_threshold = "hopgraph_soft_threshold:SOFT_THRESHOLD"

The formula feeds the oracle alone, and the activation is written from operations that HopGraph has, so that it trains and exports like
any other. `hopgraph verify` holds the two against each other. The slopes let the certificate know that L is convex.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hopgraph.energy.lagrangians import Lagrangian
from hopgraph.energy.options import OptionModel, PositiveReal, Real
from hopgraph.energy.records import Axes, Emitter, Options, Value, Weights

if TYPE_CHECKING:
    from torch import Tensor


class SoftThreshold(OptionModel):
    """`threshold`, the size up to which a state counts as nothing: a number, or an expression on dims."""

    threshold: PositiveReal = Real("1")


def value(x: Tensor, axes: Axes, options: Options, weights: Mapping[str, Tensor]) -> Tensor:
    """L, position by position; the caller sums."""
    return (x.abs() - options["threshold"]).clamp(min=0).square() / 2


def activation(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
    """Relu(x - t) - relu(-x - t)."""
    above, below = (emit.op("relu", emit.op("shift", side, amount=-options["threshold"])) for side in (x, emit.op("scale", x, factor=-1.0)))
    return emit.op("add", above, emit.op("scale", below, factor=-1.0), hint=hint)


def slopes(options: Options) -> tuple[float, float]:
    """The least and the greatest dg/dx."""
    return 0.0, 1.0


def lipschitz(options: Options) -> float:
    """|g(x) - g(y)| <= |x - y|."""
    return 1.0


SOFT_THRESHOLD = Lagrangian(
    "soft_threshold",
    SoftThreshold,
    value,
    activation,
    slopes,
    lipschitz,
    formula="1/2 sum relu(|@| - t)^2",
    latex=r"\tfrac{1}{2} \sum [|@| - t]_+^2",
)
