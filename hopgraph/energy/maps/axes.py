"""What maps share: checks of the axes that they name, the axes that they give, and a bias."""

from __future__ import annotations

from collections.abc import Mapping

from hopgraph.energy.records import UNKNOWN, Axes, Emitter, RecordError, Sizes, Value


def as_given(value: object) -> object:
    """The shorthand of a map that has none."""
    return value


def require_axes(named: Axes, source: Axes, field: str) -> None:
    """Refuse an axis that the map's input does not have."""
    for axis in named:
        if axis not in source:
            raise RecordError(f"the map reads axis `{axis}`, which its input does not have", field, axis, source)


def require_apart(named: Axes, others: Axes, field: str, other: str) -> None:
    """Refuse an axis that two options name."""
    for axis in named:
        if axis in others:
            raise RecordError(f"axis `{axis}` is in both `{field}` and `{other}`", field)


def replaced(source: Axes, new: Mapping[str, Axes], field: str) -> Axes:
    """The axes with each key of `new` replaced by its axes; none may stand twice."""
    result = tuple(axis for old in source for axis in new.get(old, (old,)))
    for axis in result:
        if result.count(axis) > 1:
            raise RecordError(f"the map would give the axis `{axis}` twice", field)
    return result


def require_equal(first: str, second: str, sizes: Sizes, field: str, what: str) -> None:
    """Refuse two axes whose sizes are known and differ; `what` says what needs them equal."""
    one, other = sizes.get(first, UNKNOWN), sizes.get(second, UNKNOWN)
    if one != other and UNKNOWN not in (one, other):
        raise RecordError(f"{what} needs two axes of one size; `{first}` has {one} and `{second}` has {other}", field)


def ordered(emit: Emitter, weight: Value, axes: Axes) -> Value:
    """The weight with its axes in the order in which they stand in `axes`."""
    order = tuple(axis for axis in axes if axis in weight.axes)
    return weight if order == weight.axes else emit.once("contract", weight, labels=(weight.axes,), out=order, hint=weight.name)


def shape_of(axes: Axes, sizes: Sizes) -> tuple[int, ...]:
    """The sizes of some axes."""
    return tuple(sizes[axis] for axis in axes)
