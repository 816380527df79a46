"""Steps as a loop: one node whatever their number, and what the unrolled graph computes."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from hopgraph.export.parity import TOLERANCE, relative_error, sample_inputs
from tests.onnx.models import Case, write

SMALL = ("dims.C=16", "dims.depth=2")
CASES = [
    Case("paramixer", "symmetric,digits", (*SMALL, "block.steps=5")),
    Case("paramixer", "asymmetric,digits", (*SMALL, "block.steps=2")),
    Case("energy_transformer", "digits"),
    Case("energy_transformer", "broken,digits"),
    Case("hopfield", "continuous,digits", ("block.steps=4",)),
    *(
        Case(str(Path(__file__).parents[1] / "constructs" / "slow_pair.yaml"), variant)
        for variant in (None, "parallel", "decay", "clamped")
    ),
]
"""Of one slow layer and of two, with a layer that is clamped, with weights that are computed."""


def loops(graph: onnx.GraphProto) -> list[onnx.GraphProto]:
    return [node.attribute[0].g for node in graph.node if node.op_type == "Loop"]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_loop_computes_what_the_steps_compute(case: Case, dtype: str, tmp_path: Path) -> None:
    model = case.model()
    inputs = sample_inputs(model)
    unrolled = write(model, tmp_path, dtype)
    wanted = unrolled.run(inputs)
    assert loops(unrolled.graph) == []
    loop = write(model, tmp_path, dtype, "loop")
    assert len(loops(loop.graph)) == len(model.ham.blocks)
    assert loop.error() <= TOLERANCE[dtype]
    assert relative_error(loop.run(inputs), wanted) <= TOLERANCE[dtype]


def test_its_size_does_not_depend_on_the_number_of_steps(tmp_path: Path) -> None:
    few, many = (
        write(Case("paramixer", "symmetric,digits", (*SMALL, f"block.steps={steps}")).model(), tmp_path, steps="loop") for steps in (2, 64)
    )
    assert few.built.facts == many.built.facts
    assert [len(body.node) for body in loops(few.graph)] == [len(body.node) for body in loops(many.graph)]


def test_weights_and_what_is_computed_from_them_stand_outside(tmp_path: Path) -> None:
    model = Case("paramixer", "asymmetric,digits", (*SMALL, "block.steps=3")).model()
    graph = write(model, tmp_path, steps="loop").graph
    bodies = loops(graph)
    assert len(bodies) == 2
    assert all(not body.initializer for body in bodies)
    names = {tensor.name for tensor in graph.initializer}
    read = {name for body in bodies for node in body.node for name in node.input}
    assert "computed:blocks_0_token_penalized_x_x_dense_weight" in names & read
    assert not any("penalized" in node.name and node.op_type == "Add" for body in bodies for node in body.node)
