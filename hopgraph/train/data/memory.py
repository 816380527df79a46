"""How much memory data may take. What takes more is streamed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hopgraph import host

SHARE = 0.5
"""The share of the memory that data may take."""
GRANTS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""The files in which Linux says how many bytes it grants to a container, in the two versions of its control groups."""


def allowed() -> int:
    """So many bytes of data are kept in memory at most, by each of the processes that train together on this machine."""
    return int(memory() * SHARE) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def memory() -> int:
    """The bytes of memory of this machine, or of this container, as far as the system tells them."""
    return min(host.memory() or sys.maxsize, *map(_granted, GRANTS))


def _granted(file: str) -> int:
    try:
        return int(Path(file).read_text(encoding="ascii"))
    except (OSError, ValueError):  # there is no such file, or it says `max`
        return sys.maxsize
