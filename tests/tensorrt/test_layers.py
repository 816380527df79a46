"""What an engine computes in, read from what the packages tell of it."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from exporters.tensorrt.layers import Layer, Reading, asked_of, layers_of_json, layers_of_text
from hopgraph.errors import HopgraphError

TOLD = """Layers:
Name: __shape, LayerType: shape_call, Inputs: [], Constants: [], Outputs: [], TacticName: , StreamId: 0, Metadata:\x20
Name: cast, LayerType: kgen, Inputs: [ { Name: x, Dimensions: [-1,16], Datatype: Float, Format: (Linear) Row major linear format }], \
Constants: [], Outputs: [ { Name: h, Dimensions: [-1,16], Datatype: Half, Format: (Linear) Row major linear format }], TacticName: a, \
StreamId: 0, Metadata: [ONNX Layer: cast_0]\x1e[ONNX Layer: node_0]
Name: node_0, LayerType: gemm, Inputs: [ { Name: h, Dimensions: [-1,16], Datatype: Half, Format: (Linear) Row major linear format }], \
Constants: [ { Name: w, Dimensions: [16,64], Datatype: Half, Format: (Transposed) Transposed format }, { Name: alpha, Dimensions: [1], \
Datatype: Float, Format: (Linear) Row major linear format }], Outputs: [ { Name: y, Dimensions: [-1,64], Datatype: BFloat16, Format: \
(Linear) Row major linear format }], TacticName: , StreamId: 0, Metadata: [ONNX Layer: node_0]

I/O Tensors:
 Name: x, IOMode: Input, DataType: Float, Dimensions: [-1,16], Location: Device
"""


def test_the_log_of_a_build_is_read() -> None:
    shape, cast, product = layers_of_text(TOLD)
    assert (shape.kind, shape.reads, shape.dtype) == ("shape_call", frozenset(), None)
    assert (cast.kind, cast.reads, cast.nodes) == ("kgen", {"float32"}, {"cast_0", "node_0"})
    assert (product.kind, product.reads, product.nodes) == ("gemm", {"float16", "float32"}, {"node_0"})
    assert product.dtype == "float16"


def tensor(key: str, told: str) -> dict[str, object]:
    return {"Name": "x", "Location": "Device", "Dimensions": [1, 16], key: told}


@pytest.mark.parametrize(
    ("key", "told", "dtype"),
    [
        ("Format/Datatype", "Half", "float16"),
        ("Format/Datatype", "Row major linear FP16 format", "float16"),
        ("Format/Datatype", "Row major linear FP32", "float32"),
        ("Format/Datatype", "Row major linear BFloat16 format", "bfloat16"),
        ("Format/Datatype", "Thirty-two wide channel vectorized row major Int8 format", "int8"),
        ("Datatype", "Float", "float32"),
        ("Datatype", "BF16", "bfloat16"),
        ("Datatype", "FP8", "fp8"),
    ],
)
def test_an_inspector_of_either_age_is_read(key: str, told: str, dtype: str) -> None:
    layer = {"Name": "a", "LayerType": "gemm", "Inputs": [tensor(key, told)], "Outputs": [tensor(key, "Float")]}
    found = layers_of_json(json.dumps({"Layers": [{**layer, "Metadata": "[ONNX Layer: node_0]"}, "a name alone"]}))
    assert found == (Layer("gemm", frozenset({dtype}), frozenset({"node_0"})),)


def reading(*layers: Layer) -> Reading:
    return Reading("the log of the build", layers)


def layer(kind: str, reads: str, *nodes: str) -> Layer:
    return Layer(kind, frozenset(reads.split()), frozenset(nodes))


def test_a_kernel_around_a_product_is_not_the_product() -> None:
    """The cast that is fused before a product reads float32 and bears its name."""
    found = reading(layer("kgen", "float32", "a", "cast"), layer("gemm", "float16 float32", "a"))
    found.require({"a": "float16"})
    assert found.facts({"a": "float16"}) == {
        "layers_read_from": "the log of the build",
        "layers": {"float16": 1, "float32": 1},
        "products": {"float16": 1},
    }


def test_a_product_in_a_wider_type_is_an_error() -> None:
    found = reading(layer("gemm", "float32", "a"), layer("gemm", "float16", "b"))
    with pytest.raises(HopgraphError, match="`a` reads float32, and float16 was asked for") as caught:
        found.require({"a": "float16", "b": "float16"})
    assert caught.value.diagnostics[0].code == "exporter-failed"
    assert "`b`" not in str(caught.value)


def test_a_product_by_a_generated_kernel_counts_where_no_other_has_it() -> None:
    with pytest.raises(HopgraphError, match="`a` reads float32"):
        reading(layer("kgen", "float32", "a")).require({"a": "int8"})


def test_layers_that_name_no_product_prove_nothing() -> None:
    with pytest.raises(HopgraphError, match="no layer of the engine names a product of the graph"):
        reading(layer("gemm", "float16", "z")).require({"a": "float16"})


def graph_file(folder: Path) -> Path:
    """A product of eight bits, one in a loop's body, and one of float32."""
    body = helper.make_graph(
        [
            helper.make_node("DequantizeLinear", ["q", "scale"], ["r"]),
            helper.make_node("MatMul", ["r", "w"], ["state_out"], name="inner"),
            helper.make_node("Identity", ["on"], ["on_out"]),
        ],
        "body",
        [helper.make_tensor_value_info(name, kind, None) for name, kind in (("i", 7), ("on", 9), ("state", 1))],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in (("on_out", 9), ("state_out", 1))],
    )
    nodes = [
        helper.make_node("Loop", ["count", "", "x"], ["y"], name="loop", body=body),
        helper.make_node("MatMul", ["y", "w"], ["z"], name="outer"),
        helper.make_node("Relu", ["z"], ["out"], name="relu"),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "g", [value("x", TensorProto.FLOAT, None)], [value("out", TensorProto.FLOAT, None)])
    onnx.save(helper.make_model(graph), str(folder / "model.onnx"))
    return folder / "model.onnx"


def test_what_was_asked_is_read_from_the_graph(tmp_path: Path) -> None:
    assert asked_of(graph_file(tmp_path), "int8") == {"outer": "float32", "inner": "int8"}
