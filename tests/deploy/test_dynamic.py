"""Bundles whose length may vary: every form at every length, texts of several lengths, sets of weights, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from jsonschema import Draft202012Validator
from numpy.typing import NDArray

import hopgraph
from hopgraph.errors import HopgraphError
from hopgraph.export import bundle as exporting
from hopgraph.export.bundle import export
from hopgraph.export.exporter import Exporter, Options, find_exporter, find_runtime
from hopgraph.export.lengths import at_length, dim_of
from hopgraph.export.parity import TOLERANCE, Reference, reference, relative_error
from hopgraph.export.schema import json_schema
from hopgraph.export.sets import replace_weights
from hopgraph.export.trial import Trial
from hopgraph.lower.model import compile_model
from hopgraph.runtime import Array, Bundle, BundleError, Continued, Predict
from hopgraph.runtime.manifest import MANIFEST, read_manifest
from hopgraph.train.data import Data, load_data
from hopgraph.train.loop import train
from hopgraph.train.recipe import Recipe
from hopgraph.train.run import Run, read_run
from tests.deploy.test_cli import Shell

Captured = pytest.CaptureFixture[str]
LENGTH = 12
OPTIONS = Options(batches=(1, 2, 8), dynamic="T")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("the cat, the hat and the café. " * 60, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def data(text: Path) -> Data:
    return load_data(str(text))


@pytest.fixture(scope="module")
def speakers(tmp_path_factory: pytest.TempPathFactory, data: Data) -> list[Run]:
    """Two seeds of a small causal transformer without positions."""
    folder = tmp_path_factory.mktemp("speakers")
    spec = hopgraph.load("masked_mixer", "transformer,text", (f"dims.T={LENGTH}", "dims.C=8", "dims.depth=1"))
    for seed in (0, 1):
        train(spec, data, Recipe(epochs=1, batch_size=16), folder / str(seed), seed=seed)
    return [read_run(folder / str(seed)) for seed in (0, 1)]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, speakers: list[Run], data: Data) -> Bundle:
    """Of both seeds, as ONNX and for Triton."""
    return export(speakers, ["onnx", "triton"], tmp_path_factory.mktemp("dynamic") / "bundle", ["float32", "float16"], OPTIONS, data)


def exact(run: Run, tokens: NDArray[np.int64]) -> NDArray[np.float64]:
    """The model of the tokens' length, in float64."""
    length = tokens.shape[1]
    model = compile_model(at_length(run.spec, "T", length)) if length < LENGTH else run.model
    model.load_state_dict(run.model.state_dict())
    return reference(model, [tokens])[0]


def tokens_of(length: int, rows: int = 3) -> NDArray[np.int64]:
    return np.random.default_rng(length).integers(256, size=(rows, length))


def test_the_manifest_tells_the_smallest_sizes_and_the_largest(bundle: Bundle) -> None:
    reads, gives = bundle.manifest.input, bundle.manifest.output
    assert (reads.least, reads.shape, reads.varies) == ((1,), (LENGTH,), True)
    assert (gives.least, gives.shape, gives.symbolic) == ((1, 256), (LENGTH, 256), (-1, 256))
    Draft202012Validator(json_schema()).validate(json.loads((bundle.path / MANIFEST).read_text(encoding="utf-8")))
    assert read_manifest(bundle.path) == bundle.manifest
    assert dim_of(bundle.manifest) == "T"
    assert f"| batch x 1 to {LENGTH} |" in (bundle.path / "README.md").read_text(encoding="utf-8")


def test_every_form_was_held_against_every_length(bundle: Bundle, speakers: list[Run]) -> None:
    for form in bundle.manifest.forms:
        (found,) = form.parity.values()
        assert found.real is not None
        assert 0 < max(found.random, found.real) <= TOLERANCE[form.dtype]
        assert form.facts["dynamic"] == "T"
    trial = Trial.of(speakers[0], None, OPTIONS)
    assert sorted(trial.reference(speakers[0].model).shorter) == [1, 2, 6, 7, 11]


@pytest.mark.parametrize("length", [1, 5, LENGTH])
@pytest.mark.parametrize("weights", [0, 1])
def test_sessions_compute_what_the_model_of_that_length_computes(bundle: Bundle, speakers: list[Run], length: int, weights: int) -> None:
    tokens = tokens_of(length)
    wanted = exact(speakers[weights], tokens)
    for runtime, dtype in (
        ("onnxruntime", "float32"),
        ("onnxruntime", "float16"),
        ("pytorch", "float32"),
        ("triton-onnxruntime", "float32"),
    ):
        if weights and runtime.startswith("triton"):
            continue
        name = bundle.manifest.weights[weights].name
        found = bundle.session(find_runtime(runtime), dtype, weights=name)(tokens)
        assert relative_error([found], [wanted]) <= TOLERANCE[dtype]


def test_texts_are_not_filled_up_and_are_answered_in_their_order(bundle: Bundle, speakers: list[Run]) -> None:
    texts = ["abc", "the cat", "abd", "a", "x" * 30]
    answers = list(bundle.answers(texts))
    assert [len(answer.output) for answer in answers if isinstance(answer, Continued)] == [3, 7, 3, 1, LENGTH]
    for given, answer in zip(texts, answers, strict=True):
        assert isinstance(answer, Continued)
        wanted = exact(speakers[0], np.frombuffer(given.encode(), np.uint8)[-LENGTH:].astype(np.int64)[None])
        assert relative_error([answer.output[None]], [wanted]) <= TOLERANCE["float32"]
    assert isinstance(answers[-1], Continued)
    assert answers[-1].note == f"the model reads {LENGTH} tokens at once: these are the last of 30"


def test_predict_takes_texts_of_one_length(bundle: Bundle) -> None:
    assert bundle.predict(["abc", "abd"]).shape == (2, 3, 256)
    with pytest.raises(BundleError, match="the inputs are of several lengths, 2 and 3 among them") as caught:
        bundle.predict(["abc", "ab"])
    assert (caught.value.code, "`answers`" in caught.value.helps[0]) == ("input-invalid", True)


def test_triton_is_told_that_the_length_is_free(bundle: Bundle) -> None:
    text = (bundle.path / "triton" / "masked_mixer" / "config.pbtxt").read_text(encoding="utf-8")
    assert "data_type: TYPE_INT64 dims: [ -1 ]" in text
    assert "data_type: TYPE_FP32 dims: [ -1, 256 ]" in text


def test_eight_bits_take_every_length_too(speakers: list[Run], data: Data, tmp_path: Path) -> None:
    made = export(speakers[:1], ["onnx"], tmp_path / "bundle", ["int8"], OPTIONS, data)
    form = made.manifest.form("onnx")
    assert form is not None
    real = form.parity["onnxruntime"].real
    assert real is not None
    assert 1e-4 < real <= TOLERANCE["int8"]
    graph = onnx.load(made.path / form.file, load_external_data=False).graph
    assert graph.input[0].type.tensor_type.shape.dim[1].dim_param == "T"
    assert made.session()(tokens_of(4)).shape == (3, 4, 256)


def test_weights_are_replaced_and_tested_at_every_length(speakers: list[Run], data: Data, tmp_path: Path) -> None:
    old = export(speakers[:1], ["onnx"], tmp_path / "bundle", options=OPTIONS, data=data)
    graph = (old.path / "model.onnx").read_bytes()
    new = replace_weights(speakers[1], old.path, data)
    assert (new.path / "model.onnx").read_bytes() == graph
    assert (new.manifest.input, new.manifest.output) == (old.manifest.input, old.manifest.output)
    tokens = tokens_of(5)
    assert relative_error([new.session()(tokens)], [exact(speakers[1], tokens)]) <= TOLERANCE["float32"]


def test_a_form_that_fails_at_one_length_is_not_written(speakers: list[Run]) -> None:
    run = speakers[0]
    checked = Trial.of(run, None, OPTIONS).reference(run.model)

    def wrong_at(length: int | None) -> Predict:
        def predict(inputs: NDArray[Any]) -> Array:
            outputs = exact(run, inputs).astype(np.float32)
            return outputs * np.float32(1.01) if inputs.shape[1] == length else outputs

        return predict

    assert checked.check("model", wrong_at(None), "float32")[0] <= TOLERANCE["float32"]
    for length in checked.shorter:
        with pytest.raises(HopgraphError, match=f"`model at the length {length}` differs from the model by 1.0e-02"):
            checked.check("model", wrong_at(length), "float32")


def test_the_gate_cuts_real_inputs_to_the_length(speakers: list[Run], data: Data) -> None:
    made: Reference = Trial.of(speakers[0], data, OPTIONS).reference(speakers[0].model)
    assert made.real is not None
    for length, shorter in made.shorter.items():
        assert shorter.real is not None
        assert np.array_equal(shorter.real.inputs, made.real.inputs[:, :length])


def test_an_exporter_of_one_length_is_refused(speakers: list[Run], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def of_one_length(name: str) -> Exporter:
        return replace(find_exporter(name), dynamic=name == "pytorch")

    monkeypatch.setattr(exporting, "find_exporter", of_one_length)
    with pytest.raises(HopgraphError, match="the exporter `onnx` writes models of one length alone, and `T` is to vary"):
        export(speakers[:1], ["onnx"], tmp_path / "bundle", options=OPTIONS)
    assert list(tmp_path.iterdir()) == []


def test_the_command(speakers: list[Run], text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    shell, path, out = Shell(monkeypatch, capsys), speakers[0].path, tmp_path / "bundle"
    _, told = shell("export", path, "--dynamic", "V", "--out", out, status=1)
    assert told.startswith("error[dim-fixed]: `V` cannot vary: no axis of the input `tokens` has its size")
    assert list(tmp_path.iterdir()) == []
    shell("export", path, "--dynamic", "T", "--data", text, "--out", out)
    assert Bundle.open(out).manifest.input.least == (1,)
    _, told = shell("export", path, "--weights-only", "--dynamic", "T", "--out", out, status=2)
    assert "the graphs stay" in told
