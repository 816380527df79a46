"""The time of calls on a GPU, between two events of its driver: without the copies of inputs and outputs, which the host waits for."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from hopgraph.runtime import BundleError
from hopgraph.runtime.cuda import Device, library

LEAD = 2
"""So many calls of each input lead uncounted: runtimes record graphs in them."""


@dataclass(frozen=True)
class Resident:
    """A call whose input lies on the GPU already: `launch` puts it into `stream`, and does not wait for it.

    `plain` says why it is no CUDA graph, where it should be one.
    """

    launch: Callable[[], object]
    stream: int
    plain: str | None = None


@runtime_checkable
class OnDevice(Protocol):
    """What predicts on a GPU, and can leave the copies out."""

    def resident(self, inputs: Any) -> Resident:
        """The call for a batch of inputs."""
        ...


@dataclass(frozen=True)
class DeviceTimes:
    """The seconds of calls; `plain` says why they are no CUDA graphs, where they should be."""

    seconds: list[float]
    plain: str | None


@dataclass(frozen=True)
class Clock:
    """Two events of the driver, to be placed in a stream. The device must be current. Raises BundleError where a call fails."""

    device: Device
    first: ctypes.c_void_p
    second: ctypes.c_void_p

    def seconds(self, call: Resident) -> float:
        """The time that the GPU takes for a call."""
        stream = ctypes.c_void_p(call.stream)
        self.device.call("cuEventRecord", self.first, stream)
        call.launch()
        self.device.call("cuEventRecord", self.second, stream)
        self.device.call("cuEventSynchronize", self.second)
        milliseconds = ctypes.c_float(0)
        self.device.call("cuEventElapsedTime", ctypes.byref(milliseconds), self.first, self.second)
        return milliseconds.value / 1000


@contextmanager
def event(device: Device) -> Generator[ctypes.c_void_p]:
    """An event, which is given back."""
    handle = ctypes.c_void_p()
    device.call("cuEventCreate", ctypes.byref(handle), ctypes.c_uint(0))
    try:
        yield handle
    finally:
        device.call("cuEventDestroy_v2", handle)


def device_times(run: object, inputs: Sequence[Any], calls: int) -> DeviceTimes:
    """The times of calls, their inputs in turn. Raises BundleError where the runtime cannot leave the copies out."""
    if not isinstance(run, OnDevice):
        raise BundleError("runtime-unavailable", "this runtime takes its inputs from the host")
    device = Device(library())
    with device.current(), event(device) as first, event(device) as second:
        prepared = [run.resident(given) for given in inputs]
        clock = Clock(device, first, second)
        lead = LEAD * len(prepared)
        seconds = [clock.seconds(prepared[index % len(prepared)]) for index in range(lead + calls)][lead:]
    return DeviceTimes(seconds, next((call.plain for call in prepared if call.plain), None))
