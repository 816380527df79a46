"""ONNX files of others: their inputs, their batch."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from hopgraph.bench.candidates import baselines, dtype_of
from hopgraph.bench.targets import open_onnx, open_target
from hopgraph.errors import HopgraphError
from hopgraph.runtime import BundleError
from hopgraph.runtime.onnx import CPU, CUDA
from tests.bench.models import write_onnx

RNG = np.random.default_rng(0)


def test_an_open_first_dimension_is_the_batch(tmp_path: Path) -> None:
    file = write_onnx(tmp_path / "m.onnx", [("x", "float32", ["n", 3, 4]), ("ids", "int64", ["n", 7]), ("mask", "bool", ["n"])])
    target = open_target(str(file), "onnxruntime", "float32", 1)
    given = target.draw(5, RNG)
    assert {name: (array.shape, str(array.dtype)) for name, array in given.items()} == {
        "x": ((5, 3, 4), "float32"),
        "ids": ((5, 7), "int64"),
        "mask": ((5,), "bool"),
    }
    assert set(given["ids"].ravel().tolist()) == {0, 1}
    assert target.run(given)[0].tolist() == [5, 3, 4]  # pyright: ignore[reportIndexIssue, reportUnknownMemberType]
    assert target.batches == (1, sys.maxsize)


def test_a_fixed_first_dimension_is_the_only_batch(tmp_path: Path) -> None:
    target = open_onnx(write_onnx(tmp_path / "m.onnx", [("x", "float16", [8, 3]), ("y", "float64", ["n", 2])]), CPU, 1)
    assert target.batches == (8, 8)
    assert {str(array.dtype) for array in target.draw(8, RNG).values()} == {"float16", "float64"}


@pytest.mark.parametrize(
    ("shape", "message"),
    [(["n", "m", 3], "`x` has the open dimensions m"), ([], "`x` has no dimension")],
    ids=["a second open one", "a scalar"],
)
def test_what_has_no_batch_is_told(tmp_path: Path, shape: list[int | str], message: str) -> None:
    file = write_onnx(tmp_path / "m.onnx", [("x", "float32", shape)])
    with pytest.raises(BundleError, match=message):
        open_onnx(file, CPU, 1)


def test_no_provider_stands_in_for_another(tmp_path: Path) -> None:
    ort = pytest.importorskip("onnxruntime")
    if CUDA in ort.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    file = write_onnx(tmp_path / "m.onnx", [("x", "float32", ["n", 3])])
    with pytest.raises(BundleError, match=r"instead of CUDAExecutionProvider|does not open it"), pytest.warns(UserWarning, match=CUDA):
        open_onnx(file, CUDA, 1)


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"\xff\xff\xff")
    with pytest.raises(HopgraphError, match=r"file-unreadable.*cannot be read as an ONNX model"):
        dtype_of(tmp_path / "m.onnx")
    with pytest.raises(HopgraphError, match="file-missing"):
        baselines(tmp_path / "none.onnx", None)
    with pytest.raises(BundleError, match="does not open it"):
        open_onnx(tmp_path / "m.onnx", CPU, 1)


def test_a_file_is_run_by_the_providers_that_are_named(tmp_path: Path) -> None:
    file = write_onnx(tmp_path / "m.onnx", [("x", "float32", ["n", 3])])
    names = ["onnxruntime", "onnxruntime-cuda", "onnxruntime-tensorrt"]
    assert [item.runtime for item in baselines(file, None)] == names
    assert [item.runtime for item in baselines(file, ["pytorch", "onnxruntime-cuda"])] == ["onnxruntime-cuda"]
    (found,) = baselines(file, ["pytorch"])
    assert (found.bundle, found.runtime, found.dtype, found.baseline) == (str(file), "onnxruntime", "int64", True)
