"""Engines, built by TensorRT-RTX on a machine that needs no GPU."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tensorrt_rtx as trt

from exporters import tensorrt as exporter
from exporters.onnx import write_graph
from exporters.tensorrt import builder, targets
from exporters.tensorrt.builder import Order, build_engine, load_timings, parse, read_back
from exporters.tensorrt.layers import Layer, Reading, asked_of, layers_of_network
from hopgraph.errors import HopgraphError
from hopgraph.export.exporter import Built, Options, Request
from hopgraph.lower.model import Model
from hopgraph.runtime.caches import cache_folder, store_cache
from hopgraph.runtime.engine import log_of
from tests.tensorrt.conftest import BATCHES, examples, random_model, request_of
from tests.tensorrt.fakes import FakeDriver


def built(model: Model, folder: Path, dtype: str = "float32", **changes: Any) -> Built:
    return exporter.build(request_of(model, dtype, **changes), folder)


def refusal(request: Request, folder: Path) -> str:
    with pytest.raises(HopgraphError) as caught:
        exporter.build(request, folder)
    assert caught.value.diagnostics[0].code == "exporter-failed"
    assert list(folder.iterdir()) == []
    return str(caught.value)


FLOATS = ("float32", "float16", "bfloat16")


@pytest.mark.parametrize("dtype", FLOATS)
def test_every_product_is_in_the_dtype_that_was_asked_for(model: Model, dtype: str, tmp_path: Path) -> None:
    result = built(model, tmp_path, dtype)
    assert result.file == ("model.engine" if dtype == "float32" else f"model.{dtype}.engine")
    assert result.files == (result.file,)
    assert (tmp_path / result.file).stat().st_size > 10_000
    assert {path.name for path in tmp_path.iterdir()} == {result.file}
    assert result.facts["layers_read_from"] == "the log of the build"
    assert set(result.facts["products"]) == {dtype}
    assert result.facts["layers"][dtype] >= 9


@pytest.mark.parametrize("dtype", ["int8", "fp8"])
@pytest.mark.parametrize("variant", ["symmetric,digits", "broken,digits"])
def test_eight_bits_reach_the_engine(dtype: str, variant: str, tmp_path: Path) -> None:
    facts = built(random_model(variant=variant), tmp_path, dtype, given=examples()).facts
    assert facts["products"] == {dtype: 9, "float32": 1}
    assert facts["calibrated_on"] == 64


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_an_engine_takes_every_length(dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The builder refuses a profile that does not hold the lengths of the graph; its range is what it was told."""
    orders: list[Order] = []

    def noted(package: Any, order: Order) -> builder.Plan:
        orders.append(order)
        return build_engine(package, order)

    monkeypatch.setattr(exporter, "build_engine", noted)
    transformer = random_model("masked_mixer", "transformer,text", ("dims.T=16", "dims.C=16", "dims.depth=2"))
    request = request_of(transformer, dtype)
    result = exporter.build(replace(request, options=replace(request.options, dynamic="T")), tmp_path)
    assert (orders[0].given, orders[0].shapes, orders[0].batches) == ("tokens", ((1,), (16,), (16,)), BATCHES)
    assert set(result.facts["products"]) == {dtype}
    assert result.facts["dynamic"] == "T"
    fixed = replace(orders[0], graph=exporter.graph_of(replace(request, options=replace(request.options, dynamic="T")), tmp_path))
    with pytest.raises(HopgraphError, match="tensorrt_rtx refuses the model"):
        build_engine(trt, replace(fixed, shapes=((1, 1), (16, 1), (16, 1))))


@pytest.mark.parametrize("dtype", ["float16", "int8"])
@pytest.mark.parametrize("steps", ["unroll", "loop"])
def test_attention_in_steps_builds_either_way(dtype: str, steps: str, tmp_path: Path) -> None:
    transformer = random_model("energy_transformer", "classifier,digits", ("block.steps=2",))
    request = replace(request_of(transformer, dtype, given=examples()), options=Options(steps, BATCHES))
    products = exporter.build(request, tmp_path).facts["products"]
    assert products[dtype] >= 7
    assert set(products) == ({"float16"} if dtype == "float16" else {"int8", "float32"})


def test_the_facts_say_what_built_it(model: Model, tmp_path: Path) -> None:
    result = built(model, tmp_path, targets=("SM86", "SM120"))
    facts = result.facts
    assert (facts["package"], facts["version"]) == ("tensorrt_rtx", trt.__version__)
    assert (facts["targets"], facts["batches"], facts["tf32"]) == (["SM86", "SM120"], list(BATCHES), False)
    told = (tmp_path / result.file).read_bytes()  # an engine of TensorRT-RTX holds a text of how it was compiled
    assert b"tf32=0" in told
    assert b"sm86 sm120" in told


def test_without_targets_it_is_for_every_gpu_from_ampere_on(model: Model, tmp_path: Path) -> None:
    assert built(model, tmp_path).facts["targets"] == ["SM80+"]


def test_fp8_is_for_the_gpus_that_multiply_it(model: Model, tmp_path: Path) -> None:
    assert built(model, tmp_path, "fp8", given=examples()).facts["targets"] == ["SM89", "SM120", "SM121"]
    other = tmp_path / "other"
    other.mkdir()
    told = refusal(request_of(model, "fp8", ("SM86",), examples()), other)
    assert "tensorrt_rtx refuses the model" in told
    assert "fp8" in told


def test_two_builds_are_equal_and_name_no_machine(model: Model, tmp_path: Path) -> None:
    contents: list[bytes] = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        contents.append((tmp_path / name / built(model, tmp_path / name).file).read_bytes())
    assert contents[0] == contents[1]
    for word in (str(Path.home()), str(tmp_path), socket.gethostname()):
        assert not re.search(rf"\b{re.escape(word)}\b".encode(), contents[0]), word


def test_a_target_that_is_not_known_is_told_with_those_that_are(model: Model, tmp_path: Path) -> None:
    told = refusal(request_of(model, targets=("SM86", "SM87")), tmp_path)
    assert "no target is named `SM87`" in told
    assert "SM75, SM80, SM86, SM89, SM120, SM121" in told
    assert "rename it to `SM86`" in told or "`SM80`" in told


@pytest.mark.parametrize("batches", [(0, 1, 2), (4, 2, 8), (1, 8, 4)])
def test_batches_out_of_order_are_refused(model: Model, batches: tuple[int, int, int], tmp_path: Path) -> None:
    told = refusal(replace(request_of(model), options=Options(batches=batches)), tmp_path)
    assert "are not the smallest, the best and the largest" in told


def test_int8_without_examples_asks_for_data(model: Model, tmp_path: Path) -> None:
    assert "int8 needs data" in refusal(request_of(model, "int8"), tmp_path)


def test_an_engine_in_a_wider_type_than_asked_is_refused(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the graph of float16 had lost its casts."""

    def without_casts(request: Request, folder: Path, newest: int) -> Built:
        return write_graph(replace(request, dtype="float32"), folder, newest)

    monkeypatch.setattr(exporter, "write_graph", without_casts)
    told = refusal(request_of(model, "float16"), tmp_path)
    assert "the engine does not compute in the types that were asked for" in told
    assert "reads float32, and float16 was asked for" in told


def test_a_graph_that_the_parser_refuses_is_told(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(HopgraphError, match="tensorrt_rtx refuses the model"):
        build_engine(trt, Order(tmp_path / "model.onnx", "float32", "image", ((1, 8, 8), (1, 8, 8), (1, 8, 8)), BATCHES, ()))


@pytest.mark.parametrize("dtype", [*FLOATS, "int8", "fp8"])
def test_the_network_tells_the_same_types(model: Model, dtype: str, tmp_path: Path) -> None:
    """Where neither an engine nor a log can be read, the network before the build is."""
    graph = exporter.graph_of(request_of(model, dtype, given=examples()), tmp_path)
    package: Any = trt
    log = log_of(package)
    network = parse(trt, package.Builder(log), log, graph)
    reading, asked = Reading("the network before the build", layers_of_network(network)), asked_of(graph, dtype)
    reading.require(asked)
    rounded = {dtype: 9, "float32": 1}
    assert reading.facts(asked)["products"] == (rounded if dtype in ("int8", "fp8") else {dtype: 10})


class Config:
    """The configuration of a builder of `tensorrt`: one GPU, and timings."""

    def __init__(self, fits: bool) -> None:
        self.fits = fits
        self.loaded: list[bytes] = []
        self.hardware_compatibility_level = "NONE"

    def create_timing_cache(self, content: bytes) -> bytes:
        return content

    def set_timing_cache(self, cache: bytes, ignore_mismatch: bool) -> bool:
        assert not ignore_mismatch
        self.loaded.append(cache)
        return self.fits or cache == b""


LEVELS = SimpleNamespace(__members__={"NONE": 0, "AMPERE_PLUS": 1, "SAME_COMPUTE_CAPABILITY": 2})
PACKAGE = SimpleNamespace(__name__="tensorrt", __version__="10.13.0.35", HardwareCompatibilityLevel=LEVELS)


@pytest.fixture
def one_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(targets, "library", lambda: FakeDriver(capability=90))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("wanted", "level", "named"),
    [((), "NONE", ["SM90"]), (("AMPERE_PLUS",), 1, ["SM80+"]), (("SAME_COMPUTE_CAPABILITY",), 2, ["SM90"])],
)
def test_tensorrt_builds_for_the_gpu_that_is_there(one_gpu: None, wanted: tuple[str, ...], level: object, named: list[str]) -> None:
    config = Config(fits=True)
    assert targets.set_targets(PACKAGE, config, "float32", wanted) == named
    assert config.hardware_compatibility_level == level


def test_tensorrt_builds_for_one_target(one_gpu: None) -> None:
    with pytest.raises(HopgraphError, match="tensorrt builds for one target, and 2 are asked for"):
        targets.set_targets(PACKAGE, Config(True), "float32", ("AMPERE_PLUS", "SAME_COMPUTE_CAPABILITY"))


def test_timings_are_kept_for_each_version_and_gpu(one_gpu: None) -> None:
    name = load_timings(PACKAGE, config := Config(True), ["SM90"])
    assert (name, config.loaded) == ("tensorrt-10.13.0.35-SM90.timings", [b""])
    store_cache(str(name), b"measured")
    load_timings(PACKAGE, config := Config(True), ["SM90"])
    assert config.loaded == [b"measured"]
    load_timings(PACKAGE, config := Config(False), ["SM90"])
    assert config.loaded == [b"measured", b""]
    assert [path.name for path in cache_folder().iterdir()] == [name]


def counting(gpus: int) -> Callable[[object], int]:
    def count(driver: object) -> int:
        return gpus

    return count


def inspected(content: bytes) -> Any:
    """What a package loads of an engine: an inspector with one layer, or nothing."""
    layers = json.dumps({"Layers": [{"LayerType": "gemm", "Inputs": [{"Datatype": "Half"}], "Metadata": "[ONNX Layer: a]"}]})
    inspector = SimpleNamespace(get_engine_information=lambda kind: layers)  # pyright: ignore[reportUnknownLambdaType]
    return SimpleNamespace(create_engine_inspector=lambda: inspector) if content == b"engine" else None


@pytest.mark.parametrize(
    ("content", "gpus", "told", "source"),
    [
        (b"engine", 1, "Layers:\nName: a", "the engine"),
        (b"engine", 0, "Layers:\nName: a", "the log of the build"),
        (b"for another GPU", 1, "Layers:\nName: a", "the log of the build"),
        (b"engine", 0, "", "the network before the build"),
    ],
)
def test_layers_are_read_where_they_can_be(monkeypatch: pytest.MonkeyPatch, content: bytes, gpus: int, told: str, source: str) -> None:
    monkeypatch.setattr(builder, "device_count", counting(gpus))
    package = SimpleNamespace(
        Runtime=lambda log: SimpleNamespace(deserialize_cuda_engine=inspected),  # pyright: ignore[reportUnknownLambdaType]
        LayerInformationFormat=SimpleNamespace(JSON="json"),
    )
    before = (Layer("MATRIX_MULTIPLY", frozenset({"float16"}), frozenset({"a"})),)
    reading = read_back(package, SimpleNamespace(layers=told), content, before)
    assert (reading.source, len(reading.layers)) == (source, 1)


def test_tensorrt_rtx_measures_nothing_and_keeps_nothing(one_gpu: None) -> None:
    assert load_timings(trt, Config(True), ["SM86"]) is None


@pytest.mark.parametrize(
    ("installed", "gpus", "package", "lacking"),
    [
        ({"tensorrt", "tensorrt_rtx"}, 1, "tensorrt", None),
        ({"tensorrt", "tensorrt_rtx"}, 0, "tensorrt_rtx", None),
        ({"tensorrt_rtx"}, 0, "tensorrt_rtx", None),
        ({"tensorrt"}, 0, None, "tensorrt builds on a GPU"),
        (set[str](), 1, None, "neither tensorrt nor tensorrt_rtx is installed"),
    ],
)
def test_the_package_that_can_build_is_taken(
    monkeypatch: pytest.MonkeyPatch, installed: set[str], gpus: int, package: str | None, lacking: str | None
) -> None:

    def find(name: str) -> str | None:
        return name if name in installed else None

    monkeypatch.setattr(exporter, "find_spec", find)
    monkeypatch.setattr(exporter, "device_count", counting(gpus))
    assert exporter.builder_package() == package
    assert (exporter.missing() or "").startswith(lacking or "")
    assert (exporter.missing() is None) == (lacking is None)
