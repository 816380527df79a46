"""Every shipped spec and every construct computes in ONNX Runtime what the model computes in float64, in float32 and in float16."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from hopgraph.export.parity import TOLERANCE
from hopgraph.runtime import BundleError
from hopgraph.runtime.onnx import ONNXRUNTIME
from tests.onnx.models import Case, constructs, families, forms_of, write

CASES = [*families(("symmetric", "broken")), *constructs()]
MORE = [form for case in families(()) for form in forms_of(case) if form not in CASES]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_onnx_runtime_computes_what_the_model_computes(case: Case, dtype: str, tmp_path: Path) -> None:
    assert write(case.model(), tmp_path, dtype).error() <= TOLERANCE[dtype]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("case", MORE, ids=str)
def test_so_it_does_in_every_other_variant(case: Case, dtype: str, tmp_path: Path) -> None:
    assert write(case.model(), tmp_path, dtype).error() <= TOLERANCE[dtype]


@pytest.mark.parametrize("case", [Case("vit", "digits"), Case("poolformer", "digits"), Case("masked_mixer", "text")], ids=str)
def test_bfloat16_is_valid_onnx_and_said_not_to_run_here(case: Case, tmp_path: Path) -> None:
    """`write_graph` has the types checked; ONNX Runtime's CPU has no products in bfloat16."""
    written = write(case.model(), tmp_path, "bfloat16")
    kinds = {tensor.data_type for tensor in written.graph.initializer}
    assert onnx.TensorProto.BFLOAT16 in kinds
    with pytest.raises(BundleError, match=r"`model.bfloat16.onnx` cannot be run on this machine") as caught:
        ONNXRUNTIME.open(written.opening())
    assert caught.value.code == "runtime-unavailable"


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_inputs_and_outputs_are_float32_with_a_batch_of_any_size(dtype: str, tmp_path: Path) -> None:
    graph = write(Case("paramixer", "digits").model(), tmp_path, dtype).graph
    for value in (*graph.input, *graph.output):
        assert value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        assert value.type.tensor_type.shape.dim[0].dim_param == "batch"
    assert [value.name for value in (*graph.input, *graph.output)] == ["image", "readout_linear"]


def test_statistics_are_computed_in_float32(tmp_path: Path) -> None:
    """A norm of large numbers: their squares are beyond float16."""
    settings = ("dims.C=16", "dims.depth=2", "block.layers.x.lagrangian={rmsnorm: {over: c}}")
    model = Case("paramixer", "broken,digits", settings).model()
    for name, tensor in model.state_dict().items():
        if name.startswith("encoder"):
            tensor.mul_(1e3)
    assert write(model, tmp_path, "float16").error() <= TOLERANCE["float16"]
