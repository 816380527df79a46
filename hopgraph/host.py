"""The machine as its system tells it: the processor, the memory, and NVML, the library that comes with the driver of NVIDIA's GPUs.

No package is imported.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from pathlib import Path
from typing import Any

NVML = "nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1"


def processor_records() -> list[dict[str, str]]:
    """What Linux says of each thread of the processor; nothing elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return records_of(text)


def records_of(text: str) -> list[dict[str, str]]:
    """The paragraphs of `name : value` in a text."""
    pairs = [[line.partition(":") for line in block.splitlines()] for block in text.split("\n\n") if block.strip()]
    return [{name.strip(): value.strip() for name, _, value in block} for block in pairs]


def processor_name(records: list[dict[str, str]]) -> str:
    """The name of the processor, as far as it is told."""
    name = next((record["model name"] for record in records if "model name" in record), "")
    return name or platform.processor() or platform.machine()


def memory() -> int | None:
    """The bytes of memory of the machine, None where they are not told. A container may be granted fewer."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def nvml() -> Any:
    """NVML, None where there is no driver."""
    try:
        return ctypes.CDLL(NVML)
    except OSError:
        return None
