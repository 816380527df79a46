"""The energy that a GPU takes, by NVML, the library that comes with its driver."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import Any

from hopgraph import host
from hopgraph.runtime import BundleError
from hopgraph.runtime.cuda import library

BUS_ID = 32
"""The bytes that the name of a GPU on the PCI bus takes at most."""


@dataclass(frozen=True)
class Meter:
    """The counter of a GPU: all that it took since the driver was loaded, for whatever ran on it."""

    nvml: Any
    handle: Any

    def joules(self) -> float:
        """The energy so far. The counter moves every tenth of a second or so: read it a second apart at least."""
        millijoules = ctypes.c_ulonglong(0)
        _call(self.nvml, "nvmlDeviceGetTotalEnergyConsumption", self.handle, ctypes.byref(millijoules))
        return millijoules.value / 1000


@cache
def meter() -> Meter:
    """The meter of the first GPU of CUDA, which may be another for NVML. Raises BundleError where there is none."""
    nvml = host.nvml()
    if nvml is None:
        raise BundleError("runtime-unavailable", f"there is no {host.NVML}")
    return meter_of(nvml, library())


def meter_of(nvml: Any, driver: Any) -> Meter:
    """The meter of the driver's first GPU. Raises BundleError where a call fails."""
    _call(nvml, "nvmlInit_v2")
    handle = ctypes.c_void_p()
    _call(nvml, "nvmlDeviceGetHandleByPciBusId_v2", _bus_id(driver), ctypes.byref(handle))
    found = Meter(nvml, handle)
    found.joules()  # GPUs before Volta have no counter
    return found


def _bus_id(driver: Any) -> ctypes.Array[ctypes.c_char]:
    if driver is None:
        raise BundleError("runtime-unavailable", "there is no driver of a GPU")
    text, device = ctypes.create_string_buffer(BUS_ID), ctypes.c_int(0)
    _call(driver, "cuInit", 0)
    _call(driver, "cuDeviceGet", ctypes.byref(device), 0)
    _call(driver, "cuDeviceGetPCIBusId", text, BUS_ID, device)
    return text


def _call(library: Any, name: str, *arguments: Any) -> None:
    status = getattr(library, name)(*arguments)
    if status != 0:
        raise BundleError("runtime-unavailable", f"{name} fails ({status})")
