"""CUDA graphs by the driver: what was put into a stream once is launched as a whole, without the host's time for each kernel."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import suppress
from weakref import finalize

from hopgraph.runtime import BundleError
from hopgraph.runtime.cuda import Device

THREAD_LOCAL = 1
"""The mode of capture in which other threads may call what would end it, as to allocate memory."""


class Graph:
    """What `queue` puts into a stream, which is recorded and not computed. The device must be current, as in `launch`.

    It has the addresses that it was recorded with, so `queue` and what it holds live as long as it does. Raises BundleError where
    something is put into the stream that cannot be recorded, as where the host is to wait for the GPU.
    """

    def __init__(self, device: Device, stream: int, queue: Callable[[], object]) -> None:
        self._device, self._stream, self._queue = device, ctypes.c_void_p(stream), queue
        self._handle = ctypes.c_void_p()
        recorded = self._recorded()
        try:
            device.call("cuGraphInstantiateWithFlags", ctypes.byref(self._handle), recorded, ctypes.c_ulonglong(0))
        finally:
            device.call("cuGraphDestroy", recorded)
        finalize(self, _destroy, device, self._handle).atexit = False

    def launch(self) -> None:
        """Put all of it into the stream."""
        self._device.call("cuGraphLaunch", self._handle, self._stream)

    def _recorded(self) -> ctypes.c_void_p:
        """The graph as it was recorded. The stream is as before, whether or not it could be."""
        self._device.call("cuStreamBeginCapture_v2", self._stream, ctypes.c_int(THREAD_LOCAL))
        try:
            self._queue()
        except BaseException:
            with suppress(BundleError):  # it tells of the capture, which failed since the queueing did
                self._device.call("cuGraphDestroy", self._ended())
            raise
        return self._ended()

    def _ended(self) -> ctypes.c_void_p:
        recorded = ctypes.c_void_p()
        self._device.call("cuStreamEndCapture", self._stream, ctypes.byref(recorded))
        return recorded


def _destroy(device: Device, handle: ctypes.c_void_p) -> None:
    with device.current():
        device.call("cuGraphExecDestroy", handle)
