"""The calls of the driver: each is checked, and a failure names the call."""

from __future__ import annotations

import numpy as np
import pytest

from hopgraph.runtime.cuda import Buffer, Device, device_count
from hopgraph.runtime.problems import BundleError
from tests.tensorrt.fakes import FakeDriver


def test_a_driver_that_is_missing_or_fails_has_no_device() -> None:
    driver = FakeDriver(count=3)
    assert device_count(driver) == 3
    driver.failing = {"cuInit"}
    assert device_count(driver) == 0
    driver.failing = {"cuDeviceGetCount"}
    assert device_count(driver) == 0
    assert device_count(None) == 0


def test_a_device_says_what_it_is() -> None:
    device = Device(FakeDriver(capability=120))
    assert (device.capability, device.name) == (120, "a fake GPU")


def test_an_array_goes_there_and_back() -> None:
    driver = FakeDriver()
    device = Device(driver)
    given, found = np.arange(6, dtype=np.int64).reshape(2, 3), np.zeros((2, 3), dtype=np.int64)
    with device.current():
        stream, buffer = device.stream(), Buffer(device)
        address = buffer.of(given.nbytes)
        device.upload(address, given, stream)
        device.download(found, address, stream)
        assert not found.any()
        device.wait(stream)
        np.testing.assert_array_equal(found, given)
        assert buffer.of(8) == address
        assert buffer.of(96) != address
        buffer.release()
        buffer.release()
        device.end(stream)
    assert driver.memory == {}
    assert driver.streams == {}


CALLS = {
    "cuDeviceGet": lambda: Device(FakeDriver(count=0)),
    "cuStreamCreate": lambda: _failing("cuStreamCreate").stream(),
    "cuMemAlloc_v2": lambda: _failing("cuMemAlloc_v2").allocate(4),
    "cuMemFree_v2": lambda: _failing("cuMemFree_v2").free(4),
    "cuStreamSynchronize": lambda: _failing("cuStreamSynchronize").wait(5),
    "cuMemcpyHtoDAsync_v2": lambda: _failing("cuMemcpyHtoDAsync_v2").upload(4, np.zeros(1), 5),
    "cuMemcpyDtoHAsync_v2": lambda: _failing("cuMemcpyDtoHAsync_v2").download(np.zeros(1), 4, 5),
    "cuDeviceGetAttribute": lambda: _failing("cuDeviceGetAttribute").capability,
}


def _failing(call: str) -> Device:
    driver = FakeDriver()
    device = Device(driver)
    driver.failing = {call}
    return device


@pytest.mark.parametrize("call", CALLS)
def test_a_failure_names_the_call(call: str) -> None:
    with pytest.raises(BundleError, match=f"CUDA refuses {call}: ") as caught:
        CALLS[call]()
    assert caught.value.code == "runtime-unavailable"


def test_a_context_is_popped_after_a_failure() -> None:
    driver = FakeDriver()
    device = Device(driver)
    driver.failing = {"cuMemAlloc_v2"}
    with pytest.raises(BundleError), device.current():
        device.allocate(4)
    assert driver.current == []
