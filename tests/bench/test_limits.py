"""Every timing is held against the limits of its device in its dtype, each of which is measured once."""

from __future__ import annotations

import pytest

from hopgraph.bench import bench
from hopgraph.bench.candidates import Candidate
from hopgraph.bench.roofline import Limits
from hopgraph.bench.timing import Timing
from hopgraph.program.cost import Cost

DEVICES = {"onnxruntime": "cpu", "onnxruntime-cuda": "cuda"}
ROWS = (
    ("onnxruntime", "float32"),
    ("onnxruntime", "float16"),
    ("onnxruntime-cuda", "float16"),
    ("onnxruntime-cuda", "int8"),
    ("theirs", "float32"),
)


def timing(runtime: str, dtype: str) -> Timing:
    candidate = Candidate("b", "", runtime, dtype)
    return Timing(candidate, 2, 1.0, 1.0, 9, 1, 1, 1, candidate)


def test_each_has_the_limits_of_its_device_and_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, str, str]] = []

    def measured(threads: int, device: str, dtype: str) -> Limits:
        asked.append((threads, device, dtype))
        return Limits(100.0 if dtype == "float32" else 200.0, 1e9)

    monkeypatch.setattr(bench, "device_of", DEVICES.get)
    monkeypatch.setattr(bench, "measure_limits", measured)
    timings = [timing(*row) for row in (*ROWS, *ROWS)]
    limits = bench._limits(timings, 3)  # pyright: ignore[reportPrivateUsage] (the rest of it measures)
    assert asked == [(3, "cpu", "float32"), (3, "cuda", "float16")]
    costs = {"b": Cost(flops=50, weight_bytes=4, value_bytes=4)}
    found = [bench._with_least(costs, limits, item).least for item in timings[: len(ROWS)]]  # pyright: ignore[reportPrivateUsage]
    assert found == [1.0, None, 0.5, None, None]
