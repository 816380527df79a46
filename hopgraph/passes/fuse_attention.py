"""fuse-attention: softmax(scale q k^T + mask) v as one operation, for which runtimes have a kernel that never stores the weights.

Only where nothing else reads a step of it: a tied pull on the key reads the softmax too, and stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hopgraph.errors import Findings
from hopgraph.passes.base import Pass
from hopgraph.passes.fusion import Before, Fusion, Types, fused
from hopgraph.passes.sound import ensures
from hopgraph.program.operations import Site
from hopgraph.program.operations.masked import has_empty
from hopgraph.program.program import Program, Statement


def run(program: Program, findings: Findings) -> Program:
    """Every attention."""
    return fused(program, _attentions)


def _attentions(before: Before, types: Types) -> Iterator[Fusion]:
    for item in before.values():
        found = _match(item, before)
        if found is not None and all(types[name].batched for name in found.statement.inputs):
            yield found


def _match(last: Statement, before: Before) -> Fusion | None:
    """The attention that ends with a product of weights [h, q, k] and a value [k, h, z], if one does."""
    weights = before.get(last.inputs[0])
    if not _mixes(last) or weights is None or weights.op not in ("softmax", "masked_softmax") or not _attends(weights):
        return None
    scaled = before.get(weights.inputs[0])
    scale = scaled.attributes["factor"] if scaled is not None and scaled.op == "scale" else 1.0
    logits = before.get(scaled.inputs[0]) if scaled is not None and scaled.op == "scale" else scaled
    if logits is None or not _compares(logits) or logits.output.shape != weights.output.shape:
        return None
    steps = tuple(dict.fromkeys((weights.output.name, weights.inputs[0], logits.output.name)))
    attributes = {"out": last.output.axes, "scale": scale, **_mask(weights)}
    return Fusion(Statement(last.output, "attention", (*logits.inputs, last.inputs[1]), attributes), steps)


def _mask(weights: Statement) -> dict[str, Any]:
    """What of the positions is kept."""
    if weights.op == "softmax":
        return {"keep": "all", "width": 0}
    return {name: weights.attributes[name] for name in ("keep", "width")}


def _mixes(last: Statement) -> bool:
    """Whether a statement is the product [h, q, k] [k, h, z] -> [q, h, z]. There may be no axis h."""
    if last.op != "contract" or [len(labels) for labels in last.attributes["labels"]] not in ([2, 2], [3, 3]):
        return False
    weights, value = last.attributes["labels"]
    *heads, q, k = weights
    fits = value[:-1] == (k, *heads) and tuple(last.attributes["out"]) == (q, *heads, value[-1])
    return fits and len({*weights, value[-1]}) == len(weights) + 1


def _attends(weights: Statement) -> bool:
    """Whether a softmax is over k of [h, q, k], and keeps something in every row."""
    *_, q, k = weights.output.axes
    if tuple(weights.attributes["over"]) != (k,):
        return False
    if weights.op == "softmax":
        return True
    return tuple(weights.attributes["between"]) == (q, k) and not has_empty(Site((weights.output,), weights.output, weights.attributes))


def _compares(logits: Statement) -> bool:
    """Whether a statement is the product [q, h, y] [k, h, y] -> [h, q, k]."""
    if logits.op != "contract" or [len(labels) for labels in logits.attributes["labels"]] not in ([2, 2], [3, 3]):
        return False
    query, key = logits.attributes["labels"]
    (q, *heads, y), (k, *_) = query, key
    return key == (k, *heads, y) and tuple(logits.attributes["out"]) == (*heads, q, k) and len({q, k, y, *heads}) == 3 + len(heads)


PASS = Pass("fuse-attention", run, ensures)
