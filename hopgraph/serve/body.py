"""Read the body of a request within its limits, decompressed."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request

WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""The encodings of a body, with what zlib calls them."""


async def read_body(request: Request, limit: int, claim: Callable[[int], None]) -> bytes:
    """The body, decompressed, of at most `limit` bytes; `claim` is told of every part's bytes, and may refuse them.

    A length that is declared is checked before anything is read. Raises HTTPException (400, 413, 415).
    """
    declared = request.headers.get("content-length", "0")
    if len(declared) > 18 or int(declared) > limit:
        raise _too_large(limit)
    encoding = request.headers.get("content-encoding", "identity").lower()
    parts = request.stream() if encoding == "identity" else _inflated(request.stream(), encoding, limit)
    kept: list[bytes] = []
    size = 0
    async for part in parts:
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        claim(len(part))
        kept.append(part)
    return b"".join(kept)


async def _inflated(parts: AsyncIterator[bytes], encoding: str, limit: int) -> AsyncIterator[bytes]:
    """The parts decompressed. None is longer than `limit` and one byte, however far it would expand."""
    if encoding not in WINDOWS:
        raise HTTPException(415, f"the content encoding `{encoding[:40]}` is not known here; {' and '.join(WINDOWS)} are")
    stream = zlib.decompressobj(WINDOWS[encoding])
    try:
        async for part in parts:
            inflated = stream.decompress(part, limit + 1)
            if stream.unconsumed_tail:
                raise _too_large(limit)
            yield inflated
    except zlib.error:
        raise HTTPException(400, f"the body is not {encoding}, as its Content-Encoding says") from None
    if not stream.eof or stream.unused_data:
        raise HTTPException(400, f"the body is not one whole {encoding} stream, as its Content-Encoding says")


def _too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"the body is larger than the {limit:,} bytes that this server reads (decompressed)")
