"""Attention as one node: statements that compute softmax(scale q k^T + mask) v become the operation `attention`.

They do so where nothing else reads a step of theirs: a tied pull on a key reads the softmax too, and stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import onnx_ir as ir

from exporters.onnx.builder import NodeBuilder
from exporters.onnx.fusion import Fusion, Item, by_name
from hopgraph.program.operations import Site
from hopgraph.program.operations.masked import has_empty, mask_offsets
from hopgraph.program.program import Statement

ATTENTION = "attention"
"""The operation that takes the place of the last of the statements. It reads query [q, h, y], key [k, h, y] and value [k, h, z]."""


def find_attention(items: Sequence[Item]) -> Iterator[Fusion]:
    """Every attention among statements."""
    before = by_name(items)
    for item in before.values():
        found = _match(item, before)
        if found is not None:
            yield found


def _match(last: Statement, before: Mapping[str, Statement]) -> Fusion | None:
    """The attention that ends with a product of weights [h, q, k] and a value [k, h, z], if one does."""
    heads = _heads(last)
    weights = before.get(last.inputs[0])
    if heads is None or weights is None or weights.op not in ("softmax", "masked_softmax") or not _attends(weights):
        return None
    scaled = before.get(weights.inputs[0])
    scale = scaled.attributes["factor"] if scaled is not None and scaled.op == "scale" else 1.0
    logits = before.get(scaled.inputs[0]) if scaled is not None and scaled.op == "scale" else scaled
    if logits is None or not _compares(logits) or any(name not in before for name in (*logits.inputs, last.inputs[1])):
        return None
    steps = tuple(dict.fromkeys((weights.output.name, weights.inputs[0], logits.output.name)))
    attributes = {"heads": heads, "scale": scale, "softmax": weights}
    return Fusion(replace(last, op=ATTENTION, inputs=(*logits.inputs, last.inputs[1]), attributes=attributes), steps)


def _heads(last: Statement) -> int | None:
    """How many heads a product [h, q, k] [k, h, z] -> [q, h, z] has; none for another product. There may be no axis h."""
    if last.op != "contract" or [len(labels) for labels in last.attributes["labels"]] not in ([2, 2], [3, 3]):
        return None
    weights, value = last.attributes["labels"]
    *heads, q, k = weights
    fits = value[:-1] == (k, *heads) and tuple(last.attributes["out"]) == (q, *heads, value[-1])
    distinct = len({*weights, value[-1]}) == len(weights) + 1
    return (last.output.shape[1] if heads else 1) if fits and distinct else None


def _attends(weights: Statement) -> bool:
    """Whether a softmax is over k of [h, q, k], and keeps something in every row."""
    *_, q, k = weights.output.axes
    if tuple(weights.attributes["over"]) != (k,):
        return False
    return weights.op == "softmax" or (tuple(weights.attributes["between"]) == (q, k) and not has_empty(_softmax_site(weights)))


def _compares(logits: Statement) -> bool:
    """Whether a product is [q, h, y] [k, h, y] -> [h, q, k]."""
    if logits.op != "contract" or [len(labels) for labels in logits.attributes["labels"]] not in ([2, 2], [3, 3]):
        return False
    query, key = logits.attributes["labels"]
    (q, *heads, y), (k, *_) = query, key
    return key == (k, *heads, y) and tuple(logits.attributes["out"]) == (*heads, q, k) and len({q, k, y, *heads}) == 3 + len(heads)


def _softmax_site(weights: Statement) -> Site:
    return Site((weights.output,), weights.output, weights.attributes)


def emit_attention(o: NodeBuilder, site: Site, *values: ir.Value) -> ir.Value:
    """One Attention node on [batch, positions, heads * features]."""
    heads, weights = site.attributes["heads"], site.attributes["softmax"]
    sizes = ((value.shape[0], math.prod(value.shape[1:])) for value in site.inputs)
    given = [o("Reshape", value, o.integers((0, *size))) for value, size in zip(values, sizes, strict=True)]
    about: dict[str, Any] = {"q_num_heads": heads, "kv_num_heads": heads, "scale": site.attributes["scale"]}
    if weights.op == "masked_softmax":
        mask = _softmax_site(weights)
        if weights.attributes["keep"] == "causal" and len(set(weights.output.shape[-2:])) == 1:
            about["is_causal"] = 1
        else:
            name, offsets = mask_offsets(mask)
            given.append(o.constant(name, offsets.reshape(weights.output.shape[-2:])))
    return o("Reshape", o("Attention", *given, **about), o.integers((0, *site.output.shape)))
