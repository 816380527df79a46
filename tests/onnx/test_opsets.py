"""The opset is the lowest that has the model's nodes, and what is one node in some opset is one node."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from exporters.onnx import opsets
from hopgraph.export.parity import TOLERANCE
from tests.onnx.models import Case, Written, write

NORM = "block.layers.x.lagrangian={%s}"
TINY = ("dims.C=16", "dims.depth=1")


def paramixer(variant: str, norm: str | None = None) -> Case:
    return Case("paramixer", f"{variant},digits", TINY if norm is None else (*TINY, NORM % norm))


def nodes(written: Written) -> Counter[str]:
    return Counter(node.op_type for node in written.graph.node)


OPSETS: dict[str, tuple[Case, int, dict[str, int]]] = {
    "layernorm and relu": (paramixer("relu", "layernorm: {over: c}"), 18, {"LayerNormalization": 2}),
    "gelu": (paramixer("broken", "layernorm: {over: c}"), 20, {"Gelu": 2, "LayerNormalization": 2}),
    "a norm over everything": (paramixer("broken"), 20, {"Gelu": 2, "InstanceNormalization": 1, "LayerNormalization": 1, "Mul": 0}),
    "with a gain of some axes": (paramixer("relu", "layernorm: {over: [n, c], gain: [c]}"), 18, {"InstanceNormalization": 1, "Mul": 1}),
    "with a gain and a bias": (
        paramixer("relu", "layernorm: {over: c, gain: vector, bias: vector}"),
        18,
        {"LayerNormalization": 2, "Mul": 0},
    ),
    "of everything, with both": (paramixer("relu,official"), 18, {"LayerNormalization": 2, "InstanceNormalization": 0, "Mul": 0}),
    "rmsnorm with a gain": (paramixer("relu", "rmsnorm: {over: c, gain: vector}"), 23, {"RMSNormalization": 1, "Mul": 0}),
    "rmsnorm": (paramixer("relu", "rmsnorm: {over: c}"), 23, {"RMSNormalization": 1}),
    "rmsnorm of everything": (paramixer("relu", "rmsnorm: {over: [n, c]}"), 23, {"RMSNormalization": 1}),
    "a norm along the first axis": (paramixer("relu", "layernorm: {over: n}"), 18, {"ReduceMean": 3}),
    "attention": (Case("vit", "digits"), 23, {"Attention": 4, "Softmax": 0, "Einsum": 0}),
    "causal attention": (Case("masked_mixer", "transformer,text"), 23, {"Softmax": 0}),
    "attention with a tied key": (Case("vit", "symmetric,digits"), 20, {"Attention": 0, "Softmax": 4, "Einsum": 0}),
}


@pytest.mark.parametrize("name", OPSETS)
def test_the_opset_is_the_lowest_that_keeps_one_node_one(name: str, tmp_path: Path) -> None:
    case, opset, wanted = OPSETS[name]
    written = write(case.model(), tmp_path)
    assert written.built.facts["opset"] == opset
    found = nodes(written)
    assert {op_type: found[op_type] for op_type in wanted} == wanted
    assert written.error() <= TOLERANCE["float32"]


@pytest.mark.parametrize("name", OPSETS)
def test_a_model_for_an_old_runtime_has_no_newer_nodes(name: str, tmp_path: Path) -> None:
    written = write(OPSETS[name][0].model(), tmp_path, newest=20)
    assert written.built.facts["opset"] <= 20
    assert written.error() <= TOLERANCE["float32"]


def test_bfloat16_has_nodes_of_its_own_opsets() -> None:
    assert opsets.lowest([("Conv", "float32"), ("MatMul", "bfloat16")]) == opsets.BASE
    assert opsets.lowest([("Conv", "bfloat16")]) == 22
    assert opsets.lowest([]) == opsets.BASE
