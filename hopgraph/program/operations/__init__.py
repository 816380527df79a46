"""The one table of operations: every target is lowered from it, a column each."""

from __future__ import annotations

from hopgraph.program.operations import affine, contract, elementwise, layout, norms
from hopgraph.program.operations.record import Operation, Site

OPERATIONS: dict[str, Operation] = {
    row.name: row for rows in (contract.ROWS, elementwise.ROWS, norms.ROWS, affine.ROWS, layout.ROWS) for row in rows
}
"""Every operation by name. One more is one more row in one of these files; one more target is one more column."""

__all__ = ["OPERATIONS", "Operation", "Site"]
