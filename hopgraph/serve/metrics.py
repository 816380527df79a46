"""What a server counts, for Prometheus and for the protocol's statistics."""

from __future__ import annotations

import time
from itertools import chain

from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector, generate_latest

from hopgraph.serve.batching import Batch

SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
ROWS = tuple(float(2**power) for power in range(11))


class Metrics:
    """The counts of one server: requests by status, seconds in the queue and in the model, rows of a batch, requests in flight."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = self._histogram("request_seconds", "Inference requests by status, and how long each took", labels=("code",))
        self._queue = self._histogram("queue_seconds", "How long requests waited for the model")
        self._compute = self._histogram("compute_seconds", "How long the model ran on a batch")
        self._rows = self._histogram("batch_rows", "How many rows a batch had", ROWS)
        self.in_flight = Gauge("hopgraph_requests_in_flight", "Inference requests that are not answered yet", registry=self.registry)
        ProcessCollector(registry=self.registry)
        self._last = 0.0

    def _histogram(self, name: str, told: str, buckets: tuple[float, ...] = SECONDS, labels: tuple[str, ...] = ()) -> Histogram:
        return Histogram(f"hopgraph_{name}", told, labels, registry=self.registry, buckets=buckets)

    def request(self, code: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._requests.labels(str(code)).observe(seconds)

    def batch(self, batch: Batch) -> None:
        """Count a run of the model."""
        self._rows.observe(batch.rows)
        self._compute.observe(batch.seconds)
        for seconds in batch.waited:
            self._queue.observe(seconds)
        self._last = time.time()

    def text(self) -> bytes:
        """Every metric in Prometheus' text format."""
        return generate_latest(self.registry)

    def statistics(self) -> dict[str, object]:
        """The counts as the protocol's statistics extension has them."""
        codes = self._codes()
        rows = self._summed("hopgraph_batch_rows")
        compute = self._summed("hopgraph_compute_seconds")
        durations = {
            "success": _duration(*(pair for code, pair in codes.items() if code == "200")),
            "fail": _duration(*(pair for code, pair in codes.items() if code != "200")),
            "queue": _duration(self._summed("hopgraph_queue_seconds")),
            "compute_input": _duration(),
            "compute_infer": _duration(compute),
            "compute_output": _duration(),
        }
        counts = {"last_inference": int(self._last * 1000), "inference_count": int(rows[1]), "execution_count": int(rows[0])}
        return {**counts, "inference_stats": durations, "batch_stats": []}

    def _summed(self, name: str, labels: dict[str, str] | None = None) -> tuple[float, float]:
        """How often a histogram was observed, and the sum of what it saw."""
        count, total = (self.registry.get_sample_value(f"{name}_{part}", labels) or 0.0 for part in ("count", "sum"))
        return count, total

    def _codes(self) -> dict[str, tuple[float, float]]:
        samples = chain.from_iterable(metric.samples for metric in self._requests.collect())
        codes = {sample.labels["code"] for sample in samples}
        return {code: self._summed("hopgraph_request_seconds", {"code": code}) for code in codes}


def _duration(*pairs: tuple[float, float]) -> dict[str, int]:
    return {"count": int(sum(count for count, _ in pairs)), "ns": int(sum(seconds for _, seconds in pairs) * 1e9)}
