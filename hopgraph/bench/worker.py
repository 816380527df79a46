"""One benchmark candidate in a process of its own: reads requests from standard input, writes timings to standard output.

    python -m hopgraph.bench.worker BUNDLE RUNTIME DTYPE THREADS

A request is a line of JSON, {"batch": 1, "calls": 10, "seconds": 0.1}: so many calls, but no further one once so many
seconds have passed. The answer is the list of seconds that each call took. Candidates that share a process disturb each
other, since their thread pools spin: a call of 22 ms was measured at 53 ms.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hopgraph.export.exporter import find_runtime
from hopgraph.export.parity import sample
from hopgraph.runtime import Bundle, BundleError, Port, Predict

ROTATION = 8
"""So many different inputs are used in turn, so that a cache is not what is measured."""


def serve(predict: Predict, given: Port) -> None:
    """Answer requests until the input ends."""
    generator = np.random.default_rng(0)
    inputs: dict[int, list[NDArray[Any]]] = {}
    for line in sys.stdin:
        request = json.loads(line)
        batch = int(request["batch"])
        if batch not in inputs:
            inputs[batch] = [sample(given, batch, generator) for _ in range(ROTATION)]
        print(json.dumps(_time(predict, inputs[batch], int(request["calls"]), float(request["seconds"]))), flush=True)


def _time(predict: Predict, inputs: list[NDArray[Any]], calls: int, limit: float) -> list[float]:
    seconds: list[float] = []
    end = time.perf_counter() + limit
    for index in range(calls):
        given = inputs[index % len(inputs)]
        begun = time.perf_counter()
        predict(given)
        seconds.append(time.perf_counter() - begun)
        if time.perf_counter() > end:
            break
    return seconds


def main(arguments: list[str]) -> None:
    """Open the bundle with the runtime, say so, and serve."""
    path, runtime, dtype, threads = arguments
    bundle = Bundle.open(path)
    try:
        session = bundle.session(find_runtime(runtime), dtype, threads=int(threads))
    except BundleError as error:
        print(json.dumps({"reason": error.message}), flush=True)
        return
    print(json.dumps("ready"), flush=True)
    serve(session.run, bundle.manifest.input)


if __name__ == "__main__":
    main(sys.argv[1:])
