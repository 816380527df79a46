"""The model repository for Triton: its configuration against Triton's own protocol buffers, its files as Triton opens them."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
from dataclasses import replace
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from google.protobuf import text_format

import hopgraph
from exporters import triton
from hopgraph.export.bundle import export
from hopgraph.export.exporter import Options, Request, find_runtime
from hopgraph.export.parity import TOLERANCE, reference, relative_error, sample_inputs
from hopgraph.export.sets import replace_weights
from hopgraph.export.weights import WEIGHTS, write_weights
from hopgraph.lower.model import Model
from hopgraph.runtime import Bundle
from hopgraph.runtime.manifest import Port
from hopgraph.train.data import Images
from hopgraph.train.loop import train
from hopgraph.train.recipe import Recipe
from hopgraph.train.run import Run, read_run
from tests.deploy.conftest import SMALL

DTYPES = ("float32", "float16")
OPTIONS = Options(batches=(1, 8, 32))
TYPES = {"float32": "TYPE_FP32", "int64": "TYPE_INT64"}


@cache
def messages() -> Any:
    """Triton's own messages, from its client: the module alone, since the package around it wants gRPC."""
    path = distribution("tritonclient").locate_file("tritonclient/grpc/model_config_pb2.py")
    spec = importlib.util.spec_from_file_location("model_config_pb2", str(path))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def parsed(text: str) -> Any:
    """A configuration, which is refused for a field that Triton does not know; it says the same when it is written again."""
    found = text_format.Parse(text, messages().ModelConfig())
    assert text_format.Parse(text_format.MessageToString(found), messages().ModelConfig()) == found
    return found


def configured(bundle: Bundle, name: str) -> Any:
    return parsed((bundle.path / "triton" / name / "config.pbtxt").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, runs: dict[str, Run]) -> Bundle:
    """A bundle with a repository of two models."""
    return export([runs["symmetric"]], ["triton"], tmp_path_factory.mktemp("triton") / "bundle", DTYPES, OPTIONS)


def has(port: Port, message: Any) -> bool:
    same = message.name == port.name and message.data_type == messages().DataType.Value(TYPES[port.dtype])
    return same and tuple(message.dims) == port.shape


# --- what the configuration says --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_configuration_says_what_the_manifest_says(served: Bundle, dtype: str) -> None:
    form = served.manifest.form("triton", dtype)
    assert form is not None
    found = configured(served, form.facts["model"])
    manifest = served.manifest
    assert found.name == form.facts["model"] == ("paramixer" if dtype == "float32" else "paramixer_float16")
    assert found.backend == "onnxruntime"
    assert form.file == f"triton/{found.name}/1/{found.default_model_filename}"
    assert found.max_batch_size == 32
    assert list(found.dynamic_batching.preferred_batch_size) == [8, 32]
    assert found.dynamic_batching.max_queue_delay_microseconds == triton.DELAY
    assert found.version_policy.latest.num_versions == 1
    assert [len(found.input), len(found.output), len(found.instance_group)] == [1, 1, 0]
    assert has(manifest.input, found.input[0])
    assert has(manifest.output, found.output[0])
    told = {name: value.string_value for name, value in found.parameters.items()}
    assert told == {"spec": "paramixer", "spec_sha256": manifest.spec.sha256, "variant": manifest.variant, "dtype": dtype}


def built(model: Model, folder: Path, options: Options = OPTIONS) -> Any:
    """The configuration of a model."""
    state = dict(model.state_dict())
    write_weights(folder, model.spec, state)
    form = triton.build(Request(model.spec, state, options=options), folder)
    return parsed((folder / form.files[0]).read_text(encoding="utf-8"))


@pytest.mark.parametrize(("batches", "preferred"), [((1, 1, 1), []), ((1, 1, 4), [4]), ((1, 4, 4), [4]), ((2, 4, 16), [4, 16])])
def test_nothing_waits_where_a_batch_has_one_example(batches: tuple[int, int, int], preferred: list[int], tmp_path: Path) -> None:
    found = built(hopgraph.compile("paramixer", "broken,digits", SMALL), tmp_path, Options(batches=batches))
    assert found.max_batch_size == batches[-1]
    assert list(found.dynamic_batching.preferred_batch_size) == preferred
    assert found.HasField("dynamic_batching") == bool(preferred)


def test_tokens_are_integers(tmp_path: Path) -> None:
    found = built(hopgraph.compile("masked_mixer", "text", ("dims.C=8",)), tmp_path)
    assert found.input[0].data_type == messages().DataType.Value("TYPE_INT64")


def test_a_single_number_is_reshaped(tmp_path: Path) -> None:
    model = hopgraph.compile("paramixer", "broken,digits", (*SMALL, "readout=[{mean: [n, c]}]"))
    assert model.ham.output == {}
    (output,) = built(model, tmp_path).output
    assert list(output.dims) == [1]
    assert output.HasField("reshape")
    assert list(output.reshape.shape) == []


def test_any_name_is_written_as_text(tmp_path: Path) -> None:
    model = hopgraph.compile("paramixer", "broken,digits", SMALL)
    state = dict(model.state_dict())
    write_weights(tmp_path, model.spec, state)
    loaded = replace(model.spec.loaded, variants=('a"b\\c\n\t{é}',))
    request = Request(replace(model.spec, loaded=loaded), state)
    form = triton.build(request, tmp_path)
    found = parsed((tmp_path / form.files[0]).read_text(encoding="utf-8"))
    assert found.parameters["variant"].string_value == 'a"b\\c\n\t{é}'


def test_a_field_that_triton_does_not_know_is_refused() -> None:
    with pytest.raises(text_format.ParseError, match='no field named "max_batch"'):
        parsed("max_batch: 3")


# --- the files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_repository_stands_on_its_own(served: Bundle, runs: dict[str, Run], dtype: str, tmp_path: Path) -> None:
    """Copied out of the bundle and opened by its path, as Triton's backend does."""
    form = served.manifest.form("triton", dtype)
    assert form is not None
    shutil.copytree(served.path / "triton", tmp_path / "triton")
    session: Any = ort.InferenceSession(tmp_path / form.file, providers=["CPUExecutionProvider"])
    onnx.checker.check_model(tmp_path / form.file, full_check=True)
    model = runs["symmetric"].model
    inputs = sample_inputs(model)
    outputs = [session.run(None, {served.manifest.input.name: batch})[0] for batch in inputs]
    assert relative_error(outputs, reference(model, inputs)) <= TOLERANCE[dtype]


def test_the_very_file_of_the_repository_passed_the_gate(served: Bundle) -> None:
    for dtype in DTYPES:
        form = served.manifest.form("triton", dtype)
        assert form is not None
        assert form.file.startswith("triton/")
        assert form.parity["triton-onnxruntime"].random <= TOLERANCE[dtype]
        session = served.session(find_runtime("triton-onnxruntime"), dtype, device="cpu")
        assert session.form == form


def test_its_weights_are_a_copy_and_no_link(served: Bundle) -> None:
    form = served.manifest.form("triton", "float32")
    assert form is not None
    copy = served.path / "triton" / "paramixer" / "1" / WEIGHTS
    assert copy.read_bytes() == (served.path / WEIGHTS).read_bytes()
    assert not copy.is_symlink()
    assert copy.stat().st_nlink == 1
    assert f"triton/paramixer/1/{WEIGHTS}" in form.files
    assert form.facts["weights"].startswith("a copy")


def test_every_file_of_the_repository_is_hashed(served: Bundle) -> None:
    hashes = {file.path: file.sha256 for file in served.manifest.files}
    for path in (served.path / "triton").rglob("*"):
        if path.is_file():
            assert hashes[path.relative_to(served.path).as_posix()] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_two_repositories_of_one_run_are_equal(served: Bundle, runs: dict[str, Run], tmp_path: Path) -> None:
    again = export([runs["symmetric"]], ["triton"], tmp_path / "bundle", DTYPES, OPTIONS)
    first, second = ({file for file in bundle.manifest.files if file.path.startswith("triton/")} for bundle in (served, again))
    assert first == second


# --- other weights ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory, digits: Images) -> Run:
    folder = tmp_path_factory.mktemp("other")
    train(hopgraph.load("paramixer", "symmetric,digits", SMALL), digits, Recipe(epochs=1), folder / "run", seed=5)
    return read_run(folder / "run")


def test_other_weights_are_put_under_the_same_graph(served: Bundle, other: Run, digits: Images, tmp_path: Path) -> None:
    shutil.copytree(served.path, tmp_path / "bundle")
    bundle = replace_weights(other, tmp_path / "bundle")
    for name in ("paramixer/config.pbtxt", "paramixer/1/model.onnx", "paramixer_float16/config.pbtxt"):
        assert (bundle.path / "triton" / name).read_bytes() == (served.path / "triton" / name).read_bytes()
    check(bundle, other, digits, None)


def test_a_second_seed_is_run_by_the_same_graph(runs: dict[str, Run], other: Run, digits: Images, tmp_path: Path) -> None:
    bundle = export([runs["symmetric"], other], ["triton"], tmp_path / "bundle", options=OPTIONS)
    check(bundle, runs["symmetric"], digits, None)
    check(bundle, other, digits, bundle.manifest.weights[1].name)


def check(bundle: Bundle, run: Run, digits: Images, weights: str | None) -> None:
    """The repository's own file computes what the run computes."""
    inputs = digits.test.inputs[:5]
    with torch.no_grad():
        wanted = run.model(inputs).numpy()
    outputs = bundle.session(find_runtime("triton-onnxruntime"), device="cpu", weights=weights)(inputs.numpy())
    np.testing.assert_allclose(outputs, wanted, rtol=1e-4, atol=1e-5)
