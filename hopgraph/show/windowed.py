"""Convolution and pooling as index expressions: windows that slide along axes, with zeros around the input."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from hopgraph.energy.maps.windows import Windows, windows
from hopgraph.graph.ham import ChainMap
from hopgraph.show.expression import (
    Equal,
    Expression,
    Index,
    Inside,
    Kept,
    Number,
    Quotient,
    Variable,
    index,
    product,
    summed,
    total,
    vanishes,
)
from hopgraph.show.indices import Array, At, Scope, Weight, place


@dataclass(frozen=True)
class Along:
    """The windows along one axis, from `old` to `new`: window i has the places i stride + k dilation - before."""

    old: str
    new: str
    kernel: int
    stride: int
    dilation: int
    before: int
    padded: bool

    def position(self, window: Index, tap: Variable) -> Index:
        """Where a place of a window is on the input."""
        return window.times(self.stride).plus([(tap, self.dilation)], -self.before)


def along(step: ChainMap) -> list[Along]:
    """The windows of a map, by axis."""
    found: Windows = windows(step.options)
    rows = zip(found.over, found.into, found.kernel, found.stride, found.dilation, found.pads, strict=True)
    return [Along(old, new, kernel, stride, dilation, pads[0], any(pads)) for old, new, kernel, stride, dilation, pads in rows]


def _taps(scope: Scope, parts: list[Along]) -> list[Variable]:
    return [scope.fresh(part.old, part.kernel, offset=True) for part in parts]


def _on_input(scope: Scope, value: Expression, parts: list[Along], places: Mapping[str, Index]) -> Expression:
    """The value, 0 beyond the input: said with a bracket where the value does not vanish there by itself."""
    outside = [part for part in parts if part.padded and not vanishes(value, places[part.old])]
    return product(*(Inside(places[part.old], scope.sizes[part.old]) for part in outside), value)


# --- convolution ------------------------------------------------------------------------------------------------------


def _channels(step: ChainMap) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    options = step.options
    return tuple(options.get("per") or ()), tuple(options["map"].values()), tuple(options["map"])


def _masked(step: ChainMap, entry: Expression, rows: list[Index], columns: list[Index]) -> Expression:
    mask = step.options.get("mask")
    return product(entry, Kept(mask, 0, rows[0], columns[0])) if mask else entry


def conv_forward(scope: Scope, step: ChainMap, weight: Weight, read: Array) -> Array:
    """Y[m, i] = sum over c and k of K[m, c, k] x[c, i stride + k dilation - before] + b[m]."""
    per, new, old = _channels(step)
    parts = along(step)

    def value(at: At) -> Expression:
        inputs, taps = scope.each(old), _taps(scope, parts)
        places = {part.old: part.position(at[part.new], tap) for part, tap in zip(parts, taps, strict=True)}
        inside = {axis: places[axis] if axis in places else index(inputs[axis]) if axis in inputs else at[axis] for axis in step.source}
        apart = [at[axis] for axis in (*per, *new)]
        columns = [index(item) for item in inputs.values()]
        entry = weight("weight", (*apart, *columns, *(index(tap) for tap in taps)))
        kernel = _masked(step, entry, [at[axis] for axis in new], columns)
        linear = summed([*inputs.values(), *taps], product(kernel, _on_input(scope, read(inside), parts, places)))
        return total(linear, weight("bias", tuple(apart))) if step.options.get("bias") else linear

    return value


def conv_adjoint(scope: Scope, step: ChainMap, weight: Weight, read: Array) -> Array:
    """X[c, j] = the sum of K[m, c, k] y[m, i] over m and over all (i, k) with i stride + k dilation - before = j."""
    per, new, old = _channels(step)
    parts = along(step)

    def value(at: At) -> Expression:
        outputs = scope.each(new)
        met = [_meeting(scope, part, at[part.old]) for part in parts]
        places = {part.new: item.window for part, item in zip(parts, met, strict=True)}
        inside = {axis: places[axis] if axis in places else index(outputs[axis]) if axis in outputs else at[axis] for axis in step.target}
        rows, columns = [index(item) for item in outputs.values()], [at[axis] for axis in old]
        entry = weight("weight", (*(at[axis] for axis in per), *rows, *columns, *(item.tap for item in met)))
        kernel = _masked(step, entry, rows, columns)
        y = read(inside)
        outside = [
            Inside(item.window, scope.sizes[part.new]) for part, item in zip(parts, met, strict=True) if not vanishes(y, item.window)
        ]
        brackets = [bracket for bracket in outside if bracket.place.variable is None]
        return summed(
            [*outputs.values(), *(item for one in met for item in one.over)],
            product(kernel, *(one.condition for one in met if one.condition), *brackets, y),
        )

    return value


@dataclass(frozen=True)
class _Meeting:
    """How a position of the input meets a window: the window, the place in it, and what is summed over, on a condition."""

    window: Index
    tap: Index
    over: tuple[Variable, ...]
    condition: Expression | None = None


def _meeting(scope: Scope, part: Along, position: Index) -> _Meeting:
    if part.stride == 1:
        tap = scope.fresh(part.old, part.kernel, offset=True)
        return _Meeting(position.plus([(tap, -part.dilation)], part.before), index(tap), (tap,))
    window = scope.fresh(part.new)
    if part.dilation == 1:
        return _Meeting(index(window), position.plus([(window, -part.stride)], part.before), (window,))
    tap = scope.fresh(part.old, part.kernel, offset=True)
    return _Meeting(index(window), index(tap), (window, tap), Equal(part.position(index(window), tap), position))


# --- pooling ----------------------------------------------------------------------------------------------------------


def pool_forward(scope: Scope, step: ChainMap, weight: Weight, read: Array) -> Array:
    """Y[i] = the sum of x over window i, divided by how many of its places count."""
    parts = along(step)

    def value(at: At) -> Expression:
        taps = _taps(scope, parts)
        places = {part.old: part.position(at[part.new], tap) for part, tap in zip(parts, taps, strict=True)}
        inside = {axis: places[axis] if axis in places else at[axis] for axis in step.source}
        return _mean(scope, step, parts, at, summed(taps, _on_input(scope, read(inside), parts, places)))

    return value


def _mean(scope: Scope, step: ChainMap, parts: list[Along], at: At, value: Expression) -> Expression:
    """The value divided by how many places of the window `at` count: all of them, or those on the input."""
    if step.options.get("count_include_pad") or not any(part.padded for part in parts):
        return product(Number(1 / math.prod(part.kernel for part in parts)), value)
    counts: list[Expression] = []
    for part in parts:
        if part.padded:
            tap = scope.fresh(part.old, part.kernel, offset=True)
            counts.append(summed([tap], Inside(part.position(at[part.new], tap), scope.sizes[part.old])))
        else:
            counts.append(Number(part.kernel))
    return Quotient(value, product(*counts))


def pool_adjoint(scope: Scope, step: ChainMap, weight: Weight, read: Array) -> Array:
    """X[j] = the sum of y[i], divided first by what counts in window i, over the windows that j is in."""
    parts = along(step)

    def value(at: At) -> Expression:
        items: dict[str, Variable] = {part.new: scope.fresh(part.new) for part in parts}
        inside = {axis: index(items[axis]) if axis in items else at[axis] for axis in step.target}
        covered = [Inside(at[part.old].plus([(items[part.new], -part.stride)], part.before), part.kernel) for part in parts]
        return summed(items.values(), product(*covered, _mean(scope, step, parts, place(items), read(inside))))

    return value
