"""A real engine on a real GPU."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from exporters import tensorrt as exporter
from hopgraph.export.parity import TOLERANCE, reference, relative_error
from hopgraph.lower.model import Model
from hopgraph.runtime.engine import TENSORRT, open_engine
from hopgraph.runtime.manifest import File, Form, Manifest
from hopgraph.runtime.record import Opening
from tests.tensorrt.conftest import BATCHES, request_of


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
