"""Operations that drop, pick, cut, merge and order axes."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import StrictInt

from hopgraph.energy.lagrangians import over_axes
from hopgraph.energy.options import AXES, AxisList, AxisName, JsonSchema, OptionModel, either
from hopgraph.energy.records import Emitter, Options, RecordError, Value, Weights
from hopgraph.frontend.ends.record import End, Over, Shape, require, short_for


class Take(OptionModel):
    """The position `index` along `axis`, counted from the end where it is negative."""

    axis: AxisName
    index: StrictInt = 0


class Slice(OptionModel):
    """The positions from `start` up to `stop`, itself left out, along `axis`; counted from the end where they are negative."""

    axis: AxisName
    start: StrictInt = 0
    stop: StrictInt | None = None


class Flatten(OptionModel):
    """Neighbouring axes as one, `into`, the last of them running fastest."""

    axes: AxisList
    into: AxisName


class Order(OptionModel):
    """All axes in another order: `order: [n, c]`."""

    axes: AxisList

    @classmethod
    def as_written(cls, mapping: JsonSchema) -> JsonSchema:
        """The axes alone, or the mapping."""
        return either(AXES, mapping)


def _without(options: Options, shape: Shape) -> Shape:
    over = require(options, shape, "over")
    return {axis: size for axis, size in shape.items() if axis not in over}


def _reduced(operation: str) -> Callable[[Emitter, Value, Options, Weights, str], Value]:
    def emit_reduced(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
        return emit.op(operation, x, over=over_axes(options), hint=hint)

    return emit_reduced


def _take_shape(options: Options, shape: Shape) -> Shape:
    (axis,) = require(options, shape, "axis")
    if not -shape[axis] <= options["index"] < shape[axis]:
        raise RecordError(f"axis `{axis}` has {shape[axis]} positions, and so none with index {options['index']}", "index")
    return {name: size for name, size in shape.items() if name != axis}


def _take_emit(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
    return emit.op("take", x, axis=options["axis"], index=options["index"], hint=hint)


def _slice_shape(options: Options, shape: Shape) -> Shape:
    (axis,) = require(options, shape, "axis")
    size, kept = shape[axis], _kept(options, shape[axis])
    for field in ("start", "stop"):
        if options[field] is not None and not -size <= options[field] <= size:
            raise RecordError(f"axis `{axis}` has {size} positions, and so no `{field}` of {options[field]}", field)
    if not kept:
        raise RecordError(f"nothing is left of axis `{axis}`, which has {size} positions", "axis")
    return {**shape, axis: len(kept)}


def _kept(options: Options, size: int) -> range:
    return range(size)[options["start"] : options["stop"]]


def _slice_emit(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
    kept = _kept(options, x.size(options["axis"]))
    return emit.op("slice", x, axis=options["axis"], start=kept.start, stop=kept.stop, hint=hint)


def _flatten_shape(options: Options, shape: Shape) -> Shape:
    axes, names = require(options, shape, "axes"), tuple(shape)
    first = names.index(axes[0])
    if names[first : first + len(axes)] != axes:
        raise RecordError(f"[{', '.join(axes)}] are not neighbouring axes in this order; `order` puts them side by side", "axes")
    merged = 1
    for axis in axes:
        merged *= shape[axis]
    before, after = names[:first], names[first + len(axes) :]
    if options["into"] in (*before, *after):
        raise RecordError(f"the result would have the axis `{options['into']}` twice", "into")
    return {**{axis: shape[axis] for axis in before}, options["into"]: merged, **{axis: shape[axis] for axis in after}}


def _flatten_emit(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
    return emit.op("merge", x, axes=tuple(options["axes"]), into=options["into"], hint=hint)


def _order_shape(options: Options, shape: Shape) -> Shape:
    axes = require(options, shape, "axes")
    missing = [axis for axis in shape if axis not in axes]
    if missing:
        raise RecordError(f"an order names all axes, and `{missing[0]}` is missing", "axes")
    return {axis: shape[axis] for axis in axes}


def _order_emit(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
    return emit.op("permute", x, order=tuple(options["axes"]), hint=hint)


ROWS = (
    End("mean", Over, _without, _reduced("mean"), shorthand=short_for("over")),
    End("max", Over, _without, _reduced("max"), shorthand=short_for("over")),
    End("take", Take, _take_shape, _take_emit),
    End("slice", Slice, _slice_shape, _slice_emit),
    End("flatten", Flatten, _flatten_shape, _flatten_emit),
    End("order", Order, _order_shape, _order_emit, shorthand=short_for("axes")),
)
