"""Graphs of every length: at each they compute what the model of that length computes in float64; and dims that cannot vary."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

import hopgraph
from exporters.onnx import write_graph
from exporters.onnx.opsets import NEWEST
from exporters.tensorrt import OPSET as OF_ENGINES
from hopgraph.errors import HopgraphError
from hopgraph.export.exporter import Options, Request
from hopgraph.export.lengths import Lengths, at_length, tried
from hopgraph.export.parity import TOLERANCE, port_of_input, reference, relative_error, sample
from hopgraph.lower.model import Model, compile_model
from hopgraph.runtime import Predict
from hopgraph.runtime.onnx import ONNXRUNTIME
from tests.onnx.models import Case, Written, constructs, families

ENCODER = str(Path(__file__).parent / "encoder.yaml")
GOLDEN = Path(__file__).parents[1] / "golden" / "dynamic.txt"
MIXER = Case("masked_mixer", "transformer,text", ("dims.T=12", "dims.C=16", "dims.depth=2"))
FORMS = (None, "bare", "band", "norm", "last", "sincos", "convolution", "class_token", "class_token,tail")
CASES = [MIXER, *(Case(ENCODER, form) for form in FORMS)]


@cache
def model_of(case: Case) -> Model:
    return case.model()


@cache
def at(case: Case, length: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Inputs of a length, and what the model of that length makes of them in float64."""
    model = model_of(case)
    shorter = compile_model(at_length(model.spec, "T", length))
    shorter.load_state_dict(model.state_dict())
    inputs = sample(port_of_input(shorter), 1 + length % 4, np.random.default_rng(length))
    return inputs, reference(shorter, [inputs])[0]


def written(case: Case, folder: Path, dtype: str = "float32", steps: str = "unroll", newest: int = NEWEST, dim: str = "T") -> Written:
    model = model_of(case)
    request = Request(model.spec, dict(model.state_dict()), dtype, Options(steps, dynamic=dim))
    return Written(model, folder, dtype, write_graph(request, folder, newest))


def drawn(case: Case) -> list[int]:
    """The shortest and the longest input, and three of those between."""
    largest = model_of(case).spec.ham.dims["T"]
    between = np.random.default_rng(largest).choice(np.arange(2, largest), 3, replace=False)
    return [1, *map(int, between), largest]


@pytest.mark.parametrize(
    ("dtype", "steps", "newest"),
    [
        ("float32", "unroll", OF_ENGINES),
        ("float16", "loop", OF_ENGINES),
        ("float32", "loop", NEWEST),
        ("float16", "unroll", NEWEST),
    ],
)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_length_computes_what_the_model_of_that_length_computes(
    case: Case, dtype: str, steps: str, newest: int, tmp_path: Path
) -> None:
    predict = ONNXRUNTIME.open(written(case, tmp_path, dtype, steps, newest).opening())
    pairs = [at(case, length) for length in drawn(case)]
    assert relative_error([predict(inputs) for inputs, _ in pairs], [outputs for _, outputs in pairs]) <= TOLERANCE[dtype]


def dims_of(value: onnx.ValueInfoProto) -> list[str | int]:
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


def test_the_length_bears_the_name_of_the_dim(tmp_path: Path) -> None:
    for case, outputs in ((MIXER, ["T", 256]), (Case(ENCODER, "class_token"), ["T + 1", 8]), (Case(ENCODER), [5])):
        folder = tmp_path / str(case)
        folder.mkdir()
        graph = written(case, folder).graph
        assert dims_of(graph.input[0]) == ["batch", "T"]
        assert dims_of(graph.output[0]) == ["batch", *outputs]
        assert {size for value in graph.value_info for size in dims_of(value)[1:]} & {"T", model_of(case).spec.ham.dims["T"]} == {"T"}


def test_a_mask_is_cut_once_for_all_layers_where_there_is_no_attention_node(tmp_path: Path) -> None:
    """Opset 23 has a causal attention that needs none."""
    for newest, cuts, attentions in ((OF_ENGINES, 2, 0), (NEWEST, 0, 2)):
        nodes = [node.op_type for node in written(MIXER, tmp_path, newest=newest).graph.node]
        assert (nodes.count("Slice"), nodes.count("Shape"), nodes.count("Attention")) == (cuts, cuts // 2, attentions)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_weights_are_those_of_a_graph_of_one_length(dtype: str, tmp_path: Path) -> None:
    model = model_of(MIXER)
    (tmp_path / "one").mkdir()
    (tmp_path / "every").mkdir()
    built = write_graph(Request(model.spec, dict(model.state_dict()), dtype), tmp_path / "one")
    every = written(MIXER, tmp_path / "every", dtype)
    assert every.built.files == built.files
    assert (tmp_path / "one" / built.files[1]).read_bytes() == (tmp_path / "every" / built.files[1]).read_bytes()
    assert (every.built.facts["dynamic"], "dynamic" in built.facts) == ("T", False)


def test_the_lengths_that_are_tried() -> None:
    assert tried(64) == (1, 2, 7, 32, 63)
    assert tried(3) == (1, 2)
    assert tried(1) == ()


def test_a_dim_of_a_tensor_may_vary_and_may_not_be_called_t(tmp_path: Path) -> None:
    graph = written(Case(ENCODER, "vectors"), tmp_path, dim="side").graph
    assert dims_of(graph.input[0]) == ["batch", "side", 8]
    assert Lengths.of(model_of(Case(ENCODER, "vectors")).spec, "side").axis == 0


REFUSED = [
    (Case(ENCODER), "X"),
    (Case(ENCODER), "C"),
    (Case(ENCODER), "heads"),
    (Case(ENCODER, "tail"), "T"),
    *(
        (Case(ENCODER, variant), "T")
        for variant in ("positions", "depth", "turns", "step", "beta", "strict", "flat", "pooled", "vectors", "single")
    ),
    (Case(ENCODER, "square"), "side"),
    (
        Case(
            ENCODER,
            "norm",
            ("input={tokens: {length: 2 * T, vocabulary: V}}", "block.axes.n=2 * T", "block.axes.q=2 * T", "block.axes.k=2 * T"),
        ),
        "T",
    ),
    (Case("masked_mixer", "text", ("dims.T=8", "dims.C=8", "dims.depth=1")), "T"),
]
"""A dim that is none; of which the weights are; of no axis of the input, or two; of what is computed; and one that is 1."""


def refusal(case: Case, dim: str, folder: Path) -> str:
    spec = hopgraph.load(case.spec, case.variant, case.settings)
    model = compile_model(spec)
    with pytest.raises(HopgraphError) as caught:
        write_graph(Request(spec, dict(model.state_dict()), options=Options(dynamic=dim)), folder)
    assert [found.code for found in caught.value.diagnostics] == ["dim-fixed"]
    assert list(folder.iterdir()) == []
    return f"{case}: --dynamic {dim}\n{caught.value}\n"


def test_what_cannot_vary_is_named(tmp_path: Path, update_goldens: bool) -> None:
    told = "\n".join(refusal(case, dim, tmp_path) for case, dim in REFUSED)
    if update_goldens:
        GOLDEN.write_text(told, encoding="utf-8")
    assert told == GOLDEN.read_text(encoding="utf-8")


def test_a_loop_of_as_many_turns_cannot_vary(tmp_path: Path) -> None:
    model = model_of(Case(ENCODER, "turns"))
    with pytest.raises(HopgraphError, match=r"`x_.*` \(Loop\) is computed in another way where it is 8"):
        write_graph(Request(model.spec, dict(model.state_dict()), options=Options("loop", dynamic="T")), tmp_path)


def opened(case: Case, dim: str, folder: Path) -> Predict | None:
    """What runs a graph of every length; none where the dim is fixed."""
    try:
        return ONNXRUNTIME.open(written(case, folder, newest=OF_ENGINES, dim=dim).opening())
    except HopgraphError as error:
        if [found.code for found in error.diagnostics] != ["dim-fixed"]:
            raise
        return None


@pytest.mark.slow
@pytest.mark.parametrize("case", [*families(("transformer", "hybrid", "classifier", "retrieval")), *constructs()], ids=str)
def test_every_dim_of_every_spec_is_named_as_fixed_or_varies(case: Case, tmp_path: Path) -> None:
    model = model_of(case)
    for dim in model.spec.ham.dims:
        predict = opened(case, dim, tmp_path)
        if predict is None:
            continue
        for spec in Lengths.of(model.spec, dim).shorter.values():
            shorter = compile_model(spec)
            shorter.load_state_dict(model.state_dict())
            inputs = sample(port_of_input(shorter), 3, np.random.default_rng(0))
            assert relative_error([predict(inputs)], reference(shorter, [inputs])) <= TOLERANCE["float32"]
