"""The time on a GPU, of calls and of engines as CUDA graphs, by a driver and a package that are none."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable

import numpy as np
import pytest

from hopgraph.bench import device
from hopgraph.bench.device import OnDevice, Resident, device_times
from hopgraph.bench.graph import Graph
from hopgraph.bench.on_engine import OnEngine
from hopgraph.runtime import BundleError
from hopgraph.runtime.cuda import Device
from hopgraph.runtime.engine import log_of
from hopgraph.runtime.running import Engine
from tests.tensorrt.fakes import FakeDriver, FakePackage, expected


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> FakeDriver:
    found = FakeDriver()
    monkeypatch.setattr(device, "library", lambda: found)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    return found


def on_engine(driver: FakeDriver, name: str = "tensorrt", refusing: str = "") -> tuple[OnEngine, FakePackage]:
    package = FakePackage(name, "1", driver)
    package.refusing = refusing
    return OnEngine(Engine(package, log_of(package), Device(driver), b"engine", "cache")), package


def batch(size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((size, 3)).astype(np.float32)


class Model:
    """Leaves its input on the GPU, and takes as many milliseconds as it says."""

    def __init__(self, driver: FakeDriver) -> None:
        self.driver = driver
        self.launched: list[int] = []

    def resident(self, inputs: int) -> Resident:
        stream = ctypes.c_void_p()
        self.driver.cuStreamCreate(ctypes.byref(stream), 0)

        def work() -> None:
            self.launched.append(inputs)
            self.driver.clock += inputs

        return Resident(lambda: self.driver.queue(stream.value or 0, work), stream.value or 0)


def test_device_time_is_between_events_in_the_streams_of_the_calls(driver: FakeDriver) -> None:
    model = Model(driver)
    found = device_times(model, [3, 5], 4)
    assert found.seconds == pytest.approx([0.003, 0.005, 0.003, 0.005])
    assert found.plain is None
    assert model.launched == [3, 5] * 4
    assert (driver.events, driver.current) == ({}, [])


EVENTS = ("cuEventCreate", "cuEventRecord", "cuEventSynchronize", "cuEventElapsedTime")


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_that_fails_is_a_reason_and_all_is_given_back(driver: FakeDriver, name: str) -> None:
    free = driver.free
    run, package = on_engine(driver)
    driver.failing = {name}
    with pytest.raises(BundleError, match=rf"CUDA refuses {name}: unknown error \(700\)"):
        device_times(run, [batch(2)], 1)
    driver.failing = set()
    package.contexts.clear()
    del run
    gc.collect()
    assert (driver.events, driver.graphs, driver.streams, driver.memory) == ({}, {}, {}, {})
    assert (driver.free, driver.current) == (free, [])


def test_the_second_event_may_fail(driver: FakeDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    create = driver.cuEventCreate
    monkeypatch.setattr(driver, "cuEventCreate", lambda event, flags: 2 if driver.events else create(event, flags))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    with pytest.raises(BundleError, match="CUDA refuses cuEventCreate: out of memory"):
        device_times(Model(driver), [1], 1)
    assert driver.events == {}


@pytest.mark.parametrize("name", ["tensorrt", "tensorrt_rtx"])
def test_an_engine_is_launched_as_graphs_without_copies(driver: FakeDriver, name: str) -> None:
    run, _ = on_engine(driver, name)
    assert isinstance(run, OnDevice)
    found = device_times(run, [batch(2), batch(4)], 5)
    assert found.seconds == pytest.approx([0.002, 0.004, 0.002, 0.004, 0.002])
    assert found.plain is None
    assert driver.launched == 2 * 2 + 5
    np.testing.assert_array_equal(run(batch(3)), expected(batch(3)))


def test_a_graph_computes_what_the_engine_does_of_its_own_input(driver: FakeDriver) -> None:
    run, package = on_engine(driver)
    calls = [run.resident(batch(2, seed)) for seed in range(3)]
    for seed, call in enumerate(calls):
        address = package.contexts[1 + seed].addresses["y"]
        driver.write(address, bytes(2 * 2 * 4))
        with Device(driver).current():
            call.launch()
            assert driver.read(address, 16) == bytes(16)
            driver.cuStreamSynchronize(ctypes.c_void_p(call.stream))
        np.testing.assert_array_equal(np.frombuffer(driver.read(address, 16), np.float32).reshape(2, 2), expected(batch(2, seed)))


def test_what_was_made_for_a_measurement_is_given_back(driver: FakeDriver) -> None:
    run, package = on_engine(driver)
    run(batch(2))
    streams, free = dict(driver.streams), driver.free
    device_times(run, [batch(2), batch(8)], 2)
    package.contexts.clear()
    gc.collect()
    assert (driver.events, driver.graphs) == ({}, {})
    assert (driver.streams, driver.free) == (streams, free)


REFUSALS = {
    "recording": ("tensorrt", "", "the engine does not run"),
    "graphs": ("tensorrt_rtx", "", "the package does not allow one of this engine"),
    "begin": ("tensorrt", "cuStreamBeginCapture_v2", "CUDA refuses cuStreamBeginCapture_v2: unknown error (700)"),
    "instantiate": ("tensorrt", "cuGraphInstantiateWithFlags", "CUDA refuses cuGraphInstantiateWithFlags: unknown error (700)"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_an_engine_that_cannot_be_recorded_is_called_plainly_and_it_is_told(driver: FakeDriver, case: str) -> None:
    package, failing, told = REFUSALS[case]
    run, _ = on_engine(driver, package, refusing=case)
    driver.failing = {failing}
    found = device_times(run, [batch(2), batch(4)], 2)
    assert found.seconds == pytest.approx([0.002, 0.004])
    assert found.plain == told
    assert (driver.launched, driver.graphs, driver.capturing) == (0, {}, {})


def test_an_engine_that_does_not_run_has_no_time(driver: FakeDriver) -> None:
    run, _ = on_engine(driver, refusing="run")
    with pytest.raises(BundleError, match="the engine does not run"):
        device_times(run, [batch(2)], 1)
    assert (driver.events, driver.current) == ({}, [])


def waits(driver: FakeDriver, stream: int) -> Callable[[], object]:
    """What waits for the stream, which must not be while it is recorded, and does not see that it failed."""
    return lambda: driver.cuStreamSynchronize(ctypes.c_void_p(stream))


def test_a_recording_that_was_ended_from_within_is_an_error(driver: FakeDriver) -> None:
    found = Device(driver)
    with found.current(), pytest.raises(BundleError, match=r"CUDA refuses cuStreamEndCapture: .* \(901\)"):
        stream = found.stream()
        Graph(found, stream, waits(driver, stream))
    assert (driver.graphs, driver.capturing) == ({}, {})


def test_an_error_of_what_is_recorded_is_told_and_the_recording_ended(driver: FakeDriver) -> None:
    def fail() -> None:
        raise KeyError("of its own")

    found = Device(driver)
    with found.current(), pytest.raises(KeyError, match="of its own"):
        Graph(found, found.stream(), fail)
    assert (driver.graphs, driver.capturing) == ({}, {})
