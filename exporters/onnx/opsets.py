"""The opset of a model: the lowest that has its nodes, so that old runtimes read what they can."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

BASE = 17
"""The opset of a model whose nodes are in neither table; it has LayerNormalization."""
NEWEST = 23
"""The newest opset whose nodes are used."""

SINCE: Mapping[str, int] = {
    "Pad": 18,
    "ReduceMax": 18,
    "ReduceMean": 18,
    "Gelu": 20,
    "Attention": 23,
    "RMSNormalization": 23,
}
"""The opset from which on a node exists, or has the inputs that it is written with."""

BFLOAT16_SINCE: Mapping[str, int] = {"AveragePool": 22, "Conv": 22}
"""The opset from which on a node takes bfloat16."""


def since(op_type: str, dtype: str) -> int:
    """The first opset that has a node in a dtype."""
    return max(SINCE.get(op_type, BASE), BFLOAT16_SINCE.get(op_type, BASE) if dtype == "bfloat16" else BASE)


def lowest(nodes: Iterable[tuple[str, str]]) -> int:
    """The lowest opset that has nodes, each told by its type and its dtype."""
    return max((since(op_type, dtype) for op_type, dtype in nodes), default=BASE)
