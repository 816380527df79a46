"""Work that threads do ahead of the one that asks for it.

Decoding an image is nearly all C code, in which Pillow lets other threads run: threads decode as fast as processes do, start at once,
share what is open, and hand over what goes wrong as it is.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

MOST = 16
"""So many threads at most decode for one process."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def threads() -> int:
    """The share of the cores that this process has among those that train together on this machine."""
    return max(1, min(MOST, (os.cpu_count() or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))


def ahead(work: Callable[[Item], Result], items: Iterable[Item], count: int) -> Iterator[Result]:
    """The results for all items, in their order. So many threads are at work, and as many results wait at most.

    What work raises is raised in the place of its result.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(count) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
