"""`bench`: latency and throughput of bundles under their runtimes, each candidate in its own process, rounds interleaved."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hopgraph.errors import Diagnostic, HopgraphError
from hopgraph.export.exporter import find_runtime, runtimes_of
from hopgraph.runtime import Bundle, Form, Manifest

ROUNDS = 15
ROUND_SECONDS = 0.03
"""A round of one candidate takes about so long, in at least three calls."""
ROUND_LIMIT = 0.15
"""No call of a round begins after so many seconds: a machine that is busy with other work takes long, not for ever."""
MAX_WARM_UPS = 20
SETTLED = 0.1
"""A candidate has warmed up when the median of a round is within this fraction of the one before."""
RESAMPLES = 1000


@dataclass(frozen=True)
class Candidate:
    """A form of a bundle under a runtime. `reason` says why it was not run, if it was not."""

    bundle: str
    variant: str
    runtime: str
    dtype: str
    reason: str | None = None


@dataclass(frozen=True)
class Timing:
    """A candidate at one batch size: seconds per call, and the ratio of its median to the baseline's with a 95% interval."""

    candidate: Candidate
    batch: int
    median: float
    p90: float
    calls: int
    ratio: float
    ratio_low: float
    ratio_high: float

    @property
    def throughput(self) -> float:
        """Examples per second."""
        return self.batch / self.median

    @property
    def differs(self) -> bool:
        """Whether the interval of the ratio leaves out 1."""
        return not self.ratio_low <= 1 <= self.ratio_high


@dataclass(frozen=True)
class Measured:
    """All candidates, and the timings of those that could run."""

    candidates: tuple[Candidate, ...]
    timings: tuple[Timing, ...]


class _Worker:
    """The other end of a worker process."""

    def __init__(self, candidate: Candidate, threads: int) -> None:
        self.candidate = candidate
        command = [sys.executable, "-m", "hopgraph.bench.worker", candidate.bundle, candidate.runtime, candidate.dtype, str(threads)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen(  # noqa: S603 (our own module, no shell)
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )

    def wait_ready(self) -> Candidate:
        """The candidate, with the reason where it turns out that it cannot run here."""
        told = self._line()
        if isinstance(told, dict):
            return replace(self.candidate, reason=str(told["reason"]))  # pyright: ignore[reportUnknownArgumentType]
        if told != "ready":
            raise self._died()
        return self.candidate

    def time(self, batch: int, calls: int) -> list[float]:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps({"batch": batch, "calls": calls, "seconds": ROUND_LIMIT}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self._died() from None
        answer = self._line()
        if not isinstance(answer, list):
            raise self._died()
        return [float(value) for value in answer]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]

    def _line(self) -> object:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        return json.loads(line) if line else None

    def _died(self) -> HopgraphError:
        _, errors = self.process.communicate()
        last = errors.strip().splitlines()[-1:] or ["it said nothing"]
        message = f"the benchmark of `{self.candidate.bundle}` under `{self.candidate.runtime}` ended: {last[0]}"
        return HopgraphError(Diagnostic("runtime-unavailable", message))

    def close(self) -> None:
        if self.process.stdin is not None and not self.process.stdin.closed:
            self.process.stdin.close()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


def candidates(bundles: Sequence[Bundle], runtimes: Sequence[str] | None) -> list[Candidate]:
    """Every form of every bundle under every runtime that knows it, or under those named. Raises HopgraphError."""
    chosen = None if runtimes is None else [find_runtime(name) for name in runtimes]
    found: list[Candidate] = []
    for bundle in bundles:
        manifest = bundle.manifest
        pairs = [(form, runtime) for form in manifest.forms for runtime in runtimes_of(form.exporter)]
        for runtime in chosen or ():
            if all(other != runtime for _, other in pairs):
                raise HopgraphError(Diagnostic("runtime-unknown", f"`{bundle.path}` has no file that `{runtime.name}` can run"))
        kept = [pair for pair in pairs if (pair[0] in _distinct(manifest) if chosen is None else pair[1] in chosen)]
        path, variant = str(bundle.path), manifest.variant
        found += [Candidate(path, variant, runtime.name, form.dtype, runtime.missing()) for form, runtime in kept]
    return found


def _distinct(manifest: Manifest) -> list[Form]:
    """The forms but those that are the same file as one before, at another place."""
    hashes = {file.path: file.sha256 for file in manifest.files}
    first = {hashes[form.file]: form for form in reversed(manifest.forms)}
    return [form for form in manifest.forms if first[hashes[form.file]] is form]


def measure(chosen: Sequence[Candidate], batches: Sequence[int] = (1, 64), threads: int | None = None) -> Measured:
    """Time the candidates that can run. The baseline of each is the first bundle under the same runtime and dtype."""
    threads = threads or os.cpu_count() or 1
    workers: list[_Worker] = []
    try:
        workers += [_Worker(candidate, threads) for candidate in chosen if candidate.reason is None]
        found = {worker.candidate: worker.wait_ready() for worker in workers}
        ready = [worker for worker in workers if found[worker.candidate].reason is None]
        samples = {(worker.candidate, batch): _Samples(worker, batch) for worker in ready for batch in batches}
        for sample in samples.values():
            sample.warm_up()
        order = list(samples.values())
        shuffler = random.Random(0)  # noqa: S311 (an order of measurement, not a secret)
        for _ in range(ROUNDS):
            shuffler.shuffle(order)
            for sample in order:
                sample.round()
    finally:
        for worker in workers:
            worker.close()
    return Measured(tuple(found.get(item, item) for item in chosen), tuple(_timing(key, samples) for key in samples))


class _Samples:
    """What is known of one candidate at one batch size."""

    def __init__(self, worker: _Worker, batch: int) -> None:
        self.worker, self.batch = worker, batch
        self.calls = 3
        self.rounds: list[list[float]] = []

    def warm_up(self) -> None:
        """Run until two rounds agree, then fix the number of calls in a round."""
        last = float("inf")
        median = last
        for _ in range(MAX_WARM_UPS):
            median = float(np.median(self.worker.time(self.batch, self.calls)))
            if abs(median - last) <= SETTLED * median:
                break
            last = median
        self.calls = max(3, min(1000, round(ROUND_SECONDS / median)))

    def round(self) -> None:
        self.rounds.append(self.worker.time(self.batch, self.calls))

    @property
    def medians(self) -> np.ndarray:
        """The median of each round."""
        return np.array([np.median(seconds) for seconds in self.rounds])


def _timing(key: tuple[Candidate, int], samples: dict[tuple[Candidate, int], _Samples]) -> Timing:
    candidate, batch = key
    baseline = next(
        sample
        for (other, size), sample in samples.items()
        if (other.runtime, other.dtype, size) == (candidate.runtime, candidate.dtype, batch)
    )
    own = samples[key]
    seconds = np.concatenate([np.asarray(part) for part in own.rounds])
    ratio, low, high = _ratio(own.medians, baseline.medians)
    return Timing(candidate, batch, float(np.median(seconds)), float(np.quantile(seconds, 0.9)), len(seconds), ratio, low, high)


def _ratio(own: np.ndarray, baseline: np.ndarray) -> tuple[float, float, float]:
    """The median over rounds of own / baseline, and its bootstrap interval of 95%."""
    ratios = own / baseline
    generator = np.random.default_rng(0)
    resampled = np.median(generator.choice(ratios, (RESAMPLES, len(ratios))), axis=1)
    low, high = np.quantile(resampled, (0.025, 0.975))
    return float(np.median(ratios)), float(low), float(high)
