"""The one table of operations: every target is lowered from it, a column each."""

from __future__ import annotations

from hopgraph.program.operations import (
    affine,
    attention,
    contract,
    elementwise,
    layout,
    masked,
    matrices,
    norms,
    positions,
    spatial,
    stochastic,
    two_layer,
)
from hopgraph.program.operations.record import Operation, Site

_TABLES = (affine, attention, contract, elementwise, layout, masked, matrices, norms, positions, spatial, stochastic, two_layer)

OPERATIONS: dict[str, Operation] = {row.name: row for table in _TABLES for row in table.ROWS}
"""Every operation by name. One more is one more row in one of these files; one more target is one more column."""

__all__ = ["OPERATIONS", "Operation", "Site"]
