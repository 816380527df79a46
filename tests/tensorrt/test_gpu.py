"""A real engine on a real GPU."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from exporters import tensorrt as exporter
from hopgraph.bench.device import device_times
from hopgraph.bench.on_engine import OnEngine
from hopgraph.export.lengths import at_length
from hopgraph.export.parity import TOLERANCE, reference, relative_error
from hopgraph.lower.model import Model, compile_model
from hopgraph.runtime.engine import TENSORRT, open_engine
from hopgraph.runtime.manifest import File, Form, Manifest
from hopgraph.runtime.record import Opening
from tests.tensorrt.conftest import BATCHES, random_model, request_of


@pytest.mark.gpu
@pytest.mark.skipif(TENSORRT.missing() is not None, reason=f"no engine can run here: {TENSORRT.missing()}")
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_an_engine_computes_what_the_model_computes(model: Model, dtype: str, tmp_path: Path) -> None:
    built = exporter.build(request_of(model, dtype), tmp_path)
    form = Form("tensorrt", dtype, built.file, built.files, {}, {}, built.facts)
    manifest = cast("Manifest", SimpleNamespace(files=(File(built.file, 0, "0" * 64),)))
    predict = open_engine(Opening(tmp_path, manifest, form))
    given = [np.random.default_rng(size).standard_normal((size, 1, 8, 8)).astype(np.float32) for size in (1, 2, 7, BATCHES[-1])]
    assert relative_error([predict(batch) for batch in given], reference(model, given)) <= TOLERANCE[dtype]


@pytest.mark.gpu
@pytest.mark.skipif(TENSORRT.missing() is not None, reason=f"no engine can run here: {TENSORRT.missing()}")
def test_an_engine_is_timed_as_a_graph(model: Model, tmp_path: Path) -> None:
    built = exporter.build(request_of(model), tmp_path)
    form = Form("tensorrt", "float32", built.file, built.files, {}, {}, built.facts)
    manifest = cast("Manifest", SimpleNamespace(files=(File(built.file, 0, "0" * 64),)))
    run = OnEngine(open_engine(Opening(tmp_path, manifest, form)))
    given = [np.random.default_rng(seed).standard_normal((2, 1, 8, 8)).astype(np.float32) for seed in range(2)]
    found = device_times(run, given, 5)
    assert len(found.seconds) == 5
    assert min(found.seconds) > 0
    assert found.plain is None
    assert relative_error([run(batch) for batch in given], reference(model, given)) <= TOLERANCE["float32"]


@pytest.mark.gpu
@pytest.mark.skipif(TENSORRT.missing() is not None, reason=f"no engine can run here: {TENSORRT.missing()}")
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_an_engine_computes_every_length(dtype: str, tmp_path: Path) -> None:
    transformer = random_model("masked_mixer", "transformer,text", ("dims.T=16", "dims.C=16", "dims.depth=2"))
    request = request_of(transformer, dtype)
    built = exporter.build(replace(request, options=replace(request.options, dynamic="T")), tmp_path)
    form = Form("tensorrt", dtype, built.file, built.files, {}, {}, built.facts)
    manifest = cast("Manifest", SimpleNamespace(files=(File(built.file, 0, "0" * 64),)))
    predict = open_engine(Opening(tmp_path, manifest, form))
    for length in (1, 2, 7, 16):
        model = compile_model(at_length(transformer.spec, "T", length))
        model.load_state_dict(transformer.state_dict())
        tokens = np.random.default_rng(length).integers(256, size=(3, length))
        assert relative_error([predict(tokens)], reference(model, [tokens])) <= TOLERANCE[dtype]
