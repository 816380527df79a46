"""ONNX of the mixers in every form that a spec can give them, the second opinion of torch's own exporter, and the bytes of tied weights."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import onnxruntime as ort
import pytest
import torch

import hopgraph
from exporters.tensorrt import EXPORTER as ENGINES
from hopgraph.export import parity
from hopgraph.export.exporter import Request
from hopgraph.export.parity import TOLERANCE, relative_error
from hopgraph.program.operations import OPERATIONS
from tests.deploy.conftest import SMALL
from tests.onnx.models import Case, constructs, write

OVERLAYS = ["symmetric,digits", "asymmetric,digits", "broken,digits", "vanilla,digits", "relu,digits"]
SETTINGS = [
    (),
    ("block.steps=3",),
    ("block.update.form=decay", "block.update.step=0.5"),
    ("block.layers.x.lagrangian={layernorm: {over: c, gain: vector, bias: vector}}",),
    ("block.layers.x.lagrangian={layernorm: {over: n, gain: [c]}}",),
    ("block.layers.x.lagrangian={rmsnorm: {over: [n, c], gain: [n, c]}}", "block.layers.s.lagrangian={repu: {n: 3}}"),
    ("block.layers.x.lagrangian={spherical: {over: c, gain: [n]}}", "block.layers.h.lagrangian=sigmoid"),
    ("block.layers.x.lagrangian={tanh: {beta: 2}}", "block.layers.s.lagrangian={softmax: {over: k, beta: 0.5}}"),
    ("block.layers.x.lagrangian={softmax: {over: [n, c]}}", "block.layers.h.lagrangian=identity"),
    ("block.synapses.channel.factors.x.through=[{dense: {c: m, bias: true}}]",),
    ("block.synapses.token.factors.x.through=[{dense: {n: k, bias: true}}]",),
    ("block.synapses.channel.factors.x.through=[{dense: {c: c, bias: true}}, {dense: {c: m}}]",),
    ("block.axes.q=N", "block.synapses.token.factors.x={layer: x, rename: {n: q}, through: [{dense: {q: k}}]}"),
]


def case(overlay: str, settings: tuple[str, ...] = ()) -> Case:
    if "vanilla" in overlay and any("block.update" in setting for setting in settings):
        settings = ("block.update.form=decay",)  # the step is the groups' own
    return Case("paramixer", overlay, (*SMALL, *settings))


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: "; ".join(settings) or "as shipped")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_onnx_runtime_computes_what_the_model_computes(overlay: str, settings: tuple[str, ...], tmp_path: Path) -> None:
    assert write(case(overlay, settings).model(), tmp_path).error() <= TOLERANCE["float32"]


def test_every_operation_is_emitted_by_some_case() -> None:
    cases = [*(case(overlay, settings) for overlay in OVERLAYS for settings in SETTINGS), *constructs()]
    used = {statement.op for each in cases for statement in each.model().program.flat()}
    assert used == set(OPERATIONS) - {"two_layer"}, "of which tests/kernels has cases: its pass must be asked for"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_torch_exports_the_same_function(overlay: str, tmp_path: Path) -> None:
    """torch.onnx.export(dynamo=True) of the same module is the second opinion."""
    written = write(case(overlay).model(), tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        images, shapes = (torch.randn(3, 1, 8, 8),), ({0: torch.export.Dim("batch")},)
        program = torch.onnx.export(written.model, images, dynamo=True, verbose=False, dynamic_shapes=shapes)
    assert program is not None
    theirs: Any = ort.InferenceSession(program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"])
    inputs = parity.sample_inputs(written.model)
    wanted = [theirs.run(None, {theirs.get_inputs()[0].name: batch})[0] for batch in inputs]
    assert relative_error(written.run(inputs), wanted) <= TOLERANCE["float32"]


def test_symmetric_over_broken_in_bytes_at_mixer_size(tmp_path: Path) -> None:
    sizes: list[tuple[int, int]] = []
    for variant in ("symmetric", "broken"):
        model = hopgraph.compile("paramixer", f"{variant},imagenet,S16", ["dims.depth=2", "dims.classes=10"])
        (tmp_path / variant).mkdir()
        built = write(model, tmp_path / variant).built
        sizes.append((model.program.parameter_count, sum((tmp_path / variant / name).stat().st_size for name in built.files)))
    (tied, tied_bytes), (own, own_bytes) = sizes
    assert tied / own <= 0.60  # the encoder and readout weigh more at depth 2 than at depth 8
    assert tied_bytes / own_bytes == pytest.approx(tied / own, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("construct", constructs(), ids=str)
def test_every_construct_builds_an_engine(construct: Case, tmp_path: Path) -> None:
    model = construct.model()
    built = ENGINES.build(Request(model.spec, dict(model.state_dict())), tmp_path)
    assert (tmp_path / built.file).stat().st_size > 10_000
