"""What the C library does with memory that is freed.

glibc gives a large block back to the system at once, and the next block of that size is new pages, each of which the system clears at its
first touch. A network frees and asks for the same sizes in every step: a training step of paramixer at batch 64 touched 450,000 new
pages, a fifth of its time on two cores. Kept, the memory of one step serves the next.
"""

from __future__ import annotations

import ctypes
import os

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""The parameters of mallopt(3): what may lie free at the heap's end, and from what size on a block is a mapping of its own."""
_KEPT, _OWN = 2**31 - 1, 2**30
"""In bytes: 2 GB may lie free, and a block is a mapping of its own, returned when it is freed, from 1 GB on."""
_CHOSEN = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES", "LD_PRELOAD")
"""Variables by which a user has chosen an allocator, or how it works."""


def keep_memory() -> bool:
    """Keep what this process frees for what it allocates next, up to 2 GB; whether that was done.

    The peak of the process's memory grows by what no longer fits together (7% of a training process of 1.9 GB, measured). Nothing is done
    where the C library is not glibc, or where the environment chooses how its allocator works.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is None or any(name in os.environ for name in _CHOSEN):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _OWN) and mallopt(_TRIM_THRESHOLD, _KEPT))
