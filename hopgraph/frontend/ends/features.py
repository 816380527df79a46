"""Operations on features: norms, affine maps and activations, which are the Lagrangians' own, and the linear head."""

from __future__ import annotations

from pydantic import StrictBool, StrictStr

from hopgraph.energy.lagrangians import LAGRANGIANS
from hopgraph.energy.lagrangians.norms import Norm, Unshifted
from hopgraph.energy.options import AxisName, DimField, JsonSchema, OptionModel, either
from hopgraph.energy.records import ZEROS, Emitter, Options, ParameterSpec, RecordError, Value, Weights
from hopgraph.frontend.ends.record import End, Shape, require, short_for, unchanged


class NoOptions(OptionModel):
    """An operation without settings."""


class LayerNorm(Norm):
    """As the Lagrangian. `tied` names a layer of the last block whose gain and bias the norm reads in place of its own."""

    tied: StrictStr | None = None


class RmsNorm(Unshifted):
    """As the Lagrangian. `tied` names a layer of the last block whose gain the norm reads in place of its own."""

    tied: StrictStr | None = None


class Linear(OptionModel):
    """An affine map of the last axis to `out` features; the axis is then named `axis`.

    `tied` names an embedding of the encoder whose weight, [vocabulary, channels], the map reads in place of one of its own.
    """

    out: DimField
    axis: AxisName = "classes"
    bias: StrictBool = True
    tied: StrictStr | None = None

    @classmethod
    def as_written(cls, mapping: JsonSchema) -> JsonSchema:
        """The number of features alone, or the mapping."""
        return either({"type": ["integer", "string"]}, mapping)


def _norm(kind: str, options: type[OptionModel] | None = None) -> End:
    """A norm over axes, or the affine map that stands in for one, as the Lagrangian of that name has it."""
    record = LAGRANGIANS[kind]

    def shape_of(options: Options, shape: Shape) -> Shape:
        for field in ("over", "gain", "bias"):
            if isinstance(options.get(field), tuple):
                require(options, shape, field)
        return shape

    def parameters(options: Options, shape: Shape) -> dict[str, ParameterSpec]:
        return record.parameters(options, tuple(shape), shape)

    def emit_norm(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
        return record.activation(emit, x, options, weights, hint)

    return End(kind, options or record.options, shape_of, emit_norm, parameters, ties="layer" if options else "")


def _activation(kind: str) -> End:
    """An activation, as the Lagrangian of that name has it at inverse temperature 1."""

    def emit_activation(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
        return LAGRANGIANS[kind].activation(emit, x, {"beta": 1.0}, weights, hint)

    return End(kind, NoOptions, unchanged, emit_activation)


def _linear_shape(options: Options, shape: Shape) -> Shape:
    if not shape:
        raise RecordError("a linear map reads the last axis of its input, and this one has none left")
    kept = dict(list(shape.items())[:-1])
    if options["axis"] in kept:
        raise RecordError(f"the result would have the axis `{options['axis']}` twice", "axis")
    return {**kept, options["axis"]: options["out"]}


def _linear_parameters(options: Options, shape: Shape) -> dict[str, ParameterSpec]:
    """The weight, unless it is tied, and the bias, if there is one."""
    out, inputs = options["out"], list(shape.values())[-1]
    weight = {} if options["tied"] else {"weight": ParameterSpec(("out", "in"), (out, inputs), ZEROS)}
    return {**weight, **({"bias": ParameterSpec(("out",), (out,), ZEROS)} if options["bias"] else {})}


def _linear_emit(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
    given = [weights[name] for name in ("weight", "bias") if name in weights]
    assert given[0].shape == (options["out"], x.shape[-1]), f"a weight of {given[0].shape} is read by a map of {x} to {options['out']}"
    return emit.op("linear", x, *given, axis=options["axis"], hint=hint)


ROWS = (
    _norm("layernorm", LayerNorm),
    _norm("rmsnorm", RmsNorm),
    _norm("affine"),
    *map(_activation, ("gelu", "relu", "tanh")),
    End("linear", Linear, _linear_shape, _linear_emit, _linear_parameters, short_for("out"), ties="embedding"),
)
