"""Maps that act position by position: scale, mask, rename, batch_norm."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator

from hopgraph.energy.maps.axes import as_given, replaced, require_axes, require_equal, shape_of
from hopgraph.energy.maps.patterns import PATTERNS, Pattern, kept
from hopgraph.energy.maps.record import LinearMap, Signature, no_parameters
from hopgraph.energy.options import (
    AXES,
    PAIR,
    TEXT,
    AxisName,
    DimField,
    JsonSchema,
    OptionModel,
    Positive,
    Real,
    as_mapping,
    axis_list,
    either,
    mapping_of,
    without_null,
    wrong,
)
from hopgraph.energy.records import ONES, ZEROS, Axes, Emitter, Options, ParameterSpec, RecordError, Sizes, Value, Weights

if TYPE_CHECKING:
    from torch import Tensor


def _aligned(weight: Tensor, axes: Axes, target: Axes) -> Tensor:
    """A reference's weight [*axes] with a dimension of size 1 for each axis of `target` that it lacks."""
    sizes = dict(zip(axes, weight.shape, strict=True))
    order = [axis for axis in target if axis in axes]
    return weight.permute([axes.index(axis) for axis in order]).reshape([sizes.get(axis, 1) for axis in target])


def _bound_one(options: Options) -> float | None:
    return 1.0


# --- scale ---


def _factor(value: Any) -> Any:
    if isinstance(value, str):
        return Real(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value == 0:
        raise wrong("a number that is not zero, or an expression on dims such as `y^-0.5`")
    return Real(repr(value))


def _gain(value: Any) -> Any:
    return () if value == "scalar" else axis_list(value)


class Scale(OptionModel):
    """`scale: 0.5` is 0.5 x; `scale: {gain: [c]}` is w x with w learned over axes, `{gain: scalar}` one number, from 1 on."""

    factor: Annotated[Real, BeforeValidator(_factor)] | None = None
    gain: Annotated[tuple[str, ...], BeforeValidator(_gain)] | None = None

    @classmethod
    def as_written(cls, mapping: JsonSchema) -> JsonSchema:
        """A number, or the axes of a gain."""
        return either({"type": "number", "not": {"const": 0}}, TEXT, mapping_of({"gain": AXES}, "gain"))


def _scale_shorthand(value: Any) -> Any:
    given = as_mapping(value)
    if given is None:
        return {"factor": value}
    if set(given) != {"gain"}:
        raise wrong("a number, or `{gain: [c]}` or `{gain: scalar}` for one that is learned")
    return given


def _scale_target(options: Options, source: Axes, sizes: Sizes) -> Axes:
    if options["factor"] == 0:
        raise RecordError("a scale of zero leaves nothing of its input", "factor")
    require_axes(tuple(options["gain"] or ()), source, "gain")
    return source


def _scale_parameters(options: Options, signature: Signature) -> dict[str, ParameterSpec]:
    if options["gain"] is None:
        return {}
    axes = tuple(axis for axis in signature.source if axis in options["gain"])
    return {"gain": ParameterSpec(axes, shape_of(axes, signature.sizes), ONES)}


def _scale(emit: Emitter, x: Value, signature: Signature, options: Options, weights: Weights, hint: str) -> Value:
    if options["gain"] is None:
        return emit.op("scale", x, factor=options["factor"], hint=hint)
    return emit.op("multiply", x, weights["gain"], hint=hint)


def _scale_reference(x: Tensor, signature: Signature, options: Options, weights: Mapping[str, Tensor]) -> Tensor:
    if options["gain"] is None:
        return options["factor"] * x
    axes = tuple(axis for axis in signature.source if axis in options["gain"])
    return x * _aligned(weights["gain"], axes, signature.source)


def _scale_bound(options: Options) -> float | None:
    return None if options["factor"] is None else abs(options["factor"])


SCALE = LinearMap("scale", Scale, _scale_shorthand, _scale_target, _scale_parameters, _scale, _scale, _scale_reference, bound=_scale_bound)


# --- mask ---


class Mask(OptionModel):
    """`mask: {causal: [q, k]}` keeps what has k <= q, `strict` k < q, `off_diagonal` k != q, `{band: [q, k], width: w}` |q - k| <= w."""

    pattern: Pattern
    axes: tuple[AxisName, AxisName]
    width: DimField | None = None

    @classmethod
    def as_written(cls, mapping: JsonSchema) -> JsonSchema:
        """Two axes under the name of a pattern, and of a band its width."""
        plain = [mapping_of({name: PAIR}, name) for name in PATTERNS if name != "band"]
        return either(*plain, mapping_of({"band": PAIR, "width": without_null(mapping["properties"]["width"])}, "band", "width"))


def _mask_shorthand(value: Any) -> Any:
    given = as_mapping(value) or {}
    named = [pattern for pattern in PATTERNS if pattern in given]
    if len(named) != 1 or set(given) - {named[0], "width"} or ("width" in given) != (named == ["band"]):
        raise wrong("one of `{causal: [q, k]}`, `{strict: [q, k]}`, `{off_diagonal: [q, k]}` and `{band: [q, k], width: w}`")
    axes = axis_list(given[named[0]])
    if len(axes) != 2:
        raise wrong(f"`{{{named[0]}: [q, k]}}` with two axes")
    return {"pattern": named[0], "axes": axes, **({"width": given["width"]} if "width" in given else {})}


def _mask_target(options: Options, source: Axes, sizes: Sizes) -> Axes:
    require_axes(tuple(options["axes"]), source, "axes")
    return source


def _mask(emit: Emitter, x: Value, signature: Signature, options: Options, weights: Weights, hint: str) -> Value:
    rows, columns = options["axes"]
    return emit.op("mask", x, rows=rows, columns=columns, pattern=options["pattern"], width=options["width"] or 0, hint=hint)


def _mask_reference(x: Tensor, signature: Signature, options: Options, weights: Mapping[str, Tensor]) -> Tensor:
    rows, columns = shape_of(tuple(options["axes"]), signature.sizes)
    pattern = kept(options["pattern"], options["width"], rows, columns).to(x.device)
    return x * _aligned(pattern, tuple(options["axes"]), signature.source)


MASK = LinearMap("mask", Mask, _mask_shorthand, _mask_target, no_parameters, _mask, _mask, _mask_reference, bound=_bound_one)


# --- rename ---


class Rename(OptionModel):
    """`rename: {c: m}`: axis c under the name m."""

    axes: dict[AxisName, AxisName]

    @classmethod
    def as_written(cls, mapping: JsonSchema) -> JsonSchema:
        """The mapping of names alone."""
        return {**mapping["properties"]["axes"], "minProperties": 1}


def _rename_shorthand(value: Any) -> Any:
    given = as_mapping(value)
    if not given:
        raise wrong("a mapping of axes to their new names, such as `{c: m}`")
    return {"axes": given}


def _rename_target(options: Options, source: Axes, sizes: Sizes) -> Axes:
    require_axes(tuple(options["axes"]), source, "axes")
    for old, new in options["axes"].items():
        require_equal(old, new, sizes, "axes", "a renaming")
    return replaced(source, {old: (new,) for old, new in options["axes"].items()}, "axes")


def _rename(emit: Emitter, x: Value, signature: Signature, options: Options, weights: Weights, hint: str) -> Value:
    return emit.op("rename", x, axes=signature.target, hint=hint)


def _rename_back(emit: Emitter, y: Value, signature: Signature, options: Options, weights: Weights, hint: str) -> Value:
    return emit.op("rename", y, axes=signature.source, hint=hint)


def _rename_reference(x: Tensor, signature: Signature, options: Options, weights: Mapping[str, Tensor]) -> Tensor:
    return x


RENAME = LinearMap(
    "rename", Rename, _rename_shorthand, _rename_target, no_parameters, _rename, _rename_back, _rename_reference, bound=_bound_one
)


# --- batch_norm ---


class BatchNorm(OptionModel):
    """W (x - mean) / sqrt(var + eps) + bias, each of the four over axis `per`.

    In evaluation mean and var are the running ones and the map is affine: that is what its adjoint, the energy and the
    certificate are about. In training they are the batch's, and the running ones move by `momentum` towards them.
    Ioffe and Szegedy (2015).
    """

    per: AxisName
    eps: Positive = 1e-5
    momentum: Positive = 0.1


def _norm_target(options: Options, source: Axes, sizes: Sizes) -> Axes:
    require_axes((options["per"],), source, "per")
    if options["momentum"] > 1:
        raise RecordError("a momentum is at most 1, where only the last batch counts", "momentum")
    return source


def _norm_parameters(options: Options, signature: Signature) -> dict[str, ParameterSpec]:
    axes = (options["per"],)
    shape = shape_of(axes, signature.sizes)
    return {
        "weight": ParameterSpec(axes, shape, ONES),
        "bias": ParameterSpec(axes, shape, ZEROS, offset=True),
        "running_mean": ParameterSpec(axes, shape, ZEROS, trainable=False, offset=True),
        "running_var": ParameterSpec(axes, shape, ONES, trainable=False),
    }


def _norm_forward(emit: Emitter, x: Value, signature: Signature, options: Options, weights: Weights, hint: str) -> Value:
    tensors = [weights[field] for field in ("weight", "bias", "running_mean", "running_var")]
    return emit.op("batch_norm", x, *tensors, per=options["per"], eps=options["eps"], momentum=options["momentum"], hint=hint)


def _norm_adjoint(emit: Emitter, y: Value, signature: Signature, options: Options, weights: Weights, hint: str) -> Value:
    """Y times w / sqrt(var + eps), a number for each index that is made of weights alone."""
    gain = emit.once("batch_norm_gain", weights["weight"], weights["running_var"], eps=options["eps"], hint=f"{hint}_gain")
    return emit.op("multiply", y, gain, hint=hint)


def _norm_reference(x: Tensor, signature: Signature, options: Options, weights: Mapping[str, Tensor]) -> Tensor:
    axes = (options["per"],)
    known = {field: _aligned(weight, axes, signature.source) for field, weight in weights.items()}
    centred = x - known.get("running_mean", 0.0)
    return known["weight"] * centred / (known["running_var"] + options["eps"]) ** 0.5 + known.get("bias", 0.0)


BATCH_NORM = LinearMap("batch_norm", BatchNorm, as_given, _norm_target, _norm_parameters, _norm_forward, _norm_adjoint, _norm_reference)
