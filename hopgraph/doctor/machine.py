"""The machine: its processor, its memory, and its GPUs by NVML, the library that comes with their driver. No package is imported."""

from __future__ import annotations

import ctypes
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NVML = "nvml.dll" if platform.system() == "Windows" else "libnvidia-ml.so.1"
TEXT = 128
"""The bytes that a text of NVML takes at most."""


@dataclass(frozen=True)
class Gpu:
    """A GPU: its name, and its memory in bytes, None where it is not told."""

    name: str
    memory: int | None


@dataclass(frozen=True)
class Machine:
    """The processor with its cores and the threads that this process may use, the memory in bytes, the GPUs, and their driver.

    None for what the system does not tell.
    """

    system: str
    processor: str
    cores: int | None
    threads: int
    memory: int | None
    gpus: tuple[Gpu, ...]
    driver: str | None


def machine() -> Machine:
    """The machine that this runs on."""
    gpus, driver = gpus_of(_nvml())
    described = _cpuinfo()
    name = next((value for record in described for key, value in record.items() if key == "model name"), "")
    system = f"{platform.system()} {platform.release()} on {platform.machine()}"
    return Machine(system, name or platform.processor() or platform.machine(), cores_of(described), _threads(), _memory(), gpus, driver)


def _cpuinfo() -> list[dict[str, str]]:
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


def cores_of(records: list[dict[str, str]]) -> int | None:
    """How many cores the threads of a processor are on, None where that is not told."""
    cores = {(record.get("physical id"), record["core id"]) for record in records if "core id" in record}
    return len(cores) or None


def _threads() -> int:
    """The threads that this process may use: a container may have fewer than the machine."""
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable is not None else os.cpu_count() or 1


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _nvml() -> Any:
    """NVML, None where there is no driver."""
    try:
        return ctypes.CDLL(NVML)
    except OSError:
        return None


class _Memory(ctypes.Structure):
    """What NVML fills with the bytes of a GPU's memory."""

    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


def gpus_of(nvml: Any) -> tuple[tuple[Gpu, ...], str | None]:
    """The GPUs that NVML finds, and the version of their driver; none where NVML fails."""
    if nvml is None or nvml.nvmlInit_v2() != 0:
        return (), None
    count = ctypes.c_uint(0)
    nvml.nvmlDeviceGetCount_v2(ctypes.byref(count))  # where it fails, the count stays 0
    return tuple(_gpu(nvml, index) for index in range(count.value)), _text(nvml.nvmlSystemGetDriverVersion)


def _gpu(nvml: Any, index: int) -> Gpu:
    handle, memory = ctypes.c_void_p(), _Memory()
    if nvml.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(handle)) != 0:
        return Gpu("a GPU that does not answer", None)
    told = nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) == 0
    return Gpu(_text(nvml.nvmlDeviceGetName, handle) or "a GPU without a name", memory.total if told else None)


def _text(call: Any, *arguments: Any) -> str | None:
    """A text that a function of NVML writes, None where it fails."""
    text = ctypes.create_string_buffer(TEXT)
    return text.value.decode(errors="replace") if call(*arguments, text, ctypes.c_uint(TEXT)) == 0 else None
