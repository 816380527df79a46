"""One session of ONNX Runtime in a process of its own: prints the median seconds of a call, as JSON.

    python -m benchmarks.running bundle|file PATH INPUTS.npy SECONDS

A bundle is opened as `hopgraph.runtime` opens it, a file with ONNX Runtime's own defaults. Sessions that share a process disturb each
other.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.base import calls, timed
from hopgraph.runtime import Bundle

Predict = Callable[[NDArray[Any]], NDArray[Any]]


def open_bundle(path: Path) -> Predict:
    """The ONNX form of a bundle."""
    return Bundle.open(path).session("onnxruntime", device="cpu").run


def open_file(path: Path) -> Predict:
    """An ONNX file, with nothing set."""
    ort: Any = import_module("onnxruntime")
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    return lambda inputs: session.run(None, {given.name: inputs})[0]


OPEN = {"bundle": open_bundle, "file": open_file}


def main(how: str, path: str, inputs: str, seconds: str) -> None:
    """Print the median."""
    step = partial(OPEN[how](Path(path)), np.load(inputs))
    print(json.dumps(statistics.median(timed(step) for _ in range(calls(step, float(seconds))))))


if __name__ == "__main__":
    main(*sys.argv[1:])
