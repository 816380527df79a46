"""What a linear map is: a record with its forward, its exact adjoint, its shape rule and its parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hopgraph.energy.options import OptionModel
from hopgraph.energy.records import Axes, Emitter, Options, ParameterSpec, Sizes, Value, Weights

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Signature:
    """Where a map stands: the axes of what it reads and of what it gives, and the sizes of all axes."""

    source: Axes
    target: Axes
    sizes: Sizes


def no_parameters(options: Options, signature: Signature) -> dict[str, ParameterSpec]:
    """The parameters of a map that has none."""
    return {}


def no_axes(options: Options) -> Axes:
    """The causal axes of a map that has none."""
    return ()


def no_bound(options: Options) -> float | None:
    """The bound of a map whose norm is not known before it is trained."""
    return None


@dataclass(frozen=True)
class LinearMap:
    """One kind of linear map A, or affine map A x + b.

    `target(options, source, sizes)` gives the axes of A x. A size may be UNKNOWN (a mistake that is reported already): what
    depends on it is then not checked. `parameters` are the tensors that A reads. `forward` computes A x + b, `adjoint` computes
    A* y for y with the target axes (the linear part alone: an offset is a field on the far side), with the axes of the
    source in their order. `reference` computes A x + b from tensors [batch, *source], obviously, sharing nothing with
    the other two.

    `causal` names the axes of the source along which a position of A x reads no later position of x; `bound` is a bound of the
    spectral norm |A| that holds whatever the parameters are.
    """

    name: str
    options: type[OptionModel]
    shorthand: Callable[[Any], Any]
    target: Callable[[Options, Axes, Sizes], Axes]
    parameters: Callable[[Options, Signature], dict[str, ParameterSpec]]
    forward: Callable[[Emitter, Value, Signature, Options, Weights, str], Value]
    adjoint: Callable[[Emitter, Value, Signature, Options, Weights, str], Value]
    reference: Callable[[Tensor, Signature, Options, Mapping[str, Tensor]], Tensor]
    causal: Callable[[Options], Axes] = no_axes
    bound: Callable[[Options], float | None] = no_bound
