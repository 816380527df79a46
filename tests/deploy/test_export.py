"""Export: ONNX from our own program, against ONNX Runtime, against torch's exporter, and as a real engine."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

import hopgraph
from exporters import onnx as onnx_exporter
from exporters import tensorrt as tensorrt_exporter
from hopgraph.errors import HopgraphError
from hopgraph.export import parity
from hopgraph.export.bundle import Bundle, export, open_bundle
from hopgraph.export.exporter import Request, exporters, find_exporter
from hopgraph.export.parity import TOLERANCE, check_parity, reference, relative_error
from hopgraph.lower.model import Model
from hopgraph.lower.verify import randomise
from hopgraph.program.operations import OPERATIONS
from hopgraph.train.data import Images
from hopgraph.train.run import Run
from tests.deploy.conftest import SMALL, VARIANTS


def random_model(variant: str, settings: tuple[str, ...] = SMALL) -> Model:
    """A model with random weights, none at its initial value."""
    model = hopgraph.compile("paramixer", variant, settings)
    randomise(model, torch.Generator().manual_seed(1))
    return model.eval()


def emitted(model: Model) -> onnx.ModelProto:
    return onnx_exporter.emit(model.program, model.state_dict())


def session(model: onnx.ModelProto) -> Any:
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


OVERLAYS = [
    *[f"{name},digits" for name in VARIANTS],
    "relu,digits",
]
SETTINGS = [
    SMALL,
    (*SMALL, "block.steps=3"),
    (*SMALL, "block.update.form=decay", "block.update.step=0.5"),
    (*SMALL, "block.layers.x.lagrangian={layernorm: {over: c, gain: vector, bias: vector}}"),
    (*SMALL, "block.layers.x.lagrangian={layernorm: {over: n, gain: [c]}}"),
    (*SMALL, "block.layers.x.lagrangian={rmsnorm: {over: [n, c], gain: [n, c]}}", "block.layers.s.lagrangian={repu: {n: 3}}"),
    (*SMALL, "block.layers.x.lagrangian={spherical: {over: c, gain: [n]}}", "block.layers.h.lagrangian=sigmoid"),
    (*SMALL, "block.layers.x.lagrangian={tanh: {beta: 2}}", "block.layers.s.lagrangian={softmax: {over: k, beta: 0.5}}"),
    (*SMALL, "block.layers.x.lagrangian={softmax: {over: [n, c]}}", "block.layers.h.lagrangian=identity"),
    (*SMALL, "block.synapses.channel.factors.x.through=[{dense: {c: m, bias: true}}]"),
    (*SMALL, "block.synapses.token.factors.x.through=[{dense: {n: k, bias: true}}]"),
    (*SMALL, "block.synapses.channel.factors.x.through=[{dense: {c: c, bias: true}}, {dense: {c: m}}]"),
    (*SMALL, "block.axes.q=N", "block.synapses.token.factors.x={layer: x, rename: {n: q}, through: [{dense: {q: k}}]}"),
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: "; ".join(settings[2:]) or "as shipped")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_onnx_runtime_computes_what_the_model_computes(overlay: str, settings: tuple[str, ...]) -> None:
    if "vanilla" in overlay and any("block.update" in setting for setting in settings):
        settings = (*settings[:2], "block.update.form=decay")
    model = random_model(overlay, settings)
    run = session(emitted(model))
    inputs = parity.sample_inputs(model)
    assert [len(batch) for batch in inputs] == [1, 2, 7]
    outputs = [run.run(None, {"image": batch})[0] for batch in inputs]
    assert relative_error(outputs, reference(model, inputs)) <= TOLERANCE["float32"]


CONSTRUCTS = [
    (path, variant)
    for path in sorted((Path(__file__).parents[1] / "constructs").glob("*.yaml"))
    for variant in (None, *hopgraph.load(path).variant_names)
]
"""The specs that together use the whole language."""


def construct(path: Path, variant: str | None) -> Model:
    """A model of one of them, with random weights."""
    model = hopgraph.compile(path, variant)
    randomise(model, torch.Generator().manual_seed(1))
    return model.eval()


@pytest.mark.parametrize(("path", "variant"), CONSTRUCTS, ids=[f"{path.stem} {variant or ''}" for path, variant in CONSTRUCTS])
def test_every_construct_computes_the_same_in_onnx_runtime(path: Path, variant: str | None) -> None:
    model = construct(path, variant)
    proto = emitted(model)
    onnx.checker.check_model(proto, full_check=True)
    run = session(proto)
    inputs = parity.sample_inputs(model)
    outputs = [run.run(None, {model.ham.input.kind: batch})[0] for batch in inputs]
    assert relative_error(outputs, reference(model, inputs)) <= TOLERANCE["float32"]


@pytest.mark.slow
@pytest.mark.parametrize(("path", "variant"), CONSTRUCTS, ids=[f"{path.stem} {variant or ''}" for path, variant in CONSTRUCTS])
def test_every_construct_builds_an_engine(path: Path, variant: str | None, tmp_path: Path) -> None:
    model = construct(path, variant)
    facts = tensorrt_exporter.build(Request(model.spec, dict(model.state_dict())), tmp_path)
    assert facts["package"] in tensorrt_exporter.PACKAGES
    assert (tmp_path / tensorrt_exporter.EXPORTER.file).stat().st_size > 10_000


def test_every_operation_is_emitted_by_some_case() -> None:
    models = [random_model(overlay, settings) for overlay in OVERLAYS for settings in SETTINGS]
    models += [construct(path, variant) for path, variant in CONSTRUCTS]
    used = {statement.op for model in models for statement in model.program.flat()}
    assert used == set(OPERATIONS)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_torch_exports_the_same_function(overlay: str) -> None:
    """torch.onnx.export(dynamo=True) of the same module is the second opinion."""
    model = random_model(overlay)
    images = torch.randn(3, 1, 8, 8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(model, (images,), dynamo=True, verbose=False, dynamic_shapes=({0: torch.export.Dim("batch")},))
    assert program is not None
    theirs = session(program.model_proto)
    ours = session(emitted(model))
    for batch in parity.sample_inputs(model):
        wanted = theirs.run(None, {theirs.get_inputs()[0].name: batch})[0]
        assert relative_error(ours.run(None, {"image": batch}), [wanted]) <= TOLERANCE["float32"]


def test_weights_keep_their_names_and_tied_ones_stand_once(runs: dict[str, Run]) -> None:
    model = runs["symmetric"].model
    initializers = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in emitted(model).graph.initializer}
    for parameter in model.program.parameters:
        if not parameter.positive:
            np.testing.assert_array_equal(initializers[parameter.name], model.get_parameter(parameter.name).detach().numpy())
    large = [name for name, array in initializers.items() if array.size >= 64]
    assert len(large) == sum(parameter.size >= 64 for parameter in model.program.parameters)


def test_equal_weights_stay_apart() -> None:
    """Two norms that start equal are two initializers: merging by value would tie them for ever."""
    names = {tensor.name for tensor in emitted(hopgraph.compile("paramixer", "vanilla,digits", SMALL)).graph.initializer}
    assert {"blocks_0_norm_0_x_gain", "blocks_0_norm_1_x_gain", "blocks_1_norm_0_x_gain"} <= names


def test_two_exports_are_equal_and_name_no_machine(runs: dict[str, Run]) -> None:
    model = runs["broken"].model
    first, second = (emitted(model).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second
    assert str(Path.home()).encode() not in first
    assert str(Path(__file__).resolve().parents[2]).encode() not in first


def test_symmetric_over_broken_in_bytes_at_mixer_size() -> None:
    sizes: list[tuple[int, int]] = []
    for variant in ("symmetric", "broken"):
        model = hopgraph.compile("paramixer", f"{variant},imagenet,S16", ["dims.depth=2", "dims.classes=10"])
        sizes.append((model.program.parameter_count, emitted(model).ByteSize()))
    (tied, tied_bytes), (own, own_bytes) = sizes
    assert tied / own <= 0.60  # the encoder and readout weigh more at depth 2 than at depth 8
    assert tied_bytes / own_bytes == pytest.approx(tied / own, abs=0.01)


def test_a_bundle_says_what_was_measured(bundles: dict[str, Bundle], digits: Images) -> None:
    for name, bundle in bundles.items():
        again = open_bundle(bundle.path)
        assert again.manifest == bundle.manifest
        by_name = {item.exporter: item for item in bundle.manifest.files}
        assert set(by_name) == {"pytorch", "onnx", "tensorrt"}
        assert by_name["onnx"].parity["onnxruntime"] <= TOLERANCE["float32"]
        assert bundle.manifest.parameters == bundle.spec.program.parameter_count
        assert (bundle.manifest.weight_asymmetry["token"] == 0) == (name == "symmetric")


def test_the_runtimes_of_a_bundle_agree(bundles: dict[str, Bundle], digits: Images) -> None:
    images = digits.test.inputs[:9].numpy()
    for bundle in bundles.values():
        outputs = [bundle.open(runtime)(images) for runtime in ("pytorch", "onnxruntime")]
        assert relative_error([outputs[0]], [outputs[1]]) <= TOLERANCE["float32"]


@pytest.mark.skipif(tensorrt_exporter.has_gpu(), reason="says what happens without a GPU")
def test_an_engine_without_a_gpu_is_built_and_gets_no_number(bundles: dict[str, Bundle]) -> None:
    item = bundles["symmetric"].file("tensorrt")
    assert item is not None
    assert item.bytes > 100_000
    assert (bundles["symmetric"].path / item.file).stat().st_size == item.bytes
    assert item.not_run == {"tensorrt": "no GPU"}
    assert item.parity == {}
    with pytest.raises(HopgraphError, match=r"runtime-unavailable.*cannot run here: no GPU"):
        bundles["symmetric"].open("tensorrt")


def test_a_file_that_misses_its_parity_is_not_written(tmp_path: Path, runs: dict[str, Run], monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = dict(OPERATIONS)
    gelu = OPERATIONS["gelu"]
    object.__setattr__(gelu, "onnx", lambda o, site, x: o("Relu", x))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    try:
        with pytest.raises(HopgraphError, match=r"parity.*`model.onnx` differs from the model"):
            export(runs["broken"], ["onnx"], tmp_path / "bundle")
    finally:
        object.__setattr__(gelu, "onnx", lambda o, site, x: o("Gelu", x))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    assert wrong == OPERATIONS
    assert list(tmp_path.iterdir()) == []


def test_parity_is_relative_and_knows_a_wrong_shape() -> None:
    ones = np.ones((2, 3), dtype=np.float32)
    assert relative_error([ones * 1.5], [ones.astype(np.float64)]) == pytest.approx(0.5)
    assert relative_error([ones[:1]], [ones.astype(np.float64)]) == float("inf")
    assert relative_error([ones * np.float32("nan")], [ones.astype(np.float64)]) != 0


def test_a_model_of_nan_is_not_exported(runs: dict[str, Run]) -> None:
    model = random_model("broken,digits")
    with pytest.raises(HopgraphError, match="parity"):
        check_parity("model.onnx", lambda images: np.full((len(images), 10), np.nan, dtype=np.float32), model)


Damage = Callable[[Path], object]


def edit_manifest(**changes: object) -> Damage:
    def damage(path: Path) -> None:
        data = json.loads((path / "manifest.json").read_text())
        (path / "manifest.json").write_text(json.dumps({**data, **changes}))

    return damage


def escape(path: Path) -> None:
    data = json.loads((path / "manifest.json").read_text())
    data["files"][0]["file"] = "../elsewhere"
    (path / "manifest.json").write_text(json.dumps(data))


DAMAGES: dict[str, tuple[Damage, str]] = {
    "no manifest": (lambda path: (path / "manifest.json").unlink(), "it has no manifest.json"),
    "no json": (lambda path: (path / "manifest.json").write_text("{"), "manifest.json is not JSON"),
    "a list": (lambda path: (path / "manifest.json").write_text("[]"), "is a bundle of format None"),
    "from the future": (edit_manifest(hopgraph_bundle=3), "is a bundle of format 3, and this version of hopgraph reads format 2"),
    "a field of the wrong kind": (edit_manifest(parameters="many"), "manifest.json: `parameters`"),
    "a missing file": (lambda path: (path / "model.onnx").unlink(), "`model.onnx` is missing"),
    "an edited file": (lambda path: (path / "model.onnx").write_bytes(b"x"), "its SHA-256 differs"),
    "a way out": (escape, "leads out of the bundle"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_bundle_is_refused(tmp_path: Path, bundles: dict[str, Bundle], name: str) -> None:
    damage, message = DAMAGES[name]
    shutil.copytree(bundles["broken"].path, tmp_path / "bundle")
    damage(tmp_path / "bundle")
    with pytest.raises(HopgraphError) as caught:
        open_bundle(tmp_path / "bundle")
    assert message in str(caught.value)


def test_exporters_are_found_by_entry_point() -> None:
    assert set(exporters()) == {"onnx", "pytorch", "tensorrt"}
    with pytest.raises(HopgraphError, match="exporter-unknown") as caught:
        find_exporter("onx")
    assert "rename it to `onnx`" in str(caught.value)
