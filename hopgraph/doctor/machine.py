"""The machine: its processor, its memory, and its GPUs by NVML. No package is imported."""

from __future__ import annotations

import ctypes
import os
import platform
from dataclasses import dataclass
from typing import Any

from hopgraph import host

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
    gpus, driver = gpus_of(host.nvml())
    described = host.processor_records()
    system = f"{platform.system()} {platform.release()} on {platform.machine()}"
    return Machine(system, host.processor_name(described), cores_of(described), _threads(), host.memory(), gpus, driver)


def cores_of(records: list[dict[str, str]]) -> int | None:
    """How many cores the threads of a processor are on, None where that is not told."""
    cores = {(record.get("physical id"), record["core id"]) for record in records if "core id" in record}
    return len(cores) or None


def _threads() -> int:
    """The threads that this process may use: a container may have fewer than the machine."""
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable is not None else os.cpu_count() or 1


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
