"""Encoder and readout operations: what stands outside the energy, between the data and the block.

One record each: `shape` is the rule for the axes and sizes, `parameters` the tensors to learn, `emit` writes the program.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator

from hopgraph.energy.lagrangians import LAGRANGIANS, over_axes
from hopgraph.energy.options import AxisList, AxisName, DimField, OptionModel, as_mapping, name_list, wrong
from hopgraph.energy.records import ZEROS, Axes, Emitter, Options, ParameterSpec, RecordError, Value, Weights, lecun

Shape = dict[str, int]
"""Axes with their sizes, in order."""


def _two(value: Any) -> Any:
    axes = name_list(value)
    if axes is None or len(set(axes)) != 2:
        raise wrong("two axes: that of the patches and that of the channels")
    return axes


class PatchEmbed(OptionModel):
    """Non-overlapping square patches of `size` pixels, each mapped to `channels`; the result has axes [axes]."""

    size: DimField
    channels: DimField
    axes: Annotated[tuple[AxisName, AxisName], BeforeValidator(_two)] = ("n", "c")


class Mean(OptionModel):
    """The mean over axes."""

    over: AxisList


class Linear(OptionModel):
    """An affine map of the last axis to `out` features; the axis is then named `axis`."""

    out: DimField
    axis: AxisName = "classes"


@dataclass(frozen=True)
class End:
    """One kind of encoder or readout operation."""

    name: str
    options: type[OptionModel]
    shorthand: Callable[[Any], Any]
    shape: Callable[[Options, Shape], Shape]
    parameters: Callable[[Options, Shape], dict[str, ParameterSpec]]
    emit: Callable[[Emitter, Value, Options, Weights, str], Value]


def _as_is(value: Any) -> Any:
    return value


def _require(options: Options, shape: Shape, field: str) -> Axes:
    axes = tuple(options[field])
    for axis in axes:
        if axis not in shape:
            raise RecordError(f"the operation reads axis `{axis}`, which its input does not have", field, axis, tuple(shape))
    return axes


def _patch_shape(options: Options, shape: Shape) -> Shape:
    if len(shape) != 3:
        raise RecordError("patches are cut from an image, which has three axes")
    _, height, width = shape.values()
    size = options["size"]
    if height % size or width % size:
        raise RecordError(f"patches of {size} pixels do not tile an image of {height} x {width}", "size")
    tokens, channels = options["axes"]
    return {tokens: (height // size) * (width // size), channels: options["channels"]}


def _patch_parameters(options: Options, shape: Shape) -> dict[str, ParameterSpec]:
    inputs = next(iter(shape.values()))
    out, size = options["channels"], options["size"]
    weight = ParameterSpec(("out", "in", "row", "column"), (out, inputs, size, size), lecun(inputs * size * size))
    return {"weight": weight, "bias": ParameterSpec(("out",), (out,), ZEROS)}


def _patch_emit(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
    tokens, channels = options["axes"]
    _, height, width = x.axes
    grid = emit.op("convolution", x, weights["weight"], weights["bias"], stride=options["size"], channels=channels, hint=hint)
    row = emit.op("merge", grid, axes=(height, width), into=tokens, hint=hint)
    return emit.op("permute", row, order=(tokens, channels), hint=hint)


def _norm_shape(options: Options, shape: Shape) -> Shape:
    _require(options, shape, "over")
    return shape


def _norm_parameters(options: Options, shape: Shape) -> dict[str, ParameterSpec]:
    return LAGRANGIANS["layernorm"].parameters(options, tuple(shape), shape)


def _norm_emit(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
    return LAGRANGIANS["layernorm"].activation(emit, x, options, weights, hint)


def _mean_shorthand(value: Any) -> Any:
    return {"over": value} if as_mapping(value) is None else value


def _mean_shape(options: Options, shape: Shape) -> Shape:
    over = _require(options, shape, "over")
    return {axis: size for axis, size in shape.items() if axis not in over}


def _mean_emit(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
    return emit.op("mean", x, over=over_axes(options), hint=hint)


def _linear_shorthand(value: Any) -> Any:
    given = as_mapping(value)
    return {"out": value} if given is None else given


def _linear_shape(options: Options, shape: Shape) -> Shape:
    kept = dict(list(shape.items())[:-1])
    if not shape:
        raise RecordError("a linear map reads the last axis of its input, and this one has none left")
    if options["axis"] in kept:
        raise RecordError(f"the result would have the axis `{options['axis']}` twice", "axis")
    return {**kept, options["axis"]: options["out"]}


def _linear_parameters(options: Options, shape: Shape) -> dict[str, ParameterSpec]:
    out, inputs = options["out"], list(shape.values())[-1]
    return {"weight": ParameterSpec(("out", "in"), (out, inputs), ZEROS), "bias": ParameterSpec(("out",), (out,), ZEROS)}


def _linear_emit(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
    return emit.op("linear", x, weights["weight"], weights["bias"], axis=options["axis"], hint=hint)


def _none(options: Options, shape: Shape) -> dict[str, ParameterSpec]:
    return {}


ENDS: dict[str, End] = {
    record.name: record
    for record in (
        End("patch_embed", PatchEmbed, _as_is, _patch_shape, _patch_parameters, _patch_emit),
        End("layernorm", LAGRANGIANS["layernorm"].options, _as_is, _norm_shape, _norm_parameters, _norm_emit),
        End("mean", Mean, _mean_shorthand, _mean_shape, _none, _mean_emit),
        End("linear", Linear, _linear_shorthand, _linear_shape, _linear_parameters, _linear_emit),
    )
}
"""Every encoder and readout operation by name. One more is one more record."""
