"""How a server is run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Where a server listens, how it joins requests, and what it refuses.

    `port` 0 is any that is free. `max_batch` is the most rows that the model is given at once; with `batching`, requests that wait at the
    same time are joined up to it, and the first of them waits at most `max_delay_s` for others. A body may have `max_body_bytes`,
    decompressed, and the bodies and answers of all requests in flight `max_bytes_in_flight`. `timeout_s` is what a client has to send its
    body, and what the model has to answer. `grace_s` is what requests in flight have to end once the server is asked to stop.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    batching: bool = True
    max_batch: int = 64
    max_delay_s: float = 0.0
    max_body_bytes: int = 64 * 2**20
    max_bytes_in_flight: int = 2**30
    max_requests: int = 256
    timeout_s: float = 30.0
    grace_s: float = 30.0
    log_requests: bool = False
