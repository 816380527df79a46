"""Encoder and readout operations: what stands outside the energy, between the data and the block.

One record each: `shape` is the rule for the axes and sizes, `parameters` the tensors to learn, `emit` writes the program.
"""

from __future__ import annotations

from hopgraph.frontend.ends import features, images, layout, tokens
from hopgraph.frontend.ends.record import End, Shape

ENDS: dict[str, End] = {record.name: record for rows in (images.ROWS, tokens.ROWS, features.ROWS, layout.ROWS) for record in rows}
"""Every encoder and readout operation by name. One more is one more record."""

__all__ = ["ENDS", "End", "Shape"]
