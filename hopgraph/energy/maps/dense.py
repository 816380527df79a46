"""dense: a matrix over one axis or several."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import BeforeValidator, StrictBool, StrictFloat, StrictInt

from hopgraph.energy.maps.axes import ordered, replaced, require_apart, require_axes, require_equal, shape_of
from hopgraph.energy.maps.patterns import CAUSAL, Pattern, kept, pattern_fields, written
from hopgraph.energy.maps.record import LinearMap, Signature
from hopgraph.energy.options import (
    AXES,
    AxisList,
    AxisName,
    DimField,
    JsonSchema,
    OptionModel,
    Positive,
    as_mapping,
    axis_list,
    either,
    mapping_of,
    one_key_beside,
    without_null,
    wrong,
)
from hopgraph.energy.records import Axes, Emitter, Options, ParameterSpec, RecordError, Sizes, Value, Weights, constant, xavier

if TYPE_CHECKING:
    from torch import Tensor

RANK = "rank'"
"""The label of the axis inside a product of two matrices; no axis of a spec has such a name."""


OPTIONS = ("bias", "per", "mask", "toeplitz", "rank", "spectral", "start")
"""What stands beside the axes in `{c: m, bias: true}`."""


class Start(OptionModel):
    """How a map starts: `weight` is the deviation of a normal start, cut at two of them, `bias` the number that the bias starts at."""

    weight: Positive | None = None
    bias: StrictInt | StrictFloat = 0


def _new_axes(value: Any) -> Any:
    return value if isinstance(value, tuple) else axis_list(value)  # pyright: ignore[reportUnknownVariableType] (of the shorthand)


class Dense(OptionModel):
    """`dense: {c: m}` maps axis c to axis m, y[i] = sum_j W[i, j] x[j]; `{c: [h, y]}` to two axes; `{c: c}` is a square map.

    `{from: [h, y], to: c}` maps several axes at once; the new ones stand where the first of them stood. `bias: true` adds a
    bias over the new axes. `per: [h]` has a matrix for each position on axes of the input. `mask` keeps a part of the matrix,
    W * M: `causal`, `strict`, `off_diagonal` or `{band: w}`. `toeplitz: true` is W[i, j] = t[i - j + N - 1]. `rank: r` is
    W = U V with r columns in U. `spectral: b` divides W by max(1, sigma / b), sigma its greatest singular value. `start` says how
    the matrix and the bias start: uniformly within Glorot's bound and at 0 where nothing is said.
    """

    axes: dict[AxisName, Annotated[tuple[str, ...], BeforeValidator(_new_axes)]]
    bias: StrictBool = False
    per: AxisList | tuple[()] = ()
    mask: Pattern | None = None
    band: DimField | None = None
    toeplitz: StrictBool = False
    rank: DimField | None = None
    spectral: Positive | None = None
    start: Start | None = None

    @classmethod
    def as_written(cls, mapping: JsonSchema) -> JsonSchema:
        """One axis, or `from` and `to`, beside the options."""
        fields = mapping["properties"]
        options = {field: fields[field] for field in OPTIONS if field != "mask"} | {"mask": written(without_null(fields["band"]))}
        several = mapping_of({**options, "from": AXES, "to": AXES}, "from", "to")
        single = {"type": "object", "properties": {**options, "from": False, "to": False}, "additionalProperties": AXES}
        whole = {"rank": {"properties": dict.fromkeys(("mask", "toeplitz", "spectral"), False)}}
        return {**either({**single, "allOf": one_key_beside(OPTIONS)}, several), "dependentSchemas": whole}


def dense_shorthand(value: Any) -> Any:
    """`{c: m, bias: true}` as `{axes: {c: m}, bias: true}`, and `{from: [h, y], to: c}` as `{axes: {h: [c], y: []}}`."""
    given = as_mapping(value)
    if given is None:
        raise wrong("a mapping of one axis to another, such as `{c: m}`")
    options = {field: given.pop(field) for field in OPTIONS if field in given and field != "mask"}
    if "mask" in given:
        options |= pattern_fields(given.pop("mask"))
    if "rank" in options and (options.keys() & {"mask", "toeplitz", "spectral"}):
        raise wrong("a map with `rank`, or one with `mask`, `toeplitz` or `spectral`: these are made of the whole matrix")
    if "from" in given or "to" in given:
        return {"axes": _several(given), **options}
    if len(given) != 1:
        raise wrong("a mapping of exactly one axis, such as `{c: m}`")
    return {"axes": given, **options}


def _several(given: dict[str, Any]) -> dict[str, Any]:
    if set(given) != {"from", "to"}:
        raise wrong("a mapping with `from` and `to`, such as `{from: [h, y], to: c}`")
    first, *others = axis_list(given["from"])
    return {first: axis_list(given["to"]), **dict.fromkeys(others, ())}


def _old(options: Options) -> Axes:
    return tuple(options["axes"])


def _new(options: Options) -> Axes:
    return tuple(options["axes"][_old(options)[0]])


def _target(options: Options, source: Axes, sizes: Sizes) -> Axes:
    old, new = _old(options), _new(options)
    require_axes(old, source, "axes")
    require_axes(tuple(options["per"]), source, "per")
    require_apart(tuple(options["per"]), old, "per", "from")
    field = next((field for field in ("mask", "toeplitz") if options[field]), None)
    if field and len((*old, *new)) > 2:
        raise RecordError(f"`{field}` needs a map of one axis to one axis", field)
    if field:
        require_equal(old[0], new[0], sizes, field, f"`{field}`")
    return replaced(source, options["axes"], "axes")


def _label(axis: str, others: Axes) -> str:
    """The label of an axis in a weight, a fresh one where the map has an axis of that name on its other side."""
    return f"{axis}'" if axis in others else axis


def _parameters(options: Options, signature: Signature) -> dict[str, ParameterSpec]:
    per, new, old = tuple(options["per"]), _new(options), _old(options)
    bias = (*per, *new)
    found = _matrices(options, signature.sizes, per, tuple(_label(axis, old) for axis in new), old)
    start: Options = options["start"] or {"weight": None, "bias": 0}
    if start["weight"] is not None:
        found = {name: replace(spec, init=("normal", start["weight"])) for name, spec in found.items()}
    if options["bias"]:
        found["bias"] = ParameterSpec(bias, shape_of(bias, signature.sizes), constant(start["bias"]), offset=True)
    return found


def _matrices(options: Options, sizes: Sizes, per: Axes, labels: Axes, old: Axes) -> dict[str, ParameterSpec]:
    apart, out, given = shape_of(per, sizes), shape_of(_new(options), sizes), shape_of(old, sizes)
    fan_in, fan_out = math.prod(given), math.prod(out)
    if options["toeplitz"]:
        length = given[0] if options["mask"] in CAUSAL else 2 * given[0] - 1
        return {"diagonals": ParameterSpec((*per, f"{old[0]}_diagonal"), (*apart, length), xavier(fan_in, fan_out))}
    if options["rank"] is None:
        return {"weight": ParameterSpec((*per, *labels, *old), (*apart, *out, *given), xavier(fan_in, fan_out))}
    rank = options["rank"]
    return {
        "left": ParameterSpec((*per, *labels, RANK), (*apart, *out, rank), xavier(rank, fan_out)),
        "right": ParameterSpec((*per, RANK, *old), (*apart, rank, *given), xavier(fan_in, rank)),
    }


def _matrix(emit: Emitter, options: Options, signature: Signature, weights: Weights) -> Value:
    """W [*per, *new, *old]: of its diagonals, masked, divided, in this order; computed of weights alone, once for all pulls."""
    count = len(options["per"])
    weight = weights["diagonals"] if options["toeplitz"] else weights["weight"]
    if options["toeplitz"]:
        (new,), (old,) = _new(options), _old(options)
        size = signature.sizes[old]
        weight = emit.once("toeplitz", weight, rows=_label(new, (old,)), columns=old, size=size, hint=weight.name)
    if options["mask"] and not (options["toeplitz"] and options["mask"] == "causal"):
        rows, columns = weight.axes[count:]
        kept_part = {"pattern": options["mask"], "width": options["band"] or 0}
        weight = emit.once("mask", weight, rows=rows, columns=columns, **kept_part, hint=f"{weight.name}_masked")
    if options["spectral"]:
        rows = weight.axes[count : count + len(_new(options))]
        columns = weight.axes[count + len(rows) :]
        weight = emit.once("spectral_limit", weight, rows=rows, columns=columns, limit=options["spectral"], hint=f"{weight.name}_limited")
    return weight


def _forward(emit: Emitter, x: Value, signature: Signature, options: Options, weights: Weights, hint: str) -> Value:
    per, new, old = tuple(options["per"]), _new(options), _old(options)
    summed = tuple(f"{axis}'" for axis in old)
    given = tuple(f"{axis}'" if axis in old else axis for axis in x.axes)
    if options["rank"] is not None:
        x = emit.contract(_inside(given, summed), (x, given), (weights["right"], (*per, RANK, *summed)), hint=f"{hint}_rank")
        y = emit.contract(signature.target, (x, x.axes), (weights["left"], (*per, *new, RANK)), hint=hint)
    else:
        y = emit.contract(signature.target, (x, given), (_matrix(emit, options, signature, weights), (*per, *new, *summed)), hint=hint)
    return emit.op("add", y, ordered(emit, weights["bias"], y.axes), hint=hint) if "bias" in weights else y


def _adjoint(emit: Emitter, y: Value, signature: Signature, options: Options, weights: Weights, hint: str) -> Value:
    per, new, old = tuple(options["per"]), _new(options), _old(options)
    labels = tuple(_label(axis, old) for axis in new)
    given = tuple(_label(axis, old) if axis in new else axis for axis in y.axes)
    if options["rank"] is not None:
        y = emit.contract(_inside(given, labels), (y, given), (weights["left"], (*per, *labels, RANK)), hint=f"{hint}_rank")
        return emit.contract(signature.source, (y, y.axes), (weights["right"], (*per, RANK, *old)), hint=hint)
    matrix = _matrix(emit, options, signature, weights)
    return emit.contract(signature.source, (y, given), (matrix, (*per, *labels, *old)), hint=hint)


def _inside(given: Axes, summed: Axes) -> Axes:
    """The axes between the two products of a map of low rank: one of size rank where the first summed one stood."""
    return replaced(given, {axis: (RANK,) if axis == summed[0] else () for axis in summed}, "rank")


def _reference(x: Tensor, signature: Signature, options: Options, weights: Mapping[str, Tensor]) -> Tensor:
    """Einsum with the whole matrix, over letters assigned here: the batch first, then the source's axes, then the new ones."""
    import torch

    per, new, old = tuple(options["per"]), _new(options), _old(options)
    letters = {axis: chr(ord("b") + index) for index, axis in enumerate(signature.source)}
    fresh = {axis: chr(ord("b") + len(letters) + index) for index, axis in enumerate(new)}
    given = "a" + "".join(letters.values())
    apart = "".join(letters[axis] for axis in per)
    out = "a" + "".join(fresh[axis] if axis in new else letters[axis] for axis in signature.target)
    matrix = apart + "".join(fresh.values()) + "".join(letters[axis] for axis in old)
    y = torch.einsum(f"{given},{matrix}->{out}", x, _reference_matrix(options, signature, weights))
    if "bias" not in weights:
        return y
    given = apart + "".join(fresh.values())
    bias = torch.einsum(f"{given}->{''.join(letter for letter in out if letter in given)}", weights["bias"])
    return y + bias.reshape([size if letter in given else 1 for letter, size in zip(out, y.shape, strict=True)])


def _reference_matrix(options: Options, signature: Signature, weights: Mapping[str, Tensor]) -> Tensor:
    """W [*per, *new, *old] by its definition."""
    import torch

    count, new, old = len(options["per"]), _new(options), _old(options)
    if options["rank"] is not None:
        left, right = weights["left"].flatten(count, -2), weights["right"].flatten(count + 1)
        return (left @ right).reshape(*weights["left"].shape[:-1], *weights["right"].shape[count + 1 :])
    size = signature.sizes[old[0]]
    if options["toeplitz"]:
        places = torch.arange(size, device=weights["diagonals"].device)
        lag = places[:, None] - places[None, :]
        first = 0 if options["mask"] in CAUSAL else 1 - size
        weight = weights["diagonals"][..., (lag - first).clamp(min=0)] * (lag >= first)
    else:
        weight = weights["weight"]
    if options["mask"]:
        weight = weight * kept(options["mask"], options["band"], size, size).to(weight.device)
    if options["spectral"]:
        matrix = weight.flatten(count, count + len(new) - 1).flatten(count + 1)
        sigma = cast("Tensor", torch.linalg.svdvals(matrix)).amax(-1)
        weight = weight / (sigma / options["spectral"]).clamp(min=1).reshape(*sigma.shape, *[1] * (len(new) + len(old)))
    return weight


def _causal(options: Options) -> Axes:
    return _old(options) if options["mask"] in CAUSAL else ()


def _bound(options: Options) -> float | None:
    return options["spectral"]


DENSE = LinearMap("dense", Dense, dense_shorthand, _target, _parameters, _forward, _adjoint, _reference, _causal, _bound)
