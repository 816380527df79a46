"""Linear maps as index expressions: what each map gives at a place, and what its adjoint gives.

An :data:`Array` is a function of the place: `at` maps every axis to an index. So a chain is a chain of functions, and the
adjoint of a map is written down next to it, independently of the records that compile it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hopgraph.graph.ham import Chain, ChainMap, labelled
from hopgraph.show import pointwise, windowed
from hopgraph.show.expression import Expression, Index, Kept, Limited, Symbol, Variable, index, product, summed, total
from hopgraph.show.indices import Array, At, Scope, Weight, Weights


def forward(scope: Scope, chain: Chain, weights: Weights, read: Array, prefix: str = "") -> Array:
    """The chain applied to an array."""
    for label, step in labelled(chain):
        if step.kind == "sum":
            read = _sum(scope, step, weights, read, f"{prefix}{label}.", forward)
        else:
            read = RULES.get(step.kind, MATRIX).forward(scope, step, weights(f"{prefix}{label}", step), read)
    return read


def adjoint(scope: Scope, chain: Chain, weights: Weights, read: Array, prefix: str = "") -> Array:
    """The adjoint of the chain's linear part, applied to an array."""
    for label, step in reversed(labelled(chain)):
        if step.kind == "sum":
            read = _sum(scope, step, weights, read, f"{prefix}{label}.", adjoint)
        else:
            read = RULES.get(step.kind, MATRIX).adjoint(scope, step, weights(f"{prefix}{label}", step), read)
    return read


def _sum(scope: Scope, step: ChainMap, weights: Weights, read: Array, prefix: str, apply: Callable[..., Array]) -> Array:
    branches = [apply(scope, branch, weights, read, f"{prefix}{number}.") for number, branch in enumerate(step.branches)]
    return lambda at: total(*(branch(at) for branch in branches))


Apply = Callable[[Scope, ChainMap, Weight, Array], Array]


@dataclass(frozen=True)
class Rule:
    """One kind of map in indices."""

    forward: Apply
    adjoint: Apply


# --- dense ------------------------------------------------------------------------------------------------------------


def _old(step: ChainMap) -> tuple[str, ...]:
    return tuple(step.options["axes"])


def _new(step: ChainMap) -> tuple[str, ...]:
    return tuple(step.options["axes"][_old(step)[0]])


def _option(step: ChainMap, name: str) -> Any:
    return step.options.get(name)


def _per(step: ChainMap) -> tuple[str, ...]:
    return tuple(_option(step, "per") or ())


def _dense_forward(scope: Scope, step: ChainMap, weight: Weight, read: Array) -> Array:
    def value(at: At) -> Expression:
        columns = scope.each(_old(step))
        inside = {axis: index(columns[axis]) if axis in columns else at[axis] for axis in step.source}
        apart, rows = tuple(at[axis] for axis in _per(step)), tuple(at[axis] for axis in _new(step))
        places = (apart, rows, tuple(index(variable) for variable in columns.values()))
        if _option(step, "rank"):
            rank = scope.fresh("r", step.options["rank"])
            right = summed(columns.values(), product(_right(weight, places, rank), read(inside)))
            linear = summed([rank], product(_left(weight, places, rank), right))
        else:
            linear = summed(columns.values(), product(_matrix(scope, step, weight, places), read(inside)))
        return total(linear, weight("bias", (*apart, *rows))) if _option(step, "bias") else linear

    return value


def _dense_adjoint(scope: Scope, step: ChainMap, weight: Weight, read: Array) -> Array:
    def value(at: At) -> Expression:
        rows = scope.each(_new(step))
        inside = {axis: index(rows[axis]) if axis in rows else at[axis] for axis in step.target}
        apart, columns = tuple(at[axis] for axis in _per(step)), tuple(at[axis] for axis in _old(step))
        places = (apart, tuple(index(variable) for variable in rows.values()), columns)
        if _option(step, "rank"):
            rank = scope.fresh("r", step.options["rank"])
            left = summed(rows.values(), product(_left(weight, places, rank), read(inside)))
            return summed([rank], product(_right(weight, places, rank), left))
        return summed(rows.values(), product(_matrix(scope, step, weight, places), read(inside)))

    return value


Places = tuple[tuple[Index, ...], tuple[Index, ...], tuple[Index, ...]]
"""Where a matrix is read: the indices of `per`, of its rows and of its columns."""


def _left(weight: Weight, places: Places, rank: Variable) -> Expression:
    return weight("left", (*places[0], *places[1], index(rank)))


def _right(weight: Weight, places: Places, rank: Variable) -> Expression:
    return weight("right", (*places[0], index(rank), *places[2]))


def _matrix(scope: Scope, step: ChainMap, weight: Weight, places: Places) -> Expression:
    """W at a place: of its diagonals, masked, and limited, in this order."""
    if not _option(step, "spectral"):
        return _entry(scope, step, weight, places)
    dummies = [scope.each(axes) for axes in (_per(step), _new(step), _old(step))]
    apart, rows, columns = (tuple(part.values()) for part in dummies)
    inside = tuple(tuple(index(variable) for variable in part) for part in (apart, rows, columns))
    body = _entry(scope, step, weight, (inside[0], inside[1], inside[2]))
    return Limited(body, apart, rows, columns, step.options["spectral"], tuple(item for part in places for item in part))


def _entry(scope: Scope, step: ChainMap, weight: Weight, places: Places) -> Expression:
    apart, rows, columns = places
    mask = _option(step, "mask")
    if _option(step, "toeplitz"):
        first = 0 if mask in ("causal", "strict") else 1 - scope.sizes[_old(step)[0]]
        lag = rows[0].plus(columns[0].times(-1).terms, -columns[0].constant)
        entry = weight("diagonals", (*apart, lag), (*(0 for _ in apart), first))
    else:
        entry = weight("weight", (*apart, *rows, *columns))
    return product(entry, Kept(mask, _option(step, "band") or 0, rows[0], columns[0])) if mask else entry


# --- any other map ----------------------------------------------------------------------------------------------------


def _matrix_forward(scope: Scope, step: ChainMap, weight: Weight, read: Array) -> Array:
    """Any linear map is a matrix from all of its source's places to all of its target's."""

    def value(at: At) -> Expression:
        columns = scope.each(step.source)
        places = (*(at[axis] for axis in step.target), *(index(columns[axis]) for axis in step.source))
        inside = {axis: index(columns[axis]) for axis in step.source}
        return summed(columns.values(), product(Symbol("A", step.kind, places), read(inside)))

    return value


def _matrix_adjoint(scope: Scope, step: ChainMap, weight: Weight, read: Array) -> Array:
    def value(at: At) -> Expression:
        rows = scope.each(step.target)
        places = (*(index(rows[axis]) for axis in step.target), *(at[axis] for axis in step.source))
        inside = {axis: index(rows[axis]) for axis in step.target}
        return summed(rows.values(), product(Symbol("A", step.kind, places), read(inside)))

    return value


MATRIX = Rule(_matrix_forward, _matrix_adjoint)
"""What a map is shown as that has no rule of its own."""
RULES: dict[str, Rule] = {
    "dense": Rule(_dense_forward, _dense_adjoint),
    "conv": Rule(windowed.conv_forward, windowed.conv_adjoint),
    "pool": Rule(windowed.pool_forward, windowed.pool_adjoint),
    "scale": Rule(pointwise.scale, pointwise.scale),
    "mask": Rule(pointwise.mask, pointwise.mask),
    "rename": Rule(pointwise.rename, pointwise.rename_back),
    "batch_norm": Rule(pointwise.norm_forward, pointwise.norm_adjoint),
}
"""How each kind of map is written in indices. A test holds them against the records' references."""
