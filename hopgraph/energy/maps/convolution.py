"""conv: a convolution over one axis to three, its kernel a matrix over channels, one for each index, or one for all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, StrictBool, WithJsonSchema

from hopgraph.energy.maps.axes import as_given, replaced, require_apart, require_axes, require_equal, shape_of
from hopgraph.energy.maps.patterns import CAUSAL, Word, kept
from hopgraph.energy.maps.record import LinearMap, Signature
from hopgraph.energy.maps.windows import PerAxis, Windowed, causal_axes, check_windows, into_order, over_last, taps, windows
from hopgraph.energy.options import TEXT, AxisList, AxisName, JsonSchema, as_mapping, wrong
from hopgraph.energy.records import ZEROS, Axes, Emitter, Options, ParameterSpec, RecordError, Sizes, Value, Weights, xavier

if TYPE_CHECKING:
    from torch import Tensor


_ONE_AXIS: JsonSchema = {"type": "object", "additionalProperties": TEXT, "minProperties": 1, "maxProperties": 1}


def _one_axis(value: Any) -> Any:
    given = as_mapping(value)
    if given is None or len(given) != 1:
        raise wrong("a mapping of one axis to another, such as `{c: m}`")
    return given


class Convolution(Windowed):
    """Y[m, i] = sum over c and k of W[m, c, k] x[c, i stride + k dilation - before].

    `map: {c: m}` maps axis c to axis m (or onto itself); `per: c` has a kernel for each index of c (depthwise); with both, a
    matrix for each index of `per` (grouped); with neither, one kernel that all other axes share. `mask` keeps a part of the
    matrix at every place of the kernel, W * M: `causal`, `strict` or `off_diagonal`.
    """

    dilation: PerAxis = Field(default=1, validate_default=True)
    map: Annotated[dict[AxisName, AxisName], BeforeValidator(_one_axis), WithJsonSchema(_ONE_AXIS)] = Field(default_factory=dict)
    per: AxisList | tuple[()] = ()
    bias: StrictBool = False
    mask: Word | None = None


def _channels(options: Options) -> tuple[Axes, Axes]:
    """The axis that is mapped and the one that it is mapped to, where there are such."""
    return tuple(options["map"]), tuple(options["map"].values())


def _target(options: Options, source: Axes, sizes: Sizes) -> Axes:
    old, new = _channels(options)
    per = tuple(options["per"])
    require_axes(old, source, "map")
    require_axes(per, source, "per")
    found = check_windows(options, source, sizes)
    require_apart(old, found.over, "map", "over")
    require_apart(per, (*found.over, *old), "per", "over" if set(per) & set(found.over) else "map")
    if options["mask"] and not old:
        raise RecordError("`mask` needs a `map` of one axis to one axis", "mask")
    if options["mask"]:
        require_equal(old[0], new[0], sizes, "mask", "`mask`")
    renamed = {axis: (result,) for axis, result in (*options["over"].items(), *options["map"].items())}
    return replaced(source, renamed, "over")


def _labels(options: Options) -> Axes:
    """The labels of the weight, [*per, new, old, *kernel]; a fresh one for an axis that is mapped onto itself."""
    old, new = _channels(options)
    fresh = tuple(f"{axis}'" if axis in old else axis for axis in new)
    return (*options["per"], *fresh, *old, *(f"{axis}_kernel" for axis in options["over"]))


def _parameters(options: Options, signature: Signature) -> dict[str, ParameterSpec]:
    old, new = _channels(options)
    sizes, per, kernel = signature.sizes, tuple(options["per"]), windows(options).kernel
    inputs, outputs = shape_of(old, sizes), shape_of(new, sizes)
    positions = math.prod(kernel)
    init = xavier(math.prod(inputs) * positions, math.prod(outputs) * positions)
    found = {"weight": ParameterSpec(_labels(options), (*shape_of(per, sizes), *outputs, *inputs, *kernel), init)}
    if options["bias"]:
        found["bias"] = ParameterSpec((*per, *new), (*shape_of(per, sizes), *outputs), ZEROS, offset=True)
    return found


def _kernel(emit: Emitter, options: Options, weights: Weights) -> Value:
    """The weight, masked."""
    weight = weights["weight"]
    if not options["mask"]:
        return weight
    rows, columns = weight.axes[len(options["per"]) :][:2]
    return emit.once("mask", weight, rows=rows, columns=columns, pattern=options["mask"], width=0, hint=f"{weight.name}_masked")


def _forward(emit: Emitter, x: Value, signature: Signature, options: Options, weights: Weights, hint: str) -> Value:
    found = windows(options)
    old, new = _channels(options)
    inputs = [x, _kernel(emit, options, weights), *([weights["bias"]] if "bias" in weights else [])]
    channels = {"per": tuple(options["per"]), "old": old, "new": new}
    return emit.op("conv", *inputs, over=found.over, into=found.into, **channels, **found.attributes(), hint=hint)


def _adjoint(emit: Emitter, y: Value, signature: Signature, options: Options, weights: Weights, hint: str) -> Value:
    """The transposed convolution, with the input's sizes: a stride that does not divide them leaves more than one."""
    found = windows(options)
    old, new = _channels(options)
    channels = {"per": tuple(options["per"]), "old": new, "new": old, "sizes": shape_of((*found.over, *old), signature.sizes)}
    kernel = _kernel(emit, options, weights)
    return emit.op("conv_transpose", y, kernel, over=found.into, into=found.over, **channels, **found.attributes(), hint=hint)


def _reference(x: Tensor, signature: Signature, options: Options, weights: Mapping[str, Tensor]) -> Tensor:
    """The sum over the places of the kernel, each an einsum over channels."""
    import torch

    found, (old, new), per = windows(options), _channels(options), tuple(options["per"])
    moved, order = over_last(x, signature.source, (*per, *old, *found.over))
    rest = [axis for axis in order if axis not in (*per, *old, *found.over)]
    apart, across = "hij"[: len(per)], "pqr"[: len(found.over)]
    channels = f"{apart}{'m' if new else ''}{'c' if old else ''}"
    equation = f"...{apart}{'c' if old else ''}{across},{channels}->...{apart}{'m' if new else ''}{across}"
    weight = weights["weight"]
    if options["mask"]:
        size = weight.shape[len(per)]
        weight = weight * kept(options["mask"], None, size, size).to(weight.device)[(..., *[None] * len(found.over))]
    y: Any = 0
    for places, part in taps(moved, found, signature):
        y = y + torch.einsum(equation, part, weight[(..., *places)])
    if "bias" in weights:
        y = y + weights["bias"].reshape(*weights["bias"].shape, *[1] * len(found.over))
    return into_order(y, (*rest, *per, *new, *found.into), signature.target)


def _causal(options: Options) -> Axes:
    old, _ = _channels(options)
    return (*causal_axes(options), *(old if options["mask"] in CAUSAL else ()))


CONV = LinearMap("conv", Convolution, as_given, _target, _parameters, _forward, _adjoint, _reference, _causal)
