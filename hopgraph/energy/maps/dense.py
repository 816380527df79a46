"""dense: a matrix over one axis."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, StrictBool

from hopgraph.energy.maps.record import LinearMap, Signature
from hopgraph.energy.options import AxisName, OptionModel, as_mapping, axis_list, wrong
from hopgraph.energy.records import ZEROS, Axes, Emitter, Options, ParameterSpec, RecordError, Sizes, Value, Weights, xavier

if TYPE_CHECKING:
    from torch import Tensor


class Dense(OptionModel):
    """`dense: {c: m}` maps axis c to axis m; `{c: [h, y]}` to two axes; `bias: true` adds a bias over the new axes."""

    axes: dict[AxisName, Annotated[tuple[str, ...], BeforeValidator(axis_list)]]
    bias: StrictBool = False


def dense_shorthand(value: Any) -> Any:
    """`{c: m, bias: true}` as `{axes: {c: m}, bias: true}`."""
    given = as_mapping(value)
    if given is None:
        raise wrong("a mapping of one axis to another, such as `{c: m}`")
    bias = {"bias": given.pop("bias")} if "bias" in given else {}
    if len(given) != 1:
        raise wrong("a mapping of exactly one axis, such as `{c: m}`")
    return {"axes": given, **bias}


def _pair(options: Options) -> tuple[str, Axes]:
    ((source, target),) = options["axes"].items()
    return source, tuple(target)


def _target(options: Options, source: Axes, sizes: Sizes) -> Axes:
    old, new = _pair(options)
    if old not in source:
        raise RecordError(f"the map reads axis `{old}`, which its input does not have", "axes", old, source)
    index = source.index(old)
    result = (*source[:index], *new, *source[index + 1 :])
    if len(set(result)) < len(result):
        twice = next(axis for axis in result if result.count(axis) > 1)
        raise RecordError(f"the map would give the axis `{twice}` twice", "axes")
    return result


def _parameters(options: Options, signature: Signature) -> dict[str, ParameterSpec]:
    old, new = _pair(options)
    out, given = tuple(signature.sizes[axis] for axis in new), signature.sizes[old]
    bias = {"bias": ParameterSpec(new, out, ZEROS, offset=True)} if options["bias"] else {}
    return {"weight": ParameterSpec(_labels(options)[0], (*out, given), xavier(given, math.prod(out))), **bias}


def _labels(options: Options) -> tuple[Axes, Axes]:
    """The weight's labels and its target's, with a fresh one where an axis is mapped onto itself."""
    old, new = _pair(options)
    target = tuple(f"{axis}'" if axis == old else axis for axis in new)
    return (*target, old), target


def _spliced(axes: Axes, removed: Axes, inserted: Axes) -> Axes:
    index = axes.index(removed[0])
    return (*axes[:index], *inserted, *axes[index + len(removed) :])


def _forward(emit: Emitter, x: Value, signature: Signature, options: Options, weights: Weights, hint: str) -> Value:
    old, new = _pair(options)
    summed = f"{old}'"
    given = _spliced(x.axes, (old,), (summed,))
    y = emit.contract(_spliced(x.axes, (old,), new), (x, given), (weights["weight"], (*new, summed)), hint=hint)
    return emit.op("add", y, weights["bias"], hint=hint) if "bias" in weights else y


def _adjoint(emit: Emitter, y: Value, signature: Signature, options: Options, weights: Weights, hint: str) -> Value:
    _, new = _pair(options)
    weight_axes, target = _labels(options)
    given = tuple(target[new.index(axis)] if axis in new else axis for axis in y.axes)
    return emit.contract(signature.source, (y, given), (weights["weight"], weight_axes), hint=hint)


def _reference(x: Tensor, signature: Signature, options: Options, weights: Mapping[str, Tensor]) -> Tensor:
    """Einsum over letters assigned here: the batch first, then the source's axes, then the target's."""
    import torch

    old, new = _pair(options)
    source = signature.source
    letters = {axis: chr(ord("b") + index) for index, axis in enumerate(source)}
    fresh = [chr(ord("b") + len(source) + index) for index in range(len(new))]
    given = "a" + "".join(letters[axis] for axis in source)
    out = given.replace(letters[old], "".join(fresh))
    y = torch.einsum(f"{given},{''.join(fresh)}{letters[old]}->{out}", x, weights["weight"])
    if "bias" not in weights:
        return y
    behind = len(source) - source.index(old) - 1
    return y + weights["bias"].reshape(*weights["bias"].shape, *[1] * behind)


DENSE = LinearMap("dense", Dense, dense_shorthand, _target, _parameters, _forward, _adjoint, _reference)
