"""Operations on sequences: embeddings of tokens, the class token, positions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema

from hopgraph.energy.options import PAIR, TEXT, AxisName, DimField, JsonSchema, OptionModel, either, name_list, wrong
from hopgraph.energy.records import Axes, Emitter, Init, Options, ParameterSpec, RecordError, Value, Weights
from hopgraph.frontend.ends.record import End, Over, Shape, require, short_for

SMALL: Init = ("normal", 0.02)
"""How embeddings and positions start, as in BERT and ViT."""


def _two(value: Any) -> Any:
    axes = name_list(value)
    if axes is None or len(axes) != 2 or axes[0] == axes[1]:
        raise wrong("two axes: that of the tokens and that of the channels")
    return axes


class Embed(OptionModel):
    """A vector of `channels` for each of the `vocabulary` tokens; the input holds integers, the result has axes [axes]."""

    vocabulary: DimField
    channels: DimField
    axes: Annotated[tuple[AxisName, AxisName], BeforeValidator(_two), WithJsonSchema(PAIR)] = ("n", "c")


class ClassToken(OptionModel):
    """One learned vector in front along `axis`, which is then longer by one."""

    axis: AxisName

    @classmethod
    def as_written(cls, mapping: JsonSchema) -> JsonSchema:
        """The axis alone, or the mapping."""
        return either(TEXT, mapping)


class Positions(Over):
    """A tensor over axes that is added: `learned`, or the sines and cosines over [positions, features] of Vaswani et al. (2017)."""

    kind: Literal["learned", "sincos"] = "learned"


def _embed_shape(options: Options, shape: Shape) -> Shape:
    if len(shape) != 1:
        raise RecordError("an embedding reads a sequence of tokens, which has one axis")
    tokens, channels = options["axes"]
    return {tokens: next(iter(shape.values())), channels: options["channels"]}


def _embed_parameters(options: Options, shape: Shape) -> dict[str, ParameterSpec]:
    return {"weight": ParameterSpec(("vocabulary", "out"), (options["vocabulary"], options["channels"]), SMALL)}


def _embed_emit(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
    return emit.op("gather", x, weights["weight"], axes=tuple(options["axes"]), hint=hint)


def _class_shape(options: Options, shape: Shape) -> Shape:
    (axis,) = require(options, shape, "axis")
    return {**shape, axis: shape[axis] + 1}


def _class_parameters(options: Options, shape: Shape) -> dict[str, ParameterSpec]:
    """The vector, with size 1 along the axis."""
    return {"token": ParameterSpec(tuple(shape), tuple({**shape, options["axis"]: 1}.values()), SMALL)}


def _class_emit(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
    return emit.op("prepend", x, weights["token"], axis=options["axis"], hint=hint)


def _positions_shape(options: Options, shape: Shape) -> Shape:
    axes = require(options, shape, "over")
    if options["kind"] == "sincos" and (len(axes) != 2 or shape[axes[1]] % 2):
        raise RecordError("sines and cosines are over two axes, positions and features, the second of even size", "over")
    return shape


def _positions_parameters(options: Options, shape: Shape) -> dict[str, ParameterSpec]:
    if options["kind"] == "sincos":
        return {}
    over: Axes = tuple(axis for axis in shape if axis in options["over"])
    sizes = tuple(shape[axis] for axis in over)
    return {"weight": ParameterSpec(over, sizes, SMALL)}


def _positions_emit(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
    if options["kind"] == "sincos":
        return emit.op("add_sincos", x, over=tuple(options["over"]), hint=hint)
    return emit.op("add", x, weights["weight"], hint=hint)


ROWS = (
    End("embed", Embed, _embed_shape, _embed_emit, _embed_parameters),
    End("class_token", ClassToken, _class_shape, _class_emit, _class_parameters, short_for("axis")),
    End("positions", Positions, _positions_shape, _positions_emit, _positions_parameters, short_for("over")),
)
