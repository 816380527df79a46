"""attention: softmax(scale q k^T + mask) v of query [q, h, y], key [k, h, y] and value [k, h, z]; there may be no heads h."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hopgraph.energy.records import Value
from hopgraph.program.operations.masked import mask_offsets, mask_torch
from hopgraph.program.operations.norms import SOFTMAX
from hopgraph.program.operations.record import Attributes, Operation, Site, Typed


def _shape(inputs: Sequence[Value], attributes: Attributes) -> Typed:
    query, _, value = inputs
    return tuple(attributes["out"]), (*query.shape[:-1], value.shape[-1])


def _is_causal(site: Site) -> bool:
    """Whether each query reads the keys up to its own, as kernels know it."""
    query, key, _ = site.inputs
    return site.attributes["keep"] == "causal" and query.shape[0] == key.shape[0]


def _weights_site(site: Site) -> Site:
    """The masked softmax in it, of logits [q, k]."""
    sizes = (site.inputs[0].shape[0], site.inputs[1].shape[0])
    logits = Value("logits", ("q", "k"), sizes)
    kept = {name: site.attributes[name] for name in ("keep", "width")}
    return Site((logits,), logits, {**kept, "between": ("q", "k"), "over": ("k",)})


def _torch(t: Any, site: Site, query: Any, key: Any, value: Any) -> Any:
    """Attention on [batch, h, positions, features]."""
    heads = len(site.inputs[0].axes) == 3
    given = [tensor.transpose(1, 2) if heads else tensor for tensor in (query, key, value)]
    about: dict[str, Any] = {"scale": site.attributes["scale"]}
    if _is_causal(site):
        about["is_causal"] = True
    elif site.attributes["keep"] != "all":
        about["attn_mask"] = mask_torch(t, _weights_site(site), query).log()
    y = t.nn.functional.scaled_dot_product_attention(*given, **about)
    return y.transpose(1, 2) if heads else y


def _onnx(o: Any, site: Site, *values: Any) -> Any:
    """One Attention node on [batch, positions, h * features], or products and a softmax where the opset has none."""
    if not o.has("Attention"):
        return _by_products(o, site, *values)
    heads = site.inputs[0].shape[1] if len(site.inputs[0].axes) == 3 else 1
    sizes = ((value.shape[0], math.prod(value.shape[1:])) for value in site.inputs)
    given = [o.reshape(value, (0, *size)) for value, size in zip(values, sizes, strict=True)]
    about: dict[str, Any] = {"q_num_heads": heads, "kv_num_heads": heads, "scale": site.attributes["scale"]}
    if _is_causal(site):
        about["is_causal"] = 1
    elif site.attributes["keep"] != "all":
        given.append(o.constant(*mask_offsets(_weights_site(site))))
    found = (0, site.output.shape[0], math.prod(site.output.shape[1:]))
    return o.reshape(o("Attention", *given, **about), (0, *site.output.shape), found)


def _by_products(o: Any, site: Site, query: Any, key: Any, value: Any) -> Any:
    """MatMul, Mul, Add, Softmax, MatMul: what engines make one kernel of."""
    heads = len(site.inputs[0].axes) == 3
    first, turned, last = ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]) if heads else (None, [0, 2, 1], None)
    logits = o("MatMul", query if first is None else o("Transpose", query, perm=first), o("Transpose", key, perm=turned))
    logits = logits if site.attributes["scale"] == 1 else o("Mul", logits, o.number(site.attributes["scale"]))
    if site.attributes["keep"] != "all":
        logits = o("Add", logits, o.constant(*mask_offsets(_weights_site(site))))
    weights = o("Softmax", logits, axis=-1)
    y = o("MatMul", weights, value if first is None else o("Transpose", value, perm=first))
    return y if last is None else o("Transpose", y, perm=last)


def _flops(site: Site) -> int:
    """Two products, and between them a softmax with its scale and its mask."""
    query, key, value = site.inputs
    weights = math.prod(query.shape[:-1]) * key.shape[0]
    steps = SOFTMAX + (site.attributes["scale"] != 1) + (site.attributes["keep"] != "all")
    return weights * (2 * query.shape[-1] + steps + 2 * value.shape[-1])


ROWS = (Operation("attention", _shape, _torch, _onnx, _flops),)
