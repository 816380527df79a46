"""add_sincos: the positions of Vaswani et al. (2017), added to a value."""

from __future__ import annotations

import math
from typing import Any

from hopgraph.program.operations.flops import each
from hopgraph.program.operations.record import Operation, Site, same

LONGEST = 10_000.0
"""The longest wavelength of the positions, in units of 2 pi."""


def _table(library: Any, places: Any, pairs: Any, features: int) -> Any:
    """[n, c]: sin(n / longest^(2 i / features)) at feature 2 i, the cosine at 2 i + 1; of columns of places n and rows of i."""
    angles = places * library.exp(pairs * (-2 * math.log(LONGEST) / features))
    return library.stack((library.sin(angles), library.cos(angles)), -1)


def _sizes(site: Site) -> tuple[int, int]:
    places, features = map(site.inputs[0].size, site.attributes["over"])
    return places, features


def _transposed(site: Site) -> bool:
    """Whether x has the features before the positions."""
    first, second = map(site.dim, site.attributes["over"])
    return second < first


def _shape(site: Site) -> tuple[int, ...]:
    """The table's shape, which broadcasts to x."""
    axes, over = site.inputs[0].axes, site.attributes["over"]
    return tuple(site.inputs[0].size(axis) if axis in over else 1 for axis in axes[min(map(axes.index, over)) :])


def _sincos_torch(t: Any, site: Site, x: Any) -> Any:
    (count, features), exact = _sizes(site), {"dtype": t.float64}
    places, pairs = (x.new_ones(size, **exact).cumsum(dim) - 1 for dim, size in enumerate(((count, 1), (1, features // 2))))
    table = _table(t, places, pairs, features).flatten(1)
    return x + (table.mT if _transposed(site) else table).reshape(_shape(site)).to(x)


def _sincos_onnx(o: Any, site: Site, x: Any) -> Any:
    import numpy as np

    count, features = _sizes(site)
    table = _table(np, np.arange(count)[:, None], np.arange(features // 2)[None, :], features).reshape(count, features)
    table = (table.T if _transposed(site) else table).reshape(_shape(site)).astype(np.float32)
    name = "_".join(map(str, ("sincos", *_shape(site), "t" if _transposed(site) else "n")))
    return o("Add", x, o.constant(name, table))


ROWS = (Operation("add_sincos", same, _sincos_torch, _sincos_onnx, each()),)
