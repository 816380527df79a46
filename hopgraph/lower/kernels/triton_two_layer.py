"""The kernel of a two-layer synapse: u = W^T f(W g + b) + c in one pass over W. Importing this module imports triton.

A program computes a block of rows, all C features of them. It goes over the hidden units in blocks and loads each block of W once, for
both products: neither the hidden values nor what comes before f are ever written to memory. Sums are float32, f(z) is rounded to the dtype
of W as it is where it is written to memory.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import triton
from torch import Tensor
from triton.language import constexpr, tensor

from hopgraph.lower.kernels.tiles import Numbers, Tile, padded

tl: Any = triton.language  # in a kernel nothing has a type that Python knows
_SQRT_HALF = constexpr(math.sqrt(0.5))


@triton.jit
def activated(z: tensor, activation: constexpr) -> tensor:
    """f(z), by name; what is chosen by a constant is chosen when the kernel is compiled."""
    if activation == "relu":
        y = tl.maximum(z, 0.0)
    elif activation == "squared_relu":
        y = tl.maximum(z, 0.0) * tl.maximum(z, 0.0)
    elif activation == "gelu":
        y = (tl.erf(z * _SQRT_HALF) * 0.5 + 0.5) * z
    elif activation == "tanh":
        y = 2.0 * tl.sigmoid(2.0 * z) - 1.0
    else:
        tl.static_assert(activation == "sigmoid")
        y = tl.sigmoid(z)
    return y


@triton.jit
def two_layer_kernel(
    g: tensor,
    weight: tensor,
    bias: tensor,
    offset: tensor,
    u: tensor,
    rows: tensor,
    features: constexpr,
    hidden: constexpr,
    inner: constexpr,
    transposed: constexpr,
    has_bias: constexpr,
    has_offset: constexpr,
    activation: constexpr,
    precision: constexpr,
    block_rows: constexpr,
    block_units: constexpr,
    block_features: constexpr,
) -> None:
    """Computes u of a block of rows. Row r lies at r // inner * features * inner + r % inner, its features `inner` apart.

    What is filled up does no harm: rows and features beyond the last are not stored, and a hidden unit beyond the last has W = 0.
    """
    row = tl.program_id(0).to(tl.int64) * block_rows + tl.arange(0, block_rows)
    feature = tl.arange(0, block_features)
    place = (row // inner * features * inner + row % inner)[:, None] + feature[None, :] * inner
    inside = (row < rows)[:, None] & (feature < features)[None, :]
    x = tl.load(g + place, inside, 0.0)
    total = tl.zeros((block_rows, block_features), tl.float32)
    for start in range(0, hidden, block_units):
        unit = start + tl.arange(0, block_units)
        known = (unit < hidden)[:, None] & (feature < features)[None, :]
        where = unit[:, None] + feature[None, :] * hidden if transposed else unit[:, None] * features + feature[None, :]
        w = tl.load(weight + where, known, 0.0)
        z = tl.dot(x, tl.trans(w), input_precision=precision)
        if has_bias:
            z += tl.load(bias + unit, unit < hidden, 0.0).to(tl.float32)[None, :]
        total = tl.dot(activated(z, activation).to(w.dtype), w, total, input_precision=precision)
    if has_offset:
        total += tl.load(offset + feature, feature < features, 0.0).to(tl.float32)[None, :]
    tl.store(u + place, total.to(x.dtype), inside)


def launch(
    tile: Tile,
    numbers: Numbers,
    g: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    offset: Tensor | None,
    activation: str,
    transposed: bool,
    dim: int,
) -> Tensor:
    """u, of contiguous tensors of one dtype on one device."""
    u, features = torch.empty_like(g), g.size(dim)
    sizes = (features, weight.numel() // features, math.prod(g.shape[g.ndim + dim + 1 :]))
    precision = "tf32" if numbers == "tf32" else "ieee"
    blocks = (tile.rows, tile.units, padded(features))
    rows, how = g.numel() // features, {"num_warps": tile.warps, "num_stages": tile.stages, "enable_fp_fusion": True}
    grid = (math.ceil(rows / tile.rows),)
    kernel: Any = two_layer_kernel  # constants are given as they are
    given = (transposed, bias is not None, offset is not None)
    kernel[grid](g, weight, bias, offset, u, rows, *sizes, *given, activation, precision, *blocks, **how)
    return u
