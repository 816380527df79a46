"""drop_path: stochastic depth, which leaves a value out at random in training. Huang et al. (2016)."""

from __future__ import annotations

from typing import Any

from hopgraph.program.operations.flops import none
from hopgraph.program.operations.record import Operation, Site, same


def _drop_path_torch(t: Any, site: Site, x: Any, training: Any = False) -> Any:
    """Each element of the batch times 0 with probability `rate`, else times 1 / (1 - rate); x itself in evaluation."""
    rows = x.flatten(1) if site.rank > 2 else x
    kept = t.nn.functional.dropout1d(rows, site.attributes["rate"], training)
    return kept.reshape((-1, *site.output.shape)) if site.rank > 2 else kept


def _drop_path_onnx(o: Any, site: Site, x: Any) -> Any:
    return x


ROWS = (Operation("drop_path", same, _drop_path_torch, _drop_path_onnx, none, training=True),)
