"""The softmax over the positions that a mask keeps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hopgraph.program.operations.flops import each
from hopgraph.program.operations.norms import SOFTMAX, softmax_onnx, softmax_torch
from hopgraph.program.operations.record import Operation, Site, same

# A mask is 1 at the positions [q, k] that it keeps and 0 elsewhere. It has axes of its own, q and k, in the order that x
# has them, and size 1 between them.


def _bounds(site: Site) -> tuple[int | None, int | None]:
    """The least and the greatest k - q that are kept; of `off_diagonal`, that are dropped."""
    width = site.attributes["width"]
    return {"causal": (None, 0), "strict": (None, -1), "off_diagonal": (0, 0), "band": (-width, width)}[site.attributes["keep"]]


def _sizes(site: Site) -> tuple[int, int]:
    x = site.inputs[0]
    row, column = site.attributes["between"]
    return x.size(row), x.size(column)


def _transposed(site: Site) -> bool:
    """Whether x has the axis k before q."""
    row, column = site.attributes["between"]
    return site.dim(column) < site.dim(row)


def _shape(site: Site) -> tuple[int, ...]:
    """The mask's shape, which broadcasts to x."""
    axes, first = site.inputs[0].axes, min(site.dim(axis) for axis in site.attributes["between"]) - 1
    return tuple(site.inputs[0].size(axis) if axis in site.attributes["between"] else 1 for axis in axes[first:])


def _mask(library: Any, site: Site, ones: Any) -> Any:
    """The mask, from a matrix of ones, by the `tril` and `triu` of torch or of numpy."""
    low, high = _bounds(site)
    if _transposed(site):
        low, high = (None if high is None else -high), (None if low is None else -low)
    mask = ones if high is None else library.tril(ones, high)
    mask = mask if low is None else library.triu(mask, low)
    return (1 - mask if site.attributes["keep"] == "off_diagonal" else mask).reshape(_shape(site))


def _matrix_sizes(site: Site) -> tuple[int, int]:
    rows, columns = _sizes(site)
    return (columns, rows) if _transposed(site) else (rows, columns)


def has_empty(site: Site) -> bool:
    """Whether the softmax has a row of which nothing is kept."""
    (low, high), (rows, columns) = _bounds(site), _sizes(site)
    if site.attributes["keep"] == "off_diagonal":
        kept = [columns - (row < columns) for row in range(rows)]
    else:
        first, last = -math.inf if low is None else low, math.inf if high is None else high
        kept = [min(columns - 1, row + last) >= max(0, row + first) for row in range(rows)]
    return not any(kept) if site.attributes["between"][0] in site.attributes["over"] else not all(kept)


def _mask_dims(site: Site) -> tuple[int, ...]:
    """The dimensions of the mask that the softmax is over, counted from the end."""
    return tuple(dim - site.rank for axis in site.attributes["between"] if axis in site.attributes["over"] for dim in (site.dim(axis),))


def mask_torch(t: Any, site: Site, like: Any) -> Any:
    """The mask, of the dtype and on the device of another tensor."""
    return _mask(t, site, like.new_ones(_matrix_sizes(site)))


def _masked_torch(t: Any, site: Site, x: Any) -> Any:
    """softmax(x + log mask); a row of which nothing is kept is left as it is and multiplied by 0, so that it is never 0 / 0."""
    mask = mask_torch(t, site, x)
    if not has_empty(site):
        return softmax_torch(t, site, x + mask.log())
    filled = mask + (1 - mask.amax(_mask_dims(site), keepdim=True))
    return softmax_torch(t, site, x + filled.log()) * mask


def mask_offsets(site: Site) -> tuple[str, Any]:
    """A name and an array of what is added to x before the softmax: 0, or minus infinity; 0 throughout a row that keeps nothing."""
    import numpy as np

    mask = _mask(np, site, np.ones(_matrix_sizes(site), np.float32))
    filled = mask + (1 - mask.max(_mask_dims(site), keepdims=True)) if has_empty(site) else mask
    with np.errstate(divide="ignore"):
        return _name("log_mask", site), np.log(filled)


def _masked_onnx(o: Any, site: Site, x: Any) -> Any:
    import numpy as np

    weights = softmax_onnx(o, site, o("Add", x, o.constant(*mask_offsets(site))))
    if not has_empty(site):
        return weights
    return o("Mul", weights, o.constant(_name("mask", site), _mask(np, site, np.ones(_matrix_sizes(site), np.float32))))


def _masked_flops(site: Site) -> int:
    """Those of a softmax, of what is added before it, and of the product after it where a row may keep nothing."""
    return each(SOFTMAX + 1 + has_empty(site))(site)


def _name(kind: str, site: Site) -> str:
    """A name for a constant: the same for the same mask alone."""
    over = "".join("qk"[site.attributes["between"].index(axis)] for axis in site.attributes["between"] if axis in site.attributes["over"])
    parts: Sequence[object] = (kind, site.attributes["keep"], site.attributes["width"], *_shape(site), "t" * _transposed(site) + over)
    return "_".join(map(str, parts))


ROWS = (Operation("masked_softmax", same, _masked_torch, _masked_onnx, _masked_flops),)
