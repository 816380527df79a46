r"""Linear maps: what a factor sees a layer's activation through, and the exact adjoint that its pull applies.

One record each. `forward` and `adjoint` write a program; `reference` computes the forward map on tensors for the oracle
and shares nothing with them. <y, A x> = <A* y, x> is tested for every record (tests/laws).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, StrictBool

from hopgraph.energy.options import AxisName, OptionModel, as_mapping, axis_list, wrong
from hopgraph.energy.records import Axes, Emitter, Options, ParameterSpec, RecordError, Sizes, Value, Weights

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


@dataclass(frozen=True)
class LinearMap:
    """One kind of linear map A, or affine map A x + b.

    `target` gives the axes of A x; `parameters` the tensors that A reads. `forward` computes A x + b, `adjoint` computes
    A* y for y with the target axes (the linear part alone: the bias is a field on the far side), both with the axes of
    the source in their order. `reference` computes A x + b from tensors [batch, *source] by einsum.
    """

    name: str
    options: type[OptionModel]
    shorthand: Callable[[Any], Any]
    target: Callable[[Options, Axes], Axes]
    parameters: Callable[[Options, Axes, Sizes], dict[str, ParameterSpec]]
    forward: Callable[[Emitter, Value, Options, Weights, str], Value]
    adjoint: Callable[[Emitter, Value, Axes, Options, Weights, str], Value]
    reference: Callable[[Tensor, Axes, Options, Mapping[str, Tensor]], Tensor]


def _pair(options: Options) -> tuple[str, Axes]:
    ((source, target),) = options["axes"].items()
    return source, tuple(target)


def _dense_target(options: Options, source: Axes) -> Axes:
    old, new = _pair(options)
    if old not in source:
        raise RecordError(f"the map reads axis `{old}`, which its input does not have", "axes", old, source)
    index = source.index(old)
    result = (*source[:index], *new, *source[index + 1 :])
    if len(set(result)) < len(result):
        twice = next(axis for axis in result if result.count(axis) > 1)
        raise RecordError(f"the map would give the axis `{twice}` twice", "axes")
    return result


def _dense_parameters(options: Options, source: Axes, sizes: Sizes) -> dict[str, ParameterSpec]:
    old, new = _pair(options)
    out = tuple(sizes[axis] for axis in new)
    bias = {"bias": ParameterSpec(new, out, "zeros")} if options["bias"] else {}
    return {"weight": ParameterSpec(_labels(options)[0], (*out, sizes[old])), **bias}


def _labels(options: Options) -> tuple[Axes, Axes]:
    """The weight's labels and its target's, with a fresh one where an axis is mapped onto itself."""
    old, new = _pair(options)
    target = tuple(f"{axis}'" if axis == old else axis for axis in new)
    return (*target, old), target


def _spliced(axes: Axes, removed: Axes, inserted: Axes) -> Axes:
    index = axes.index(removed[0])
    return (*axes[:index], *inserted, *axes[index + len(removed) :])


def _dense_forward(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
    old, new = _pair(options)
    summed = f"{old}'"
    given = _spliced(x.axes, (old,), (summed,))
    y = emit.contract(_spliced(x.axes, (old,), new), (x, given), (weights["weight"], (*new, summed)), hint=hint)
    return emit.op("add", y, weights["bias"], hint=hint) if "bias" in weights else y


def _dense_adjoint(emit: Emitter, y: Value, source: Axes, options: Options, weights: Weights, hint: str) -> Value:
    _, new = _pair(options)
    weight_axes, target = _labels(options)
    given = tuple(target[new.index(axis)] if axis in new else axis for axis in y.axes)
    return emit.contract(source, (y, given), (weights["weight"], weight_axes), hint=hint)


def _dense_reference(x: Tensor, source: Axes, options: Options, weights: Mapping[str, Tensor]) -> Tensor:
    """Einsum over letters assigned here: the batch first, then the source's axes, then the target's."""
    import torch

    old, new = _pair(options)
    letters = {axis: chr(ord("b") + index) for index, axis in enumerate(source)}
    fresh = [chr(ord("b") + len(source) + index) for index in range(len(new))]
    given = "a" + "".join(letters[axis] for axis in source)
    out = given.replace(letters[old], "".join(fresh))
    y = torch.einsum(f"{given},{''.join(fresh)}{letters[old]}->{out}", x, weights["weight"])
    if "bias" not in weights:
        return y
    behind = len(source) - source.index(old) - 1
    return y + weights["bias"].reshape(*weights["bias"].shape, *[1] * behind)


MAPS: dict[str, LinearMap] = {
    record.name: record
    for record in (
        LinearMap("dense", Dense, dense_shorthand, _dense_target, _dense_parameters, _dense_forward, _dense_adjoint, _dense_reference),
    )
}
"""Every linear map by name. One more is one more record."""
