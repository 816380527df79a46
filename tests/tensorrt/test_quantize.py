"""Eight bits: what is rounded, what is not, and what it costs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from exporters.onnx.files import write_graph
from exporters.onnx.quantized import write_quantized
from hopgraph.errors import HopgraphError
from hopgraph.export.calibrate import largest_values
from hopgraph.export.products import find_sites
from hopgraph.export.quantize import GRIDS, quantize
from hopgraph.lower.model import Model
from tests.tensorrt.conftest import examples, random_model, request_of

ERROR = {"int8": 0.05, "fp8": 0.1}
"""More than a small random model loses, by twice."""


def float_graph(model: Model, folder: Path) -> Path:
    return folder / write_graph(request_of(model), folder).file


def run(path: Path, inputs: NDArray[Any]) -> NDArray[Any]:
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {session.get_inputs()[0].name: inputs})[0])


def saved(model: ir.Model, folder: Path) -> Path:
    ir.save(model, folder / "eight.onnx", external_data="eight.data")
    return folder / "eight.onnx"


def stored(model: ir.Model) -> dict[str, ir.TensorProtocol]:
    return {name: value.const_value for name, value in model.graph.initializers.items() if value.const_value is not None}


@pytest.mark.parametrize("dtype", GRIDS)
def test_the_model_is_nearly_the_same(model: Model, dtype: str, tmp_path: Path) -> None:
    source = float_graph(model, tmp_path)
    eight = saved(quantize(source, dtype, examples()), tmp_path)
    (inputs, _) = examples(seed=7)
    wanted = run(source, inputs)
    error = np.linalg.norm(run(eight, inputs) - wanted) / np.linalg.norm(wanted)
    assert 1e-4 < error < ERROR[dtype]


@pytest.mark.parametrize("dtype", GRIDS)
def test_products_are_rounded_and_norms_are_not(model: Model, dtype: str, tmp_path: Path) -> None:
    eight = quantize(float_graph(model, tmp_path), dtype, examples())
    rounded = {value for node in eight.graph if node.op_type == "DequantizeLinear" for value in node.outputs}
    readers = Counter(use.op_type for value in rounded for use in value.consumers() if use.op_type != "Transpose")
    assert set(readers) <= {"MatMul", "Gemm"}
    assert readers.total() >= 2 * len(find_sites(ir.load(tmp_path / "model.onnx").graph)) - 4
    kinds = Counter(tensor.dtype.name for tensor in stored(eight).values() if tensor.size > 1 and tensor.dtype != ir.DataType.INT64)
    assert kinds[{"int8": "INT8", "fp8": "FLOAT8E4M3FN"}[dtype]] == 9


def test_a_weight_has_a_scale_for_each_output_channel(model: Model, tmp_path: Path) -> None:
    eight = stored(quantize(float_graph(model, tmp_path), "int8", examples()))
    weights = model.state_dict()
    name = "readout.linear.weight"
    scale, numbers = eight[f"{name}.scale"].numpy(), eight[f"{name}.q"].numpy()
    assert scale.shape == (10,)
    np.testing.assert_array_equal(np.abs(numbers).max(axis=1), 127)
    np.testing.assert_allclose(numbers * scale[:, None], weights[name].numpy(), atol=float(scale.max()) / 2 * 1.001)


def test_a_tied_weight_is_stored_once_with_one_scale(tmp_path: Path) -> None:
    tied = random_model(variant="symmetric,digits")
    source = float_graph(tied, tmp_path)
    eight = stored(quantize(source, "int8", examples()))
    weights = [name for name, tensor in eight.items() if tensor.dtype == ir.DataType.INT8 and tensor.size > 1]
    assert len(weights) == len(set(weights)) == 5
    assert [eight[name.replace(".q", ".scale")].numpy().ndim for name in sorted(weights)] == [0, 0, 0, 0, 1]


def test_what_reads_the_input_is_not_rounded(model: Model, tmp_path: Path) -> None:
    """Inputs that are ten times larger than any example are not cut."""
    source = float_graph(model, tmp_path)
    eight = quantize(source, "int8", examples())
    assert not any("patch_embed" in name for name in stored(eight) if name.endswith(".q"))


def test_the_ranges_are_those_of_the_examples(model: Model, tmp_path: Path) -> None:
    source = float_graph(model, tmp_path)
    names = {str(site.value.name) for site in find_sites(ir.load(source).graph)}
    some, all_ = (largest_values(source, names, given) for given in (examples()[:1], examples()))
    assert set(some) == names
    assert all(all_[name] >= some[name] > 0 for name in names)
    assert any(all_[name] > some[name] for name in names)
    assert [path.name for path in tmp_path.glob("*.ranges.onnx")] == []


def loop_file(folder: Path) -> Path:
    """x <- 2 x W, three times, as a loop."""
    weight = ir.Value(
        name="w", type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape([2, 2]), const_value=ir.tensor(np.eye(2, dtype=np.float32))
    )
    weight.const_value = ir.tensor(np.array([[2.0, 0.0], [0.0, 1.0]], dtype=np.float32), name="w")
    trips = ir.Value(
        name="trips", type=ir.TensorType(ir.DataType.INT64), shape=ir.Shape([]), const_value=ir.tensor(np.int64(3), name="trips")
    )
    state = ir.val("state", dtype=ir.DataType.FLOAT, shape=["batch", 2])
    step, on = ir.val("step", dtype=ir.DataType.INT64, shape=[]), ir.val("on", dtype=ir.DataType.BOOL, shape=[])
    still = ir.node("Identity", [on], outputs=[ir.val("still", dtype=ir.DataType.BOOL, shape=[])])
    scaled = ir.node("Identity", [state], outputs=[ir.val("scaled", dtype=ir.DataType.FLOAT, shape=["batch", 2])])
    moved = ir.node(
        "MatMul", [scaled.outputs[0], weight], outputs=[ir.val("moved", dtype=ir.DataType.FLOAT, shape=["batch", 2])], name="inner"
    )
    body = ir.Graph([step, on, state], [still.outputs[0], moved.outputs[0]], nodes=[still, scaled, moved], name="body")
    given = ir.val("x", dtype=ir.DataType.FLOAT, shape=["batch", 2])
    doubled = ir.node("Add", [given, given], outputs=[ir.val("doubled", dtype=ir.DataType.FLOAT, shape=["batch", 2])])
    loop = ir.node(
        "Loop", [trips, None, doubled.outputs[0]], {"body": body}, outputs=[ir.val("y", dtype=ir.DataType.FLOAT, shape=["batch", 2])]
    )
    graph = ir.Graph([given], loop.outputs, nodes=[doubled, loop], initializers=[weight, trips], opset_imports={"": 20}, name="loop")
    ir.save(ir.Model(graph, ir_version=10), folder / "loop.onnx")
    return folder / "loop.onnx"


@pytest.mark.parametrize("dtype", GRIDS)
def test_a_product_in_a_loop_has_the_range_of_every_step(dtype: str, tmp_path: Path) -> None:
    source = loop_file(tmp_path)
    given = np.array([[1.0, 1.0], [-3.0, 0.5]], dtype=np.float32)
    assert largest_values(source, ["scaled"], [given]) == {"scaled": 24.0}  # 2 * 3, doubled twice: what the third step reads
    eight = quantize(source, dtype, [given])
    scale = stored(eight)["scaled.scale"].numpy()
    np.testing.assert_allclose(scale * GRIDS[dtype].largest, 24.0)
    np.testing.assert_allclose(run(saved(eight, tmp_path), given), run(source, given), rtol=0.1, atol=0.2)


@pytest.mark.parametrize("dtype", GRIDS)
def test_two_files_hold_the_form_and_repeat(dtype: str, tmp_path: Path) -> None:
    tied = random_model(variant="symmetric,digits")
    found: list[list[bytes]] = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        built = write_quantized(request_of(tied, dtype, given=examples()), tmp_path / name)
        assert built.files == (f"model.{dtype}.onnx", f"model.{dtype}.safetensors")
        assert sorted(path.name for path in (tmp_path / name).iterdir()) == sorted(built.files)
        found.append([(tmp_path / name / file).read_bytes() for file in built.files])
    assert found[0] == found[1]
    assert b"/tmp" not in found[0][0]
    (inputs, _) = examples(seed=7)
    wanted = run(float_graph(tied, tmp_path), inputs)
    error = np.linalg.norm(run(tmp_path / "a" / f"model.{dtype}.onnx", inputs) - wanted) / np.linalg.norm(wanted)
    assert error < ERROR[dtype]


def test_without_examples_the_diagnostic_asks_for_data(model: Model, tmp_path: Path) -> None:
    with pytest.raises(HopgraphError, match="int8 needs data") as caught:
        quantize(float_graph(model, tmp_path), "int8", ())
    assert caught.value.diagnostics[0].code == "exporter-failed"


def test_without_products_there_is_nothing_to_round(tmp_path: Path) -> None:
    given = ir.val("x", dtype=ir.DataType.FLOAT, shape=["batch", 2])
    node = ir.node("Relu", [given], outputs=[ir.val("y", dtype=ir.DataType.FLOAT, shape=["batch", 2])])
    ir.save(ir.Model(ir.Graph([given], node.outputs, nodes=[node], opset_imports={"": 20}), ir_version=10), tmp_path / "relu.onnx")
    with pytest.raises(HopgraphError, match="no product of the model has weights that could be in fp8"):
        quantize(tmp_path / "relu.onnx", "fp8", examples())
