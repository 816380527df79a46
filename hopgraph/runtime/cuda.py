"""The few calls of the CUDA driver that an engine needs, by ctypes: no torch and no further package."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from typing import Any

from numpy.typing import NDArray

from .problems import BundleError

LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
"""The driver's library: it comes with the driver, not with CUDA's toolkit."""

MAJOR, MINOR = 75, 76
"""The attributes of a device that are its compute capability."""


@cache
def library() -> Any:
    """The driver of this machine: functions that return 0, or the number of what went wrong. None where there is no driver."""
    try:
        return ctypes.CDLL(LIBRARY)
    except OSError:
        return None


def device_count(driver: Any) -> int:
    """How many GPUs a driver finds. A driver that fails finds none."""
    count = ctypes.c_int(0)
    if driver is None or driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


class Device:
    """One GPU, with its primary context, which every library of the process shares. Raises BundleError where a call fails."""

    def __init__(self, driver: Any, ordinal: int = 0) -> None:
        self._driver = driver
        self.call("cuInit", 0)
        handle, context = ctypes.c_int(0), ctypes.c_void_p()
        self.call("cuDeviceGet", ctypes.byref(handle), ctypes.c_int(ordinal))
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), handle)
        self._handle, self._context = handle, context

    @property
    def capability(self) -> int:
        """The compute capability: 86 for 8.6."""
        return 10 * self._attribute(MAJOR) + self._attribute(MINOR)

    @property
    def name(self) -> str:
        """What the driver calls the GPU."""
        text = ctypes.create_string_buffer(256)
        self.call("cuDeviceGetName", text, ctypes.c_int(len(text)), self._handle)
        return text.value.decode(errors="replace")

    def _attribute(self, number: int) -> int:
        value = ctypes.c_int(0)
        self.call("cuDeviceGetAttribute", ctypes.byref(value), ctypes.c_int(number), self._handle)
        return value.value

    @contextmanager
    def current(self) -> Generator[None]:
        """Make this the GPU of the calling thread; afterwards what was before."""
        self.call("cuCtxPushCurrent_v2", self._context)
        try:
            yield
        finally:
            self.call("cuCtxPopCurrent_v2", ctypes.byref(ctypes.c_void_p()))

    def stream(self) -> int:
        """A new stream, as a number. It does not wait for the default stream."""
        stream = ctypes.c_void_p()
        self.call("cuStreamCreate", ctypes.byref(stream), ctypes.c_uint(1))
        return stream.value or 0

    def wait(self, stream: int) -> None:
        """Return when the work of a stream is done."""
        self.call("cuStreamSynchronize", ctypes.c_void_p(stream))

    def end(self, stream: int) -> None:
        """Give a stream back."""
        self.call("cuStreamDestroy_v2", ctypes.c_void_p(stream))

    def allocate(self, size: int) -> int:
        """The address of so many bytes of the GPU's memory."""
        address = ctypes.c_uint64(0)
        self.call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size))
        return address.value

    def free(self, address: int) -> None:
        """Give memory back."""
        self.call("cuMemFree_v2", ctypes.c_uint64(address))

    def upload(self, address: int, array: NDArray[Any], stream: int) -> None:
        """Copy a contiguous array to the GPU, in the order of the stream."""
        source = ctypes.c_void_p(array.ctypes.data)
        self.call("cuMemcpyHtoDAsync_v2", ctypes.c_uint64(address), source, ctypes.c_size_t(array.nbytes), ctypes.c_void_p(stream))

    def download(self, array: NDArray[Any], address: int, stream: int) -> None:
        """Fill a contiguous array from the GPU, in the order of the stream: it is filled once the stream was waited for."""
        target = ctypes.c_void_p(array.ctypes.data)
        self.call("cuMemcpyDtoHAsync_v2", target, ctypes.c_uint64(address), ctypes.c_size_t(array.nbytes), ctypes.c_void_p(stream))

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function of the driver. Raises BundleError where it fails."""
        status = getattr(self._driver, name)(*arguments)
        if status != 0:
            text = ctypes.c_char_p()
            self._driver.cuGetErrorString(ctypes.c_int(status), ctypes.byref(text))
            reason = text.value.decode(errors="replace") if text.value else "unknown error"
            raise BundleError("runtime-unavailable", f"CUDA refuses {name}: {reason} ({status})")


class Buffer:
    """Memory of the GPU that grows to what is asked of it."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._size = 0
        self._address = 0

    def of(self, size: int) -> int:
        """The address of at least so many bytes. The contents are lost where it grows."""
        if size > self._size:
            self.release()
            self._address = self._device.allocate(size)
            self._size = size
        return self._address

    def release(self) -> None:
        """Give the memory back."""
        if self._size:
            self._device.free(self._address)
            self._size = self._address = 0
