"""The Lagrangian whose activation is a softmax, over all positions or over those that a mask keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema, model_validator

from hopgraph.energy.lagrangians.record import Lagrangian, over_axes, over_dims
from hopgraph.energy.lagrangians.temperature import Tempered, beta_of, beta_parameters, greatest_beta, tempered
from hopgraph.energy.options import (
    PAIR,
    AxisList,
    AxisName,
    DimField,
    JsonSchema,
    OptionModel,
    either,
    mapping_of,
    name_list,
    without_null,
    wrong,
)
from hopgraph.energy.records import Axes, Emitter, Options, RecordError, Value, Weights

if TYPE_CHECKING:
    from torch import Tensor

PATTERNS = ("causal", "strict", "off_diagonal", "band")


def _two(value: Any) -> Any:
    axes = name_list(value)
    if axes is None or len(axes) != 2 or axes[0] == axes[1]:
        raise wrong("two axes: that of the rows, and that of the positions which each row keeps or not")
    return axes


Two = Annotated[tuple[AxisName, AxisName], BeforeValidator(_two), WithJsonSchema(PAIR)]


class Mask(OptionModel):
    """Which positions k a row q keeps: `causal` k <= q, `strict` k < q, `off_diagonal` k != q, `band` |k - q| <= width."""

    causal: Two | None = None
    strict: Two | None = None
    off_diagonal: Two | None = None
    band: Two | None = None
    width: DimField | None = None

    @model_validator(mode="after")
    def _one_pattern(self) -> Mask:
        if len(self.model_fields_set & set(PATTERNS)) != 1 or ("band" in self.model_fields_set) != ("width" in self.model_fields_set):
            raise wrong("one of `causal`, `strict`, `off_diagonal` with two axes, or `{band: [q, k], width: 2}`")
        return self

    @classmethod
    def as_written(cls, mapping: JsonSchema) -> JsonSchema:
        """Two axes under the name of a pattern, and of a band its width."""
        fields = {name: without_null(field) for name, field in mapping["properties"].items()}
        plain = [mapping_of({name: fields[name]}, name) for name in PATTERNS if name != "band"]
        return either(*plain, mapping_of({name: fields[name] for name in ("band", "width")}, "band", "width"))


def _given(mask: Mask) -> dict[str, Any]:
    """What was given of a mask, as plain data."""
    return {field: getattr(mask, field) for field in type(mask).model_fields if getattr(mask, field) is not None}


class Softmax(Tempered):
    """`over`, the axes that sum to one; `beta`, the inverse temperature; `mask`, the positions that take part."""

    over: AxisList
    mask: Annotated[Mask, AfterValidator(_given)] | None = None


def pattern(options: Options) -> tuple[str, Axes, int] | None:
    """The mask's pattern, its axes and its width; None without a mask."""
    mask = options.get("mask")
    if mask is None:
        return None
    name = next(field for field in PATTERNS if mask.get(field))
    return name, tuple(mask[name]), mask.get("width") or 0


def _check(options: Options, axes: Axes) -> None:
    mask = pattern(options)
    for axis in mask[1] if mask else ():
        if axis not in axes:
            raise RecordError(f"the layer has no axis `{axis}`, which the mask names", "mask", axis, axes)
    if mask and mask[1][1] not in over_axes(options):
        over = ", ".join(over_axes(options))
        raise RecordError(f"the mask keeps positions along `{mask[1][1]}`, and the softmax is over [{over}]", "mask")


def _softmax(x: Tensor, axes: Axes, o: Options, w: Mapping[str, Tensor]) -> Tensor:
    beta, dims = beta_of(o, w), over_dims(o, axes)
    if o.get("mask") is None:
        return (x * beta).logsumexp(dims, keepdim=True) / beta
    kept = _kept(x, axes, o)
    empty = kept.logical_not().all(dims[0], keepdim=True)
    for dim in dims[1:]:
        empty = empty.all(dim, keepdim=True)
    scores = (x * beta).masked_fill((kept | empty).logical_not(), float("-inf"))  # a row without positions: L = 0, and so g
    return (scores.logsumexp(dims, keepdim=True) / beta).masked_fill(empty, 0.0)


def _kept(x: Tensor, axes: Axes, o: Options) -> Tensor:
    """Whether the mask keeps a position, with every dimension of x; those that it does not look at have size 1."""
    mask = pattern(o)
    assert mask is not None
    name, (row, column), width = mask
    shape = [size if axis in (row, column) else 1 for axis, size in zip(("", *axes), x.shape, strict=True)]
    ones = x.new_ones(shape)
    q, k = ones.cumsum(1 + axes.index(row)), ones.cumsum(1 + axes.index(column))
    if name == "band":
        return (k - q).abs() <= width
    return {"causal": k <= q, "strict": k < q, "off_diagonal": k != q}[name]


def _activation(emit: Emitter, x: Value, options: Options, weights: Weights, hint: str) -> Value:
    scores, over, mask = tempered(emit, x, options, weights), over_axes(options), pattern(options)
    if mask is None:
        return emit.op("softmax", scores, hint=hint, over=over)
    name, between, width = mask
    return emit.op("masked_softmax", scores, hint=hint, over=over, keep=name, between=between, width=width)


def _coupled(options: Options) -> None:
    return None


def _lipschitz(options: Options) -> float:
    """The Jacobian beta (diag g - g g^T) has norm at most beta / 2."""
    return greatest_beta(options) / 2


ROWS = (
    Lagrangian(
        "softmax",
        Softmax,
        _softmax,
        _activation,
        _coupled,
        _lipschitz,
        "1/beta logsumexp(beta @)",
        r"\tfrac{1}{\beta} \log \sum e^{\beta @}",
        beta_parameters,
        _check,
    ),
)
