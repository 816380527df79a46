"""Linear maps: what a factor sees a layer's activation through, and the exact adjoint that its pull applies.

One record each. <y, A x> = <A* y, x> is tested for every record (tests/laws).
"""

from __future__ import annotations

from hopgraph.energy.maps.dense import DENSE
from hopgraph.energy.maps.record import LinearMap, Signature

MAPS: dict[str, LinearMap] = {record.name: record for record in (DENSE,)}
"""Every linear map by name. One more is one more record."""

__all__ = ["MAPS", "LinearMap", "Signature"]
