"""ONNX in float16 under ONNX Runtime on the GPU, against the model in float64: the largest relative error, and the limit."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.gpu.exports import DTYPES, exported
from benchmarks.gpu.setting import Rows, Setting, SkippedError, tried
from benchmarks.pairs import Pair, pairs
from hopgraph.export.parity import TOLERANCE, reference, relative_error, sample_inputs
from hopgraph.runtime.onnx import CPU, CUDA, lacking


def rows(setting: Setting) -> Rows:
    """Every pair in both dtypes. Raises SkippedError without the provider."""
    absent = lacking(CPU if setting.dry else CUDA)
    if absent is not None:
        raise SkippedError(absent)
    for pair in pairs(setting.dry)[: 1 if setting.dry else None]:
        yield from tried(pair.name, partial(of, pair, setting))


def of(pair: Pair, setting: Setting) -> Rows:
    """One pair."""
    with TemporaryDirectory() as folder:
        model, bundle = exported(pair, ["onnx"], Path(folder))
        inputs = sample_inputs(model)
        wanted = reference(model, inputs)
        for dtype in DTYPES:
            session = bundle.session("onnxruntime", dtype, setting.device)
            error = relative_error([session(batch) for batch in inputs], wanted)
            yield {"name": pair.name, "dtype": dtype, "error": error, "limit": TOLERANCE[dtype], "met": error <= TOLERANCE[dtype]}
