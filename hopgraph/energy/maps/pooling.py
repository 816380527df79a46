"""pool: the mean of each window."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import StrictBool

from hopgraph.energy.maps.axes import as_given, replaced, shape_of
from hopgraph.energy.maps.record import LinearMap, Signature, no_parameters
from hopgraph.energy.maps.windows import Windowed, Windows, causal_axes, check_windows, into_order, over_last, taps, windows
from hopgraph.energy.records import UNKNOWN, Axes, Emitter, Options, RecordError, Sizes, Value, Weights

if TYPE_CHECKING:
    from torch import Tensor


class Pooling(Windowed):
    """Y[i] = the mean of x over window i. Padding counts as zeros with `count_include_pad`; else the mean is of what there is.

    Without it the map is D^-1 S, S the sum over windows and D their counts, and its adjoint S* D^-1 divides first.
    """

    count_include_pad: StrictBool = False


def _target(options: Options, source: Axes, sizes: Sizes) -> Axes:
    found = check_windows(options, source, sizes)
    for index, axis in enumerate(found.over) if found.known() else ():
        _check_reach(found, index, axis, sizes.get(axis, UNKNOWN))
    return replaced(source, {axis: (result,) for axis, result in options["over"].items()}, "over")


def _check_reach(found: Windows, index: int, axis: str, size: int) -> None:
    kernel = found.kernel[index]
    if max(found.pads[index]) >= kernel:
        raise RecordError(f"padding {max(found.pads[index])} along `{axis}` leaves windows of {kernel} nothing but padding", "padding")
    if kernel > 2 * size - 1 and size != UNKNOWN:
        most = f"{2 * size - 1} reach every position from every other"
        raise RecordError(f"windows of {kernel} positions on axis `{axis}` of size {size}: {most}", "kernel")


def _attributes(found: Windows, options: Options) -> dict[str, object]:
    return {"kernel": found.kernel, "stride": found.stride, "pads": found.pads, "count_include_pad": options["count_include_pad"]}


def _forward(emit: Emitter, x: Value, signature: Signature, options: Options, weights: Weights, hint: str) -> Value:
    found = windows(options)
    return emit.op("pool", x, over=found.over, into=found.into, **_attributes(found, options), hint=hint)


def _adjoint(emit: Emitter, y: Value, signature: Signature, options: Options, weights: Weights, hint: str) -> Value:
    found = windows(options)
    sizes = shape_of(found.over, signature.sizes)
    return emit.op("pool_adjoint", y, over=found.into, into=found.over, sizes=sizes, **_attributes(found, options), hint=hint)


def _reference(x: Tensor, signature: Signature, options: Options, weights: Mapping[str, Tensor]) -> Tensor:
    """The sum over the places of the window, divided by how many of them are on the input."""
    import torch

    found = windows(options)
    moved, order = over_last(x, signature.source, found.over)
    total = torch.stack([part for _, part in taps(moved, found, signature)]).sum(0)
    count = torch.stack([part for _, part in taps(torch.ones_like(moved), found, signature)]).sum(0)
    y = total / (math.prod(found.kernel) if options["count_include_pad"] else count)
    return into_order(y, (*order[: -len(found.over)], *found.into), signature.target)


def _bound(options: Options) -> float | None:
    """|A| <= sqrt(greatest row sum * greatest column sum), by Schur's test. Rows sum to at most 1, columns to the product of these."""
    found = windows(options)
    counted = options["count_include_pad"]
    return math.sqrt(math.prod(_column(found, index, counted) for index in range(len(found.over))))


def _column(found: Windows, index: int, counted: bool) -> float:
    """How much a position gives away along one axis: it is in at most k / stride windows, each of so many positions at least.

    Windows one apart that leave no more than there was have k - max(pads) positions, or all, and then sum to 1 at most.
    """
    kernel, stride, pads = found.kernel[index], found.stride[index], found.pads[index]
    least = kernel - max(pads) if stride == 1 and sum(pads) < kernel else max(1, kernel - sum(pads))
    return -(-kernel // stride) / (kernel if counted else least)


POOL = LinearMap("pool", Pooling, as_given, _target, no_parameters, _forward, _adjoint, _reference, causal_axes, _bound)
