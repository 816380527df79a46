"""The time of calls on a GPU, between two events of its driver: without the copies of inputs and outputs, which the host waits for."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from hopgraph.runtime import BundleError
from hopgraph.runtime.cuda import library

LEAD = 2
"""So many calls of each input lead uncounted: runtimes record graphs in them."""


@dataclass(frozen=True)
class Resident:
    """A call whose input lies on the GPU already: `launch` puts it into `stream`, and does not wait for it."""

    launch: Callable[[], object]
    stream: int


@runtime_checkable
class OnDevice(Protocol):
    """What predicts on a GPU, and can leave the copies out."""

    def resident(self, inputs: Any) -> Resident:
        """The call for a batch of inputs."""
        ...


class Clock:
    """Two events in a stream of the driver. Raises BundleError where a call fails."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self._first, self._second = self._event(), self._event()

    def seconds(self, call: Resident) -> float:
        """The time that the GPU takes for a call."""
        stream = ctypes.c_void_p(call.stream)
        self._call("cuEventRecord", self._first, stream)
        call.launch()
        self._call("cuEventRecord", self._second, stream)
        self._call("cuEventSynchronize", self._second)
        milliseconds = ctypes.c_float(0)
        self._call("cuEventElapsedTime", ctypes.byref(milliseconds), self._first, self._second)
        return milliseconds.value / 1000

    def _event(self) -> ctypes.c_void_p:
        event = ctypes.c_void_p()
        self._call("cuEventCreate", ctypes.byref(event), ctypes.c_uint(0))
        return event

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._driver, name)(*arguments)
        if status != 0:
            raise BundleError("runtime-unavailable", f"CUDA refuses {name} ({status})")


def device_seconds(run: object, inputs: Sequence[Any], calls: int) -> list[float]:
    """The times of calls, their inputs in turn. Raises BundleError where the runtime cannot leave the copies out."""
    if not isinstance(run, OnDevice):
        raise BundleError("runtime-unavailable", "this runtime takes its inputs from the host")
    prepared = [run.resident(given) for given in inputs]
    clock = Clock(library())
    lead = LEAD * len(prepared)
    return [clock.seconds(prepared[index % len(prepared)]) for index in range(lead + calls)][lead:]
