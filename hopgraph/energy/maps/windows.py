"""What convolution and pooling share: windows that slide along axes, their padding, and the sizes that they leave."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from hopgraph.energy.maps.axes import require_axes
from hopgraph.energy.maps.record import Signature
from hopgraph.energy.options import AXES, SIZE, TEXT, AxisName, Dim, JsonSchema, OptionModel, as_list, as_mapping, axis_list, either, wrong
from hopgraph.energy.records import UNKNOWN, Axes, Options, RecordError, Sizes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

MAX_OVER = 3
"""Windows slide along one axis to three: torch and ONNX have no more."""

Pads = tuple[int, int]
_PLAIN = (int, str)
PADDINGS = "`same`, `valid`, `causal`, an integer that is not negative, or a list with one of these or one [before, after] per axis"


def _over(value: Any) -> dict[str, Any]:
    given = as_mapping(value)
    if given is None:
        given = {axis: axis for axis in axis_list(value)}
    if not 1 <= len(given) <= MAX_OVER:
        raise wrong(f"one axis to {MAX_OVER}: `[r, w]`, or `{{r: r2, w: w2}}` with names for those of the result")
    return given


def _dims(value: Any) -> Any:
    """One dim for all axes, or a list with one for each."""
    items = as_list(value)
    if items is None:
        items = [value]
    if not items or any(isinstance(item, bool) or not isinstance(item, _PLAIN) for item in items):
        raise wrong("an integer or an expression on dims, or a list with one for each axis")
    found = tuple(Dim(str(item)) for item in items)
    return found if isinstance(value, list) else found[0]


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**31


def _pads(value: Any) -> Any:
    """The padding of one axis: a word, or what goes before and after."""
    if value in ("same", "valid", "causal"):
        return value
    pair = as_list(value) or [value, value]
    if len(pair) != 2 or not all(map(_is_count, pair)):
        raise wrong(PADDINGS)
    return tuple(pair)


def _padding(value: Any) -> Any:
    items = as_list(value)
    if items == []:
        raise wrong(PADDINGS)
    return tuple(map(_pads, [value] if items is None else items))


PerAxis = Annotated[
    Dim | tuple[Dim, ...], BeforeValidator(_dims), WithJsonSchema(either(SIZE, {"type": "array", "items": SIZE, "minItems": 1}))
]
_OVER = either(
    {**AXES, "maxItems": MAX_OVER}, {"type": "object", "additionalProperties": TEXT, "minProperties": 1, "maxProperties": MAX_OVER}
)
_COUNT: JsonSchema = {"type": "integer", "minimum": 0}
_PADS = either({"enum": ["same", "valid", "causal"]}, _COUNT)
_PAIR: JsonSchema = {"type": "array", "items": _COUNT, "minItems": 2, "maxItems": 2}
_PADDING = either(_PADS, {"type": "array", "items": either(_PADS, _PAIR), "minItems": 1})


class Windowed(OptionModel):
    """Windows of `kernel` positions along the axes `over`, `stride` apart, on an input with `padding` zeros around it.

    `padding`: `same` (k - 1 zeros in all, the odd one after), `valid` (none), `causal` (k - 1 before), an integer, or a list
    with one of these or one [before, after] per axis. Where sizes change, `over: {r: r2}` names the axes of the result.
    """

    over: Annotated[dict[AxisName, AxisName], BeforeValidator(_over), WithJsonSchema(_OVER)]
    kernel: PerAxis
    stride: PerAxis = Field(default=1, validate_default=True)
    padding: Annotated[tuple[str | Pads, ...], BeforeValidator(_padding), WithJsonSchema(_PADDING)] = Field(
        default="same", validate_default=True
    )


@dataclass(frozen=True)
class Windows:
    """The windows of a map, a number for each axis. `pads` are the zeros before and after."""

    over: Axes
    into: Axes
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    pads: tuple[Pads, ...]

    def known(self) -> bool:
        """Whether every number is: one that could not be evaluated is reported already, and UNKNOWN."""
        return min(*self.kernel, *self.stride, *self.dilation) > 0

    def extent(self, index: int) -> int:
        """How many positions a window spans, d (k - 1) + 1."""
        return self.dilation[index] * (self.kernel[index] - 1) + 1

    def count(self, index: int, size: int) -> int:
        """How many windows an axis of that size has, floor((n + pads - extent) / stride) + 1."""
        return (size + sum(self.pads[index]) - self.extent(index)) // self.stride[index] + 1

    def attributes(self) -> dict[str, Any]:
        """The windows as attributes of an operation."""
        return {"kernel": self.kernel, "stride": self.stride, "dilation": self.dilation, "pads": self.pads}


def windows(options: Options) -> Windows:
    """The windows that options describe."""
    count = len(options["over"])
    kernel, stride = _each(options, "kernel", count), _each(options, "stride", count)
    dilation = _each(options, "dilation", count) if "dilation" in options else (1,) * count
    padding = _each(options, "padding", count)
    pads = tuple(_zeros(item, d * (k - 1)) for item, k, d in zip(padding, kernel, dilation, strict=True))
    return Windows(tuple(options["over"]), tuple(options["over"].values()), kernel, stride, dilation, pads)


def _each(options: Options, field: str, count: int) -> tuple[Any, ...]:
    """One value per axis, from one for all or from a list."""
    value = options[field] if isinstance(options[field], tuple) else (options[field],)
    given = value * count if len(value) == 1 else value
    if len(given) != count:
        hint = "; a pair [before, after] is itself an entry of the list" if field == "padding" else ""
        raise RecordError(f"`{field}` has {len(given)} values for the {count} axes of `over`{hint}", field)
    return given


def _zeros(padding: str | Pads, reach: int) -> Pads:
    """The zeros before and after, of a window that reaches `reach` beyond its first position."""
    if isinstance(padding, str):
        return {"same": (reach // 2, reach - reach // 2), "valid": (0, 0), "causal": (reach, 0)}[padding]
    before, after = padding
    return before, after


def check_windows(options: Options, source: Axes, sizes: Sizes) -> Windows:
    """The windows, after every check of them."""
    require_axes(tuple(options["over"]), source, "over")
    found = windows(options)
    if not found.known():
        return found
    for index, padding in enumerate(_each(options, "padding", len(found.over))):
        if padding == "causal" and found.stride[index] > 1:
            raise RecordError("causal padding needs stride 1: else a position of the result reads later ones", "padding")
    for index, (axis, new) in enumerate(zip(found.over, found.into, strict=True)):
        size = sizes.get(axis, UNKNOWN)
        if size != UNKNOWN:
            _check_count(found, index, size, sizes.get(new, UNKNOWN))
    return found


def _check_count(found: Windows, index: int, size: int, result: int) -> None:
    axis, new = found.over[index], found.into[index]
    padded = size + sum(found.pads[index])
    if found.extent(index) > padded:
        message = f"a window spans {found.extent(index)} positions, and axis `{axis}` has {padded} with its padding"
        raise RecordError(message, "kernel")
    count = found.count(index, size)
    if result not in (count, UNKNOWN) and new == axis:
        message = (
            f"axis `{axis}` has {size} positions and would have {count}: name the result's, `over: {{{axis}: ...}}`, one of size {count}"
        )
        raise RecordError(message, "over")
    if result not in (count, UNKNOWN):
        raise RecordError(f"axis `{new}` has {result} positions and should have {count}: `{axis}` has {size}", "over")


def causal_axes(options: Options) -> Axes:
    """The axes along which a window ends at its own position or before, and begins before it."""
    found = windows(options)
    spans = zip(found.over, found.stride, found.pads, map(found.extent, range(len(found.over))), strict=True)
    return tuple(axis for axis, stride, (before, _), extent in spans if stride == 1 and before >= extent - 1 > 0)


def taps(x: Tensor, found: Windows, signature: Signature) -> Iterator[tuple[tuple[int, ...], Tensor]]:
    """Each place in the window, with what all windows of x [..., *over] have there. For the references: no convolution is used."""
    import torch

    padded = torch.nn.functional.pad(x, [zeros for pads in reversed(found.pads) for zeros in pads])
    counts = [signature.sizes[axis] for axis in found.into]
    for places in product(*(range(kernel) for kernel in found.kernel)):
        part = padded
        for index, place in enumerate(places):
            first = place * found.dilation[index]
            last = first + (counts[index] - 1) * found.stride[index]
            dim = x.dim() - len(places) + index
            part = part.index_select(dim, torch.arange(first, last + 1, found.stride[index], device=x.device))
        yield places, part


def over_last(x: Tensor, source: Axes, last: Axes) -> tuple[Tensor, Axes]:
    """X [batch, *source] with some axes moved to the end, and the axes in their new order."""
    order = (*(axis for axis in source if axis not in last), *last)
    return x.permute(0, *(1 + source.index(axis) for axis in order)), order


def into_order(y: Tensor, axes: Axes, order: Axes) -> Tensor:
    """Y [batch, *axes] with its axes in another order."""
    return y.permute(0, *(1 + axes.index(axis) for axis in order))
