"""Elementwise Lagrangians with a gain and a bias: affine, and the star-relu of MetaFormer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, StrictBool, WithJsonSchema

from hopgraph.energy.lagrangians.elementwise import relu_power, steepest
from hopgraph.energy.lagrangians.record import Lagrangian, Slopes, gain_axes
from hopgraph.energy.options import TEXT, Finite, OptionModel, Positive, either, name_list, wrong
from hopgraph.energy.records import ONES, ZEROS, Axes, Emitter, Init, Options, ParameterSpec, Sizes, Value, Weights

if TYPE_CHECKING:
    from torch import Tensor


def _along(value: Any) -> Any:
    axes = value if value in ("none", "scalar") else name_list(value)
    if axes is None:
        raise wrong("`none`, `scalar` or a list of axes")
    return axes


Along = Annotated[
    Literal["none", "scalar"] | tuple[str, ...],
    BeforeValidator(_along),
    WithJsonSchema(either({"enum": ["none", "scalar"]}, {"type": "array", "items": TEXT, "minItems": 1})),
]


class Affine(OptionModel):
    """`gain` alpha and `bias` beta: none, scalar or a list of axes. L is convex where the gain is kept `positive`."""

    gain: Along = "scalar"
    bias: Along = "none"
    positive: StrictBool = False


class StarRelu(OptionModel):
    """`scale` and `bias` of scale relu(x)^2 + bias, two numbers; `learned: true` learns both, starting there."""

    scale: Positive = 0.8944
    bias: Finite = -0.4472
    learned: StrictBool = False


def _affine(x: Tensor, axes: Axes, o: Options, w: Mapping[str, Tensor]) -> Tensor:
    return w.get("gain", 1.0) * x.square() / 2 + w.get("bias", 0.0) * x


def _affine_activation(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
    for field, combine in (("gain", "multiply"), ("bias", "add")):
        x = emit.op(combine, x, weights[field], hint=hint) if field in weights else x
    return x


def _affine_slopes(options: Options) -> Slopes:
    if options.get("gain", "scalar") == "none":
        return 1.0, 1.0
    return (0.0 if options.get("positive") else -math.inf), math.inf


def _affine_parameters(options: Options, axes: Axes, sizes: Sizes) -> dict[str, ParameterSpec]:
    positive: bool = options["positive"]
    starts: dict[str, tuple[Init, bool]] = {"gain": (ZEROS if positive else ONES, positive), "bias": (ZEROS, False)}
    found: dict[str, ParameterSpec] = {}
    for field, (init, kept_positive) in starts.items():
        along = gain_axes(options, field, axes)
        if along is not None:
            found[field] = ParameterSpec(along, tuple(sizes[axis] for axis in along), init, kept_positive)
    return found


def _star(x: Tensor, axes: Axes, o: Options, w: Mapping[str, Tensor]) -> Tensor:
    return w.get("scale", o["scale"]) * x.clamp(min=0).pow(3) / 3 + w.get("bias", o["bias"]) * x


def _star_activation(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
    square = relu_power(emit, x, 2)
    if options["learned"]:
        return emit.op("add", emit.op("multiply", square, weights["scale"]), weights["bias"], hint=hint)
    return emit.op("shift", emit.op("scale", square, factor=options["scale"]), amount=options["bias"], hint=hint)


def _star_slopes(options: Options) -> Slopes:
    return 0.0, math.inf


def _star_parameters(options: Options, axes: Axes, sizes: Sizes) -> dict[str, ParameterSpec]:
    if not options["learned"]:
        return {}
    scale = ParameterSpec((), (), ("constant", math.log(options["scale"])), positive=True)
    return {"scale": scale, "bias": ParameterSpec((), (), ("constant", options["bias"]))}


ROWS = (
    Lagrangian(
        "affine",
        Affine,
        _affine,
        _affine_activation,
        _affine_slopes,
        steepest(_affine_slopes),
        "sum(1/2 gain @^2 + bias @)",
        r"\sum \left( \tfrac{1}{2} \alpha @^2 + \beta @ \right)",
        _affine_parameters,
    ),
    Lagrangian(
        "star_relu",
        StarRelu,
        _star,
        _star_activation,
        _star_slopes,
        steepest(_star_slopes),
        "sum(1/3 scale relu(@)^3 + bias @)",
        r"\sum \left( \tfrac{s}{3} [@]_+^3 + b @ \right)",
        _star_parameters,
    ),
)
