"""Linear maps: what a factor sees a layer's activation through, and the exact adjoint that its pull applies.

One record each. <y, A x> = <A* y, x> is tested for every record (tests/laws).
"""

from __future__ import annotations

from hopgraph.energy.maps.convolution import CONV
from hopgraph.energy.maps.dense import DENSE
from hopgraph.energy.maps.pointwise import BATCH_NORM, MASK, RENAME, SCALE
from hopgraph.energy.maps.pooling import POOL
from hopgraph.energy.maps.record import LinearMap, Signature

_RECORDS = (DENSE, CONV, POOL, SCALE, MASK, RENAME, BATCH_NORM)

MAPS: dict[str, LinearMap] = {record.name: record for record in _RECORDS}
"""Every linear map by name. One more is one more record."""

__all__ = ["MAPS", "LinearMap", "Signature"]
