"""Who is let in: limits on the requests in flight, and their end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator
from contextlib import contextmanager
from typing import TypeVar

from starlette.exceptions import HTTPException

from hopgraph.serve.settings import Settings

T = TypeVar("T")

RETRY = {"Retry-After": "1"}
CLOSE = {"Connection": "close"}


class Gate:
    """Counts the requests in flight and the bytes that they hold, and refuses what is over the limits. Belongs to one event loop."""

    def __init__(self, settings: Settings) -> None:
        self.closed = False
        self._settings = settings
        self._entries: set[Entry] = set()
        self._bytes = 0
        self._empty = asyncio.Event()
        self._whole = True

    @contextmanager
    def admit(self) -> Generator[Entry]:
        """A request in flight. Raises HTTPException (503)."""
        if self.closed:
            raise HTTPException(503, "the server is shutting down", RETRY | CLOSE)
        if len(self._entries) >= self._settings.max_requests:
            raise HTTPException(503, f"{len(self._entries)} requests are in flight, and no more are taken", RETRY)
        entry = Entry(self)
        self._entries.add(entry)
        try:
            yield entry
        finally:
            self._entries.remove(entry)
            self._bytes -= entry.bytes
            if not self._entries:
                self._empty.set()

    def claim(self, entry: Entry, count: int) -> None:
        """Count bytes that a request holds. Raises HTTPException (413, 503)."""
        limit = self._settings.max_bytes_in_flight
        if entry.bytes + count > limit:
            raise HTTPException(413, f"the request and its answer have {entry.bytes + count:,} bytes, and all together may have {limit:,}")
        if self._bytes + count > limit:
            raise HTTPException(503, f"the requests in flight hold {self._bytes:,} bytes, and no more are taken", RETRY)
        self._bytes += count
        entry.bytes += count

    async def close(self) -> bool:
        """Let nobody in, and wait for the requests in flight, for the time of grace; those that are left are cut off. Whether none was."""
        self.closed = True
        while self._entries:
            self._empty.clear()
            try:
                await asyncio.wait_for(self._empty.wait(), self._settings.grace_s)
            except TimeoutError:
                self.cut()
        return self._whole

    def cut(self) -> None:
        """End the requests in flight now."""
        for entry in self._entries:
            self._whole = False
            entry.end(HTTPException(503, "the server was stopped before the request was done", RETRY | CLOSE))


class Entry:
    """A request in flight: the bytes that it holds, and what ends it before its time."""

    def __init__(self, gate: Gate) -> None:
        self.bytes = 0
        self._gate = gate
        self._limit: asyncio.Timeout | None = None
        self._ended: HTTPException | None = None

    def claim(self, count: int) -> None:
        """Hold so many bytes more. Raises HTTPException (413, 503)."""
        self._gate.claim(self, count)

    async def within(self, seconds: float, work: Awaitable[T], late: HTTPException) -> T:
        """What `work` gives. It is cancelled after so many seconds, which raises `late`, or by :meth:`end`."""
        try:
            async with asyncio.timeout(seconds) as self._limit:
                return await work
        except TimeoutError:
            raise self._ended or late from None
        finally:
            self._limit = None

    def end(self, reason: HTTPException) -> None:
        """Cancel what the request waits for, which raises `reason`."""
        self._ended = self._ended or reason
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(0)
