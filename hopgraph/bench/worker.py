"""One benchmark candidate in a process of its own: reads requests from standard input, writes answers to standard output.

    python -m hopgraph.bench.worker BUNDLE RUNTIME DTYPE THREADS

The first answer is {} where it is open, and {"reason": ...} where it cannot be. Requests and answers are lines of JSON:

| request | answer |
|---|---|
| {"what": "time", "batch": 1, "calls": 10, "seconds": 0.1} | {"seconds": [...]}: of each call, host to host |
| {"what": "rest", "batch": 1} | {"rested": true} once its threads rest, or false after a second |
| {"what": "device", "batch": 1, "calls": 10} | {"seconds": [...], "plain": null}: of each call on the GPU, its input there already |
| {"what": "energy", "batch": 1, "seconds": 1.0} | {"joules": 31.0, "calls": 1500}: of so many seconds of calls |

`plain` says why calls are no CUDA graphs, where they should be. What cannot be done is answered by {"reason": ...}.

Candidates that share a process disturb each other, since their thread pools spin: a call of 22 ms was measured at 53 ms. A pool spins
after its last work too, ONNX Runtime's for 50 ms, so a process is to rest before another one's turn comes.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import cycle
from typing import Any, TextIO

import numpy as np

from hopgraph.bench.device import device_times
from hopgraph.bench.power import meter
from hopgraph.bench.targets import Target, open_target
from hopgraph.errors import HopgraphError
from hopgraph.runtime import BundleError

ROTATION = 8
"""So many different inputs are used in turn, so that a cache is not what is measured."""
LEAD = 5
"""One call in so many, and one at least, leads a round uncounted: others ran in between, and took the caches."""
REST = 0.012
"""A process rests when its threads take less than a tenth of so many seconds in as many. Systems count a running thread's time by
ticks of up to 10 ms, so less would not do."""
REST_LIMIT = 1.0
"""For so long the rest is waited for."""


@dataclass
class Server:
    """Answers requests about a target."""

    target: Target
    inputs: dict[int, list[Any]] = field(default_factory=dict[int, list[Any]])

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request; a reason where the target refuses, as an engine does a batch that it was not built for."""
        least, most = self.target.batches
        if not least <= request["batch"] <= most:
            return {"reason": f"it takes batches of {least} to {most}" if least < most else f"it takes batches of {least} alone"}
        try:
            return _ANSWERS[request["what"]](self, request)
        except Exception as error:  # whatever a runtime raises
            return {"reason": reason_of(error)}

    def drawn(self, batch: int) -> list[Any]:
        """The inputs of a batch size."""
        if batch not in self.inputs:
            generator = np.random.default_rng(0)
            self.inputs[batch] = [self.target.draw(batch, generator) for _ in range(ROTATION)]
        return self.inputs[batch]

    def time(self, request: dict[str, Any]) -> dict[str, Any]:
        """So many calls after those that lead; no further one is begun once so many seconds have passed."""
        inputs, calls = cycle(self.drawn(request["batch"])), request["calls"]
        for _ in range(-(-calls // LEAD)):
            if timed(self.target.run, next(inputs)) > request["seconds"] / LEAD:
                break
        seconds: list[float] = []
        end = time.perf_counter() + request["seconds"]
        while len(seconds) < calls and (not seconds or time.perf_counter() < end):
            seconds.append(timed(self.target.run, next(inputs)))
        return {"seconds": seconds}

    def rest(self, request: dict[str, Any]) -> dict[str, Any]:
        """Whether this process came to rest."""
        return {"rested": rest()}

    def device(self, request: dict[str, Any]) -> dict[str, Any]:
        """The time of calls on the GPU by events of its driver."""
        return asdict(device_times(self.target.run, self.drawn(request["batch"]), request["calls"]))

    def energy(self, request: dict[str, Any]) -> dict[str, Any]:
        """The energy that the GPU took while calls followed each other for so many seconds."""
        gauge, inputs = meter(), cycle(self.drawn(request["batch"]))
        calls, begun, before = 0, time.perf_counter(), gauge.joules()
        while time.perf_counter() - begun < request["seconds"]:
            self.target.run(next(inputs))
            calls += 1
        return {"joules": gauge.joules() - before, "calls": calls}


_ANSWERS: dict[str, Callable[[Server, dict[str, Any]], dict[str, Any]]] = {
    "time": Server.time,
    "rest": Server.rest,
    "device": Server.device,
    "energy": Server.energy,
}


def timed(run: Callable[[Any], object], given: object) -> float:
    """The seconds of a call."""
    begun = time.perf_counter()
    run(given)
    return time.perf_counter() - begun


def rest(limit: float = REST_LIMIT) -> bool:
    """Return when the threads of this process rest; False where they still run after so many seconds."""
    end = time.perf_counter() + limit
    while time.perf_counter() < end:
        before = time.process_time()
        time.sleep(REST)
        if time.process_time() - before < REST / 10:
            return True
    return False


def reason_of(error: Exception) -> str:
    """What an error says, in a line."""
    if isinstance(error, BundleError):
        return error.message
    if isinstance(error, HopgraphError):
        return error.diagnostics[0].message
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def answers_only() -> TextIO:
    """Standard output for our answers alone: what libraries print there goes to standard error."""
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return channel


def main(arguments: list[str]) -> None:
    """Open what the arguments name, say so, and answer requests until the input ends."""
    path, runtime, dtype, threads = arguments
    channel = answers_only()
    try:
        server = Server(open_target(path, runtime, dtype, int(threads)))
    except (BundleError, HopgraphError) as error:
        print(json.dumps({"reason": reason_of(error)}), file=channel, flush=True)
        return
    rest()
    print(json.dumps({}), file=channel, flush=True)
    for line in sys.stdin:
        print(json.dumps(server.answer(json.loads(line))), file=channel, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
