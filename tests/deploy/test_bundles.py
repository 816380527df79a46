"""Bundles: what export writes and says, sets of weights, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import hopgraph
from hopgraph.errors import HopgraphError
from hopgraph.export.bundle import export
from hopgraph.export.exporter import Options, exporters, find_exporter, find_runtime
from hopgraph.export.manifest import spec_of
from hopgraph.export.parity import TOLERANCE, Reference, relative_error
from hopgraph.export.sets import replace_weights
from hopgraph.lower.verify import randomise
from hopgraph.program.operations import OPERATIONS
from hopgraph.runtime import Bundle, BundleError
from hopgraph.runtime.cuda import device_count, library
from hopgraph.runtime.manifest import FORMAT, hash_of
from hopgraph.train.data import Images
from hopgraph.train.loop import train
from hopgraph.train.recipe import Recipe
from hopgraph.train.run import Run, read_run
from tests.deploy.conftest import SMALL

Shell = Callable[..., object]


@pytest.fixture(scope="session")
def seeds(tmp_path_factory: pytest.TempPathFactory, digits: Images) -> list[Run]:
    """Two runs of one spec."""
    folder = tmp_path_factory.mktemp("seeds")
    spec = hopgraph.load("paramixer", "vanilla,digits", SMALL)
    for seed in (0, 1):
        train(spec, digits, Recipe(epochs=1), folder / str(seed), seed=seed)
    return [read_run(folder / str(seed)) for seed in (0, 1)]


def images(digits: Images, count: int = 9) -> np.ndarray:
    return digits.normalized(digits.test.inputs[:count]).numpy()


def outputs(run: Run, given: np.ndarray) -> np.ndarray:
    import torch

    with torch.no_grad():
        return run.model(torch.from_numpy(given)).numpy()


# --- what is written --------------------------------------------------------------------------------------------------


def test_a_bundle_says_what_was_measured(bundles: dict[str, Bundle], runs: dict[str, Run]) -> None:
    for name, bundle in bundles.items():
        manifest = bundle.manifest
        assert Bundle.open(bundle.path).manifest == manifest
        assert [form.exporter for form in manifest.forms] == ["pytorch", "onnx", "tensorrt"]
        for form in manifest.forms[:2]:
            for parity in form.parity.values():
                assert parity.random <= TOLERANCE["float32"]
                assert parity.real is not None
                assert parity.real <= TOLERANCE["float32"]
                assert parity.test == pytest.approx(manifest.test)
        assert manifest.parameters == spec_of(manifest).program.parameter_count
        assert manifest.test == runs[name].record.test
        assert (manifest.ledger["token"] == 0) == (name == "symmetric")
        assert {file.path for file in manifest.files} | {"manifest.json"} == {
            str(path.relative_to(bundle.path)) for path in bundle.path.rglob("*") if path.is_file()
        }


def test_the_weights_stand_once_and_every_form_reads_them(bundles: dict[str, Bundle]) -> None:
    for bundle in bundles.values():
        sizes = {file.path: file.bytes for file in bundle.manifest.files}
        onnx = bundle.manifest.form("onnx")
        assert onnx is not None
        assert onnx.files == ("model.onnx", "model.safetensors") or set(onnx.files) == {"model.onnx", "model.safetensors"}
        assert sizes["model.onnx"] < sizes["model.safetensors"]


def test_the_runtimes_of_a_bundle_agree(bundles: dict[str, Bundle], runs: dict[str, Run], digits: Images) -> None:
    given = images(digits)
    for name, bundle in bundles.items():
        wanted = outputs(runs[name], given)
        for runtime in ("pytorch", "onnxruntime"):
            assert relative_error([bundle.session(find_runtime(runtime))(given)], [wanted]) <= TOLERANCE["float32"]


def test_two_exports_of_a_run_are_equal_to_the_byte_and_name_no_machine(tmp_path: Path, seeds: list[Run], digits: Images) -> None:
    found: list[dict[str, str]] = []
    for name in ("first", "second"):
        export(seeds[:1], ["onnx", "triton"], tmp_path / name, ["float32", "float16"], data=digits)
        files = [path for path in (tmp_path / name).rglob("*") if path.is_file()]
        found.append({str(path.relative_to(tmp_path / name)): hash_of(path) for path in files})
        for secret in (str(Path.home()), str(Path(__file__).resolve().parents[2]), str(tmp_path)):
            assert not [path for path in files if secret.encode() in path.read_bytes()]
    assert found[0] == found[1]


def test_without_data_files_are_tested_with_random_inputs_alone(tmp_path: Path, runs: dict[str, Run]) -> None:
    form = export([runs["broken"]], ["onnx"], tmp_path / "bundle").manifest.form("onnx")
    assert form is not None
    assert form.parity["onnxruntime"].real is None
    assert form.parity["onnxruntime"].test == {}


@pytest.mark.skipif(device_count(library()) > 0, reason="says what happens without a GPU")
def test_an_engine_without_a_gpu_is_built_and_gets_no_number(bundles: dict[str, Bundle]) -> None:
    form = bundles["symmetric"].manifest.form("tensorrt")
    assert form is not None
    assert (bundles["symmetric"].path / form.file).stat().st_size > 100_000
    assert form.not_run == {"tensorrt": "no GPU"}
    assert form.parity == {}
    with pytest.raises(BundleError, match="cannot run here: no GPU"):
        bundles["symmetric"].session("tensorrt")
    assert bundles["symmetric"].session().runtime.name == "onnxruntime"


# --- sets of weights --------------------------------------------------------------------------------------------------


def test_a_bundle_of_two_seeds_is_one_graph_and_two_weight_files(tmp_path: Path, seeds: list[Run], digits: Images) -> None:
    bundle = export(seeds, ["onnx"], tmp_path / "bundle", ["float32", "float16"], data=digits)
    assert [path.name for path in sorted((tmp_path / "bundle").rglob("*.onnx"))] == ["model.float16.onnx", "model.onnx"]
    assert [item.name for item in bundle.manifest.weights] == ["seed-0", "seed-1"]
    given = images(digits)
    for run, name in zip(seeds, ("seed-0", "seed-1"), strict=True):
        wanted = outputs(run, given)
        for runtime, dtype in (("pytorch", "float32"), ("onnxruntime", "float32"), ("onnxruntime", "float16")):
            found = bundle.session(find_runtime(runtime), dtype, weights=name)(given)
            assert relative_error([found], [wanted]) <= TOLERANCE[dtype]
    with pytest.raises(BundleError, match="no weights are named `seed-2`"):
        bundle.session(weights="seed-2")


def test_two_runs_of_one_seed_have_names_of_their_own(tmp_path: Path, seeds: list[Run]) -> None:
    bundle = export([seeds[0], seeds[0]], ["onnx"], tmp_path / "bundle")
    assert [item.name for item in bundle.manifest.weights] == ["seed-0", "seed-0-2"]


def test_weights_are_replaced_and_the_graphs_stay(tmp_path: Path, seeds: list[Run], digits: Images) -> None:
    first, second = seeds
    old = export([first], ["onnx", "triton"], tmp_path / "bundle", ["float32", "float16"], data=digits)
    graphs = {file.path: file.sha256 for file in old.manifest.files if file.path.endswith(".onnx")}
    new = replace_weights(second, tmp_path / "bundle", digits)
    assert {file.path: file.sha256 for file in new.manifest.files if file.path.endswith(".onnx")} == graphs
    assert len(graphs) == 4
    assert new.manifest.test == second.record.test
    given = images(digits)
    assert relative_error([new.session("onnxruntime")(given)], [outputs(second, given)]) <= TOLERANCE["float32"]
    fresh = export([second], ["onnx", "triton"], tmp_path / "fresh", ["float32", "float16"], data=digits)
    assert {file.path: file.sha256 for file in new.manifest.files} == {file.path: file.sha256 for file in fresh.manifest.files}


def test_two_norms_that_are_equal_at_the_start_stay_two(tmp_path: Path, digits: Images) -> None:
    """The bundle of an untrained model, in which both norms of a block are equal, takes the weights of one in which they are not."""
    spec = hopgraph.load("paramixer", "vanilla,digits", SMALL)
    train(spec, digits, Recipe(epochs=1), tmp_path / "run")
    run = read_run(tmp_path / "run")
    start = hopgraph.compile(spec)
    run.model.load_state_dict(start.state_dict())
    export([run], ["onnx"], tmp_path / "bundle")
    import torch

    randomise(run.model, torch.Generator().manual_seed(1))
    replace_weights(run, tmp_path / "bundle")
    given = images(digits)
    found = Bundle.open(tmp_path / "bundle").session("onnxruntime")(given)
    assert relative_error([found], [outputs(run, given)]) <= TOLERANCE["float32"]


def test_weights_of_another_model_and_of_an_engine_are_refused(
    tmp_path: Path, seeds: list[Run], runs: dict[str, Run], bundles: dict[str, Bundle]
) -> None:
    export(seeds[:1], ["onnx"], tmp_path / "bundle")
    with pytest.raises(HopgraphError, match=r"bundle-mixed.*is another model than that of"):
        replace_weights(runs["symmetric"], tmp_path / "bundle")
    with pytest.raises(HopgraphError, match=r"bundle-mixed.*`model.engine` .*was made from its weights"):
        replace_weights(runs["symmetric"], bundles["symmetric"].path)
    with pytest.raises(HopgraphError, match=r"bundle-mixed.*is another model than"):
        export([seeds[0], runs["symmetric"]], ["onnx"], tmp_path / "mixed")
    assert not (tmp_path / "mixed").exists()
    export(seeds, ["onnx"], tmp_path / "two")
    with pytest.raises(HopgraphError, match=r"bundle-mixed.*holds 2 sets of weights"):
        replace_weights(seeds[0], tmp_path / "two")


# --- the parity gate --------------------------------------------------------------------------------------------------


def test_a_file_that_misses_its_parity_is_not_written(tmp_path: Path, runs: dict[str, Run], monkeypatch: pytest.MonkeyPatch) -> None:
    gelu = OPERATIONS["gelu"]
    right = gelu.onnx
    object.__setattr__(gelu, "onnx", lambda o, site, x: o("Relu", x))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    try:
        with pytest.raises(HopgraphError, match=r"parity.*`model.onnx` differs from the model"):
            export([runs["broken"]], ["onnx"], tmp_path / "bundle")
    finally:
        object.__setattr__(gelu, "onnx", right)
    assert list(tmp_path.iterdir()) == []


def test_parity_is_relative_and_knows_a_wrong_shape_and_what_is_not_finite() -> None:
    ones = np.ones((2, 3), dtype=np.float32)
    assert relative_error([ones * 1.5], [ones.astype(np.float64)]) == pytest.approx(0.5)
    assert relative_error([ones[:1]], [ones.astype(np.float64)]) == float("inf")
    assert relative_error([ones * np.float32("nan")], [ones.astype(np.float64)]) == float("inf")


def test_batches_of_every_size_are_compared(runs: dict[str, Run]) -> None:
    """A runtime that is right for a batch of 1 alone, or of all but the largest, is found out."""
    model = runs["broken"].model
    reference = Reference.of(model, None, 64)
    assert reference.batches == (1, 2, 7, 64)

    def right(inputs: np.ndarray) -> np.ndarray:
        return outputs(runs["broken"], inputs)

    assert reference.error(right, reference.random) <= TOLERANCE["float32"]
    for size in reference.batches:

        def wrong(inputs: np.ndarray, size: int = size) -> np.ndarray:
            return right(inputs) * (1 + 1e-3 * (len(inputs) == size))

        assert reference.error(wrong, reference.random) == pytest.approx(1e-3, rel=0.01)


def test_the_largest_batch_is_bounded_by_memory(runs: dict[str, Run], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hopgraph.export.parity.MOST_BYTES", 4 * 16 * 64 * 5)
    assert Reference.of(runs["broken"].model, None, 512).batches[-1] < 512


# --- what is asked for ------------------------------------------------------------------------------------------------


def test_dtypes_and_formats_that_nothing_writes_are_refused(tmp_path: Path, runs: dict[str, Run]) -> None:
    with pytest.raises(HopgraphError, match=r"exporter-failed.*none of float8"):
        export([runs["broken"]], ["onnx"], tmp_path / "bundle", ["float8"])
    with pytest.raises(HopgraphError, match=r"exporter-failed.*none of the exporters that were chosen writes `int3`"):
        export([runs["broken"]], ["onnx"], tmp_path / "bundle", ["float32", "int3"])
    with pytest.raises(HopgraphError, match="exporter-unknown") as caught:
        find_exporter("onx")
    assert "rename it to `onnx`" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_exporters_are_found_by_entry_point() -> None:
    assert set(exporters()) == {"onnx", "pytorch", "tensorrt", "triton"}


def test_options_reach_the_exporters(tmp_path: Path, digits: Images) -> None:
    spec = hopgraph.load("paramixer", "broken,digits", (*SMALL, "block.steps=4"))
    train(spec, digits, Recipe(epochs=1), tmp_path / "run")
    run = read_run(tmp_path / "run")
    unrolled = export([run], ["onnx"], tmp_path / "unrolled", options=Options("unroll"))
    loop = export([run], ["onnx"], tmp_path / "loop", options=Options("loop"))
    given = images(digits)
    assert relative_error([loop.session("onnxruntime")(given)], [unrolled.session("onnxruntime")(given)]) <= TOLERANCE["float32"]
    assert (loop.path / "model.onnx").read_bytes() != (unrolled.path / "model.onnx").read_bytes()


# --- damage -----------------------------------------------------------------------------------------------------------

Damage = Callable[[Path], object]


def edit_manifest(**changes: object) -> Damage:
    def damage(path: Path) -> None:
        data = json.loads((path / "manifest.json").read_text())
        (path / "manifest.json").write_text(json.dumps({**data, **changes}))

    return damage


def edit_file(field: str, value: str) -> Damage:
    def damage(path: Path) -> None:
        data = json.loads((path / "manifest.json").read_text())
        data["files"][0][field] = value
        (path / "manifest.json").write_text(json.dumps(data))

    return damage


def swap(path: Path) -> None:
    """Two files of one size change places."""
    (path / "model.onnx").write_bytes(bytes(len((path / "model.onnx").read_bytes())))


def link_out(path: Path) -> None:
    (path.parent / "outside").write_bytes((path / "model.onnx").read_bytes())
    (path / "model.onnx").unlink()
    (path / "model.onnx").symlink_to(path.parent / "outside")


def truncate(path: Path) -> None:
    content = (path / "model.safetensors").read_bytes()
    (path / "model.safetensors").write_bytes(content[: len(content) // 2])


DAMAGES: dict[str, tuple[Damage, str]] = {
    "no manifest": (lambda path: (path / "manifest.json").unlink(), "it has no manifest.json"),
    "no json": (lambda path: (path / "manifest.json").write_text("{"), "manifest.json is not JSON"),
    "deep json": (lambda path: (path / "manifest.json").write_text("[" * 100_000), "manifest.json is not JSON"),
    "a list": (lambda path: (path / "manifest.json").write_text("[]"), "is a bundle of format None"),
    "from the future": (edit_manifest(hopgraph_bundle=5), "is a bundle of format 5, and this version of hopgraph reads format 4"),
    "a field of the wrong kind": (edit_manifest(parameters="many"), "manifest.json: `parameters` is not an integer"),
    "a size of nothing": (edit_manifest(resize={"centre": 0.0, "interpolation": "box"}), "`resize` tells of no way"),
    "an unknown filter": (edit_manifest(resize={"centre": 1.0, "interpolation": "cubic"}), "`resize` tells of no way"),
    "an unknown field": (edit_manifest(colour="red"), "manifest.json: `colour` is no field"),
    "a missing file": (lambda path: (path / "model.onnx").unlink(), "`model.onnx` is missing"),
    "a truncated file": (truncate, "`model.safetensors` has"),
    "a swapped file": (swap, "its SHA-256 differs"),
    "a way out": (edit_file("path", "../elsewhere"), "`../elsewhere` leads out of the bundle"),
    "an absolute way out": (edit_file("path", "/etc/passwd"), "`/etc/passwd` leads out of the bundle"),
    "a link out": (link_out, "`model.onnx` leads out of the bundle"),
    "a file without a hash": (edit_file("path", "other"), "is used, but its hash is not told"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_bundle_is_refused(tmp_path: Path, bundles: dict[str, Bundle], name: str) -> None:
    assert FORMAT == 4
    damage, message = DAMAGES[name]
    shutil.copytree(bundles["broken"].path, tmp_path / "bundle")
    damage(tmp_path / "bundle")
    with pytest.raises(BundleError) as caught:
        Bundle.open(tmp_path / "bundle")
    assert message in str(caught.value)
