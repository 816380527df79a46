"""ONNX Runtime as a bundle's runtime: its device is the one that was asked for, and a tied weight is in memory once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from exporters.onnx import EXPORTER
from hopgraph.export.weights import WEIGHTS
from hopgraph.runtime import BundleError
from hopgraph.runtime.onnx import CPU, CUDA, ONNXRUNTIME
from tests.onnx.models import Case, Written, write

DIGITS = Case("paramixer", "symmetric,digits", ("dims.C=16", "dims.depth=1"))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write(DIGITS.model(), tmp_path_factory.mktemp("model"))


def images(batch: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((batch, 1, 8, 8), dtype=np.float32)


def test_the_exporter_names_its_runtime() -> None:
    assert EXPORTER.runtimes == (ONNXRUNTIME,)
    assert (ONNXRUNTIME.exporter, EXPORTER.name) == ("onnx", "onnx")
    assert ONNXRUNTIME.missing() is None
    assert EXPORTER.missing() is None
    assert {"float32", "float16", "bfloat16"} <= set(EXPORTER.dtypes)


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_a_session_takes_any_batch_and_threads(written: Written, device: str) -> None:
    one, many = written.run([images(1), images(5)], device=device, threads=2)
    assert one.shape == (1, 10)
    assert many.shape == (5, 10)
    assert many.dtype == np.float32


@pytest.mark.skipif(CUDA in ort.get_available_providers(), reason="says what happens without a GPU")
def test_a_gpu_that_is_not_there_is_an_error(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BundleError, match="this onnxruntime runs nothing on a GPU") as caught:
        written.run([], device="cuda")
    assert caught.value.code == "runtime-unavailable"
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CUDA, CPU])  # as of a GPU build on a machine without one
    with pytest.warns(UserWarning, match="CUDAExecutionProvider"), pytest.raises(BundleError) as caught:
        written.run([], device="cuda")
    assert caught.value.code == "runtime-unavailable"


def test_a_graph_without_its_weights_is_an_error(tmp_path: Path) -> None:
    written = write(DIGITS.model(), tmp_path)
    (tmp_path / WEIGHTS).unlink()
    with pytest.raises(BundleError, match=r"`model.onnx` cannot be opened by onnxruntime") as caught:
        written.run([])
    assert caught.value.code == "bundle-damaged"


MEASURE = """
import json, re, sys
from pathlib import Path
from hopgraph.runtime import Form, Opening
from hopgraph.runtime.onnx import ONNXRUNTIME
import onnxruntime

def anonymous():
    return int(re.search(r"Anonymous: +([0-9]+) kB", Path("/proc/self/smaps_rollup").read_text())[1]) * 1024

folder, facts = Path(sys.argv[1]), json.loads(sys.argv[2])
form = Form("onnx", "float32", "model.onnx", ("model.onnx", "model.safetensors"), {}, {}, facts)
before = anonymous()
predict = ONNXRUNTIME.open(Opening(folder, None, form, "cpu", 1))
print(anonymous() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="the memory of a process is read as Linux tells it")
def test_a_tied_weight_is_in_memory_once(tmp_path: Path) -> None:
    """What a session allocates beside the file that it maps is less than one copy of the weights: no weight is laid out anew."""
    written = write(Case("paramixer", "symmetric,digits", ("dims.C=1024", "dims.depth=1")).model(), tmp_path)
    size = (tmp_path / WEIGHTS).stat().st_size
    allocated: dict[bool, int] = {}
    for shared in (True, False):
        facts = json.dumps({**written.built.facts, "shared": shared})
        done = subprocess.run([sys.executable, "-c", MEASURE, str(tmp_path), facts], capture_output=True, text=True, check=True)
        allocated[shared] = int(done.stdout)
    assert size > 16e6
    assert allocated[True] < 0.5 * size
    assert allocated[False] > 1.5 * size
