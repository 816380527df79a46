"""Operations on images and what is like them: [channels, height, width] under any names."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, StrictBool, StrictInt, WithJsonSchema

from hopgraph.energy.options import PAIR, AxisName, DimField, OptionModel, Positive, name_list, wrong
from hopgraph.energy.records import ONES, ZEROS, Axes, Emitter, Options, ParameterSpec, RecordError, Value, Weights, lecun
from hopgraph.frontend.ends.record import End, Shape, require


def _distinct(count: int, expected: str) -> BeforeValidator:
    def check(value: Any) -> Any:
        axes = name_list(value)
        if axes is None or len(axes) != count or len(set(axes)) != count:
            raise wrong(expected)
        return axes

    return BeforeValidator(check)


_TRIPLE = {**PAIR, "minItems": 3, "maxItems": 3}


def _count(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise wrong("an integer that is not negative")
    return value


class PatchEmbed(OptionModel):
    """Non-overlapping square patches of `size` pixels, each mapped to `channels`; the result has axes [axes]."""

    size: DimField
    channels: DimField
    axes: Annotated[
        tuple[AxisName, AxisName], _distinct(2, "two axes: that of the patches and that of the channels"), WithJsonSchema(PAIR)
    ] = ("n", "c")


class Convolution(OptionModel):
    """A convolution to `channels` by square kernels of `kernel` pixels; `axes` renames channels, rows and columns.

    With `depthwise` each channel that is read has kernels of its own, and gives an equal share of `channels`.
    """

    channels: DimField
    kernel: DimField
    stride: DimField | None = None
    padding: Annotated[StrictInt, BeforeValidator(_count), WithJsonSchema({"type": "integer", "minimum": 0})] = 0
    bias: StrictBool = True
    depthwise: StrictBool = False
    axes: (
        Annotated[tuple[AxisName, AxisName, AxisName], _distinct(3, "three axes: channels, rows and columns"), WithJsonSchema(_TRIPLE)]
        | None
    ) = None


class BatchNorm(OptionModel):
    """A batch norm with a mean and a variance for each position of `per`: the channels of an image, else the last axis."""

    per: AxisName | None = None
    eps: Positive = 1e-5
    momentum: Positive = 0.1


# --- patches ---


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
    return _kernel(options["channels"], inputs, options["size"], bias=True)


def _kernel(out: int, inputs: int, size: int, *, bias: bool) -> dict[str, ParameterSpec]:
    weight = ParameterSpec(("out", "in", "row", "column"), (out, inputs, size, size), lecun(inputs * size * size))
    return {"weight": weight, **({"bias": ParameterSpec(("out",), (out,), ZEROS)} if bias else {})}


def _patch_emit(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
    tokens, channels = options["axes"]
    _, *pixels = x.axes
    axes = (channels, *(f"{axis}_patch" if axis in (tokens, channels) else axis for axis in pixels))
    grid = _convolved(emit, x, weights, axes, options["size"], 0, hint)
    row = emit.op("merge", grid, axes=axes[1:], into=tokens, hint=hint)
    return emit.op("permute", row, order=(tokens, channels), hint=hint)


# --- convolutions ---


def _conv_axes(options: Options, axes: Axes) -> Axes:
    return tuple(options["axes"] or axes)


def _conv_shape(options: Options, shape: Shape) -> Shape:
    if len(shape) != 3:
        raise RecordError("a convolution reads an image, which has three axes: channels, rows and columns")
    (_, inputs), *pixels = shape.items()
    if options["depthwise"] and options["channels"] % inputs:
        raise RecordError(f"a depthwise convolution of {inputs} channels gives a multiple of them, not {options['channels']}", "channels")
    stride, kernel, padding = options["stride"] or 1, options["kernel"], options["padding"]
    sizes = [(size + 2 * padding - kernel) // stride + 1 for _, size in pixels]
    for (axis, size), result in zip(pixels, sizes, strict=True):
        if result < 1:
            raise RecordError(f"a kernel of {kernel} pixels is larger than axis `{axis}`, {size} with padding {padding}", "kernel")
    return dict(zip(_conv_axes(options, tuple(shape)), (options["channels"], *sizes), strict=True))


def _conv_parameters(options: Options, shape: Shape) -> dict[str, ParameterSpec]:
    inputs = 1 if options["depthwise"] else next(iter(shape.values()))
    return _kernel(options["channels"], inputs, options["kernel"], bias=options["bias"])


def _conv_emit(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
    return _convolved(emit, x, weights, _conv_axes(options, x.axes), options["stride"] or 1, options["padding"], hint)


def _convolved(emit: Emitter, x: Value, weights: Weights, axes: Axes, stride: int, padding: int, hint: str) -> Value:
    """The convolution of an image, with its axes named anew."""
    given = [weights[name] for name in ("weight", "bias") if name in weights]
    (old, *over), (new, *into) = x.axes, axes
    kernel = weights["weight"].shape[2:]
    names = {"over": tuple(over), "into": tuple(into), "per": (), "old": (old,), "new": (new,)}
    steps = {"stride": (stride, stride), "dilation": (1, 1), "pads": ((padding, padding), (padding, padding))}
    return emit.op("conv", x, *given, **names, kernel=kernel, **steps, hint=hint)


# --- batch norm ---


def _per(options: Options, axes: Axes) -> str:
    return options["per"] or (axes[0] if len(axes) == 3 else axes[-1])


def _batch_norm_shape(options: Options, shape: Shape) -> Shape:
    if options["per"]:
        require(options, shape, "per")
    if not shape:
        raise RecordError("a batch norm needs an axis, and its input has none left")
    if options["momentum"] > 1:
        raise RecordError("a momentum is at most 1, where only the last batch counts", "momentum")
    return shape


def _batch_norm_parameters(options: Options, shape: Shape) -> dict[str, ParameterSpec]:
    per = _per(options, tuple(shape))
    axes, sizes = (per,), (shape[per],)
    learned = {"weight": ParameterSpec(axes, sizes, ONES), "bias": ParameterSpec(axes, sizes, ZEROS)}
    mean, variance = (ParameterSpec(axes, sizes, init, trainable=False) for init in (ZEROS, ONES))
    return {**learned, "running_mean": mean, "running_var": variance}


def _batch_norm_emit(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
    given = [weights[name] for name in ("weight", "bias", "running_mean", "running_var")]
    settings = {"per": _per(options, x.axes), "eps": options["eps"], "momentum": options["momentum"]}
    return emit.op("batch_norm", x, *given, **settings, hint=hint)


ROWS = (
    End("patch_embed", PatchEmbed, _patch_shape, _patch_emit, _patch_parameters),
    End("conv", Convolution, _conv_shape, _conv_emit, _conv_parameters),
    End("batch_norm", BatchNorm, _batch_norm_shape, _batch_norm_emit, _batch_norm_parameters),
)
