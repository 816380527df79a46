"""Operations that make a matrix of weights, mask a matrix or a value, and the batch norm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hopgraph.energy.records import Value
from hopgraph.program.operations.flops import each, none
from hopgraph.program.operations.record import HALVES, Attributes, Operation, Site, Typed, same

# --- mask: zeros where row i and column j are not to be kept ---


def _mask_torch(t: Any, site: Site, x: Any) -> Any:
    axes = (site.attributes["rows"], site.attributes["columns"])
    if site.inputs[0].axes[-2:] == axes:
        return _kept(site, x)
    pattern = _kept(site, x.new_ones(tuple(map(site.inputs[0].size, axes))))
    return x * _across(site, pattern)


def _kept(site: Site, matrix: Any) -> Any:
    """A matrix, its last two dimensions the rows and columns, with zeros elsewhere."""
    width = site.attributes["width"]
    match site.attributes["pattern"]:
        case "causal":
            return matrix.tril()
        case "strict":
            return matrix.tril(-1)
        case "band":
            return matrix.tril(width).triu(-width)
        case _:
            return matrix.tril(-1) + matrix.triu(1)


def _across(site: Site, pattern: Any) -> Any:
    """A pattern [rows, columns] as it broadcasts to x."""
    value, axes = site.inputs[0], (site.attributes["rows"], site.attributes["columns"])
    pattern = pattern if value.axes.index(axes[0]) < value.axes.index(axes[1]) else pattern.mT
    return pattern.reshape(_pattern_shape(site))


def _pattern_shape(site: Site) -> tuple[int, ...]:
    axes = (site.attributes["rows"], site.attributes["columns"])
    value = site.inputs[0]
    return tuple(size if axis in axes else 1 for axis, size in zip(value.axes, value.shape, strict=True))


def _mask_onnx(o: Any, site: Site, x: Any) -> Any:
    import numpy as np

    axes = (site.attributes["rows"], site.attributes["columns"])
    rows, columns = map(site.inputs[0].size, axes)
    width, i, j = site.attributes["width"], np.arange(rows)[:, None], np.arange(columns)[None, :]
    tests = {"causal": j <= i, "strict": j < i, "off_diagonal": j != i, "band": abs(i - j) <= width}
    pattern = tests[site.attributes["pattern"]].astype(np.float32)
    turned = site.dim(axes[0]) > site.dim(axes[1])
    shape = _pattern_shape(site)
    name = "_".join(map(str, ("mask", site.attributes["pattern"], width, "turned" if turned else "", *shape)))
    return o("Mul", x, o.constant(name, (pattern.T if turned else pattern).reshape(shape)))


# --- toeplitz: W[i, j] = t[i - j + N - 1] of t [..., 2 N - 1], or W[i, j] = t[i - j] for j <= i of t [..., N] ---


def _toeplitz_shape(inputs: Sequence[Value], attributes: Attributes) -> Typed:
    t, size = inputs[0], attributes["size"]
    assert t.shape[-1] in (size, 2 * size - 1), f"{t} holds no diagonals of a matrix of {size}"
    return (*t.axes[:-1], attributes["rows"], attributes["columns"]), (*t.shape[:-1], size, size)


def _missing(site: Site) -> int:
    """How many diagonals, those above the main one, the input leaves out."""
    return 2 * site.attributes["size"] - 1 - site.inputs[0].shape[-1]


def _toeplitz_torch(t: Any, site: Site, diagonals: Any) -> Any:
    missing = _missing(site)
    diagonals = t.nn.functional.pad(diagonals, (missing, 0)) if missing else diagonals
    return diagonals.unfold(-1, site.attributes["size"], 1).flip(-1)


def _toeplitz_onnx(o: Any, site: Site, diagonals: Any) -> Any:
    import numpy as np

    missing, size = _missing(site), site.attributes["size"]
    if missing:
        diagonals = o("Pad", diagonals, o.integers((missing, 0)), o.number(0.0), o.integers((-1,)))
    places = np.arange(size, dtype=np.int64)
    return o("Gather", diagonals, o.constant(f"diagonals {size}", places[:, None] - places + size - 1), axis=-1)


# --- spectral_limit: W / max(1, sigma / limit), sigma the greatest singular value of W as a matrix of rows and columns ---


def _spectral_torch(t: Any, site: Site, weight: Any) -> Any:
    columns, rows = len(site.attributes["columns"]), len(site.attributes["rows"])
    matrix = weight.flatten(-columns, -1) if columns > 1 else weight
    matrix = matrix.flatten(-1 - rows, -2) if rows > 1 else matrix
    sigma = t.linalg.matrix_norm(matrix, ord=2)
    factor = (sigma / site.attributes["limit"]).clamp(min=1.0)
    leading = site.inputs[0].shape[: -rows - columns]
    return weight / (factor.reshape((*leading, *[1] * (rows + columns))) if leading else factor)


def _spectral_onnx(o: Any, site: Site, weight: Any) -> Any:
    raise AssertionError("ONNX has no singular values: a spectral limit is made of weights alone and is computed at export")


def _spectral_flops(site: Site) -> int:
    """4 m n^2 - 4 n^3 / 3 for the singular values of each matrix [m, n], m >= n (Golub and Van Loan, 2013), and a division an element."""
    columns, rows = len(site.attributes["columns"]), len(site.attributes["rows"])
    shape = site.inputs[0].shape
    n, m = sorted((math.prod(shape[-columns:]), math.prod(shape[-rows - columns : -columns])))
    return math.prod(shape[: -rows - columns]) * (4 * m * n**2 - 4 * n**3 // 3) + each()(site)


# --- batch norm ---


def _order(site: Site) -> tuple[int, ...]:
    """The dimensions with the batch first and then the channels; a transposition, and so its own inverse."""
    channel = site.dim(site.attributes["per"])
    order = list(range(site.rank))
    order[1], order[channel] = channel, 1
    return tuple(order)


def _batch_norm_torch(t: Any, site: Site, x: Any, weight: Any, bias: Any, mean: Any, var: Any, training: Any = False) -> Any:
    order = _order(site)
    turned = order[1] != 1
    x = x.permute(*order) if turned else x
    pixels = [site.inputs[0].shape[dim - 1] for dim in order[2:]]
    # torch (2.13, CPU) gives wrong gradients for images of one row or one column whose gradients have their channels last.
    narrow = len(pixels) == 2 and 1 in pixels
    x = x.flatten(2) if narrow else x
    given = {"training": training, "momentum": site.attributes["momentum"], "eps": site.attributes["eps"]}
    y = t.nn.functional.batch_norm(x, mean, var, weight, bias, **given)
    y = y.unflatten(2, pixels) if narrow else y
    return y.permute(*order) if turned else y


def _batch_norm_onnx(o: Any, site: Site, x: Any, weight: Any, bias: Any, mean: Any, var: Any) -> Any:
    order = _order(site)
    turned = order[1] != 1
    x = o("Transpose", x, perm=order) if turned else x
    y = o("BatchNormalization", x, weight, bias, mean, var, epsilon=site.attributes["eps"])
    return o("Transpose", y, perm=order) if turned else y


def _gain_torch(t: Any, site: Site, weight: Any, var: Any) -> Any:
    return weight * (var + site.attributes["eps"]).rsqrt()


def _gain_onnx(o: Any, site: Site, weight: Any, var: Any) -> Any:
    return o("Div", weight, o("Sqrt", o("Add", var, o.number(site.attributes["eps"]))))


ROWS = (
    Operation("mask", same, _mask_torch, _mask_onnx, each()),
    Operation("toeplitz", _toeplitz_shape, _toeplitz_torch, _toeplitz_onnx, none),
    Operation("spectral_limit", same, _spectral_torch, _spectral_onnx, _spectral_flops),
    Operation("batch_norm", same, _batch_norm_torch, _batch_norm_onnx, each(2), training=True, float32=HALVES),
    Operation("batch_norm_gain", same, _gain_torch, _gain_onnx, each(3)),
)
