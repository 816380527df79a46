r"""Lagrangians: a layer's state x, its Lagrangian L(x), and its activation g = dL/dx.

One record each. `value` is the formula of L and feeds the oracle alone; `activation` writes g into the program in closed
form. The two share nothing, so autograd of the one checks the other. A record also states what the certificate needs:
whether L is convex, the range of the activation's slope, and whether g acts element by element.

References: Krotov, "Hierarchical Associative Memory" (arXiv:2107.06446); Hoover et al., "A Universal Abstraction for
Hierarchical Hopfield Networks" (2022); Karakida, Ota and Taki (arXiv:2406.12220).
"""

from __future__ import annotations

from hopgraph.energy.lagrangians import affine, elementwise, norms, softmax
from hopgraph.energy.lagrangians.elementwise import GELU_MAX_SLOPE, GELU_MIN_SLOPE
from hopgraph.energy.lagrangians.record import Lagrangian, breaking_gain, gain_axes, over_axes, over_dims

LAGRANGIANS: dict[str, Lagrangian] = {
    record.name: record for rows in (elementwise.ROWS, affine.ROWS, softmax.ROWS, norms.ROWS) for record in rows
}
"""Every Lagrangian by name. One more is one more record."""

__all__ = ["GELU_MAX_SLOPE", "GELU_MIN_SLOPE", "LAGRANGIANS", "Lagrangian", "breaking_gain", "gain_axes", "over_axes", "over_dims"]
