"""Energy and device time, by libraries of the same functions that are no GPU."""

from __future__ import annotations

from typing import Any

import pytest

from hopgraph.bench import device
from hopgraph.bench.device import Clock, Resident, device_seconds
from hopgraph.bench.power import meter_of
from hopgraph.runtime import BundleError


def fails(*arguments: object) -> int:
    """A call that is refused."""
    return 3


class Library:
    """A driver and its NVML: work takes the milliseconds that it is given, and a millijoule for each."""

    def __init__(self) -> None:
        self.now = 0.0
        self.events: dict[int, float] = {}
        self.recorded: list[int] = []
        self.failing = ""

    def __getattribute__(self, name: str) -> Any:
        if name and name == object.__getattribute__(self, "failing"):
            return fails
        return object.__getattribute__(self, name)

    def cuInit(self, flags: int) -> int:  # noqa: N802
        return 0

    def cuDeviceGet(self, found: Any, ordinal: int) -> int:  # noqa: N802
        found._obj.value = 5
        return 0

    def cuDeviceGetPCIBusId(self, text: Any, size: int, handle: Any) -> int:  # noqa: N802
        text.value = f"0000:0{handle.value}:00.0".encode()
        return 0

    def cuEventCreate(self, event: Any, flags: Any) -> int:  # noqa: N802
        event._obj.value = len(self.events) + 1
        self.events[len(self.events) + 1] = 0
        return 0

    def cuEventRecord(self, event: Any, stream: Any) -> int:  # noqa: N802
        self.events[event.value] = self.now
        self.recorded.append(stream.value)
        return 0

    def cuEventSynchronize(self, event: Any) -> int:  # noqa: N802
        return 0

    def cuEventElapsedTime(self, found: Any, first: Any, second: Any) -> int:  # noqa: N802
        found._obj.value = self.events[second.value] - self.events[first.value]
        return 0

    def nvmlInit_v2(self) -> int:  # noqa: N802
        return 0

    def nvmlDeviceGetHandleByPciBusId_v2(self, text: Any, handle: Any) -> int:  # noqa: N802
        handle._obj.value = 77
        return 0 if text.value == b"0000:05:00.0" else 6

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Any, found: Any) -> int:  # noqa: N802
        assert handle.value == 77
        found._obj.value = 1000 + int(self.now)
        return 0


class Model:
    """Leaves its input on the GPU, and takes as many milliseconds as it says."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.launched: list[int] = []

    def resident(self, inputs: int) -> Resident:
        def launch() -> None:
            self.launched.append(inputs)
            self.library.now += inputs

        return Resident(launch, 40 + inputs)


def test_energy_is_read_of_the_gpu_that_cuda_takes() -> None:
    library = Library()
    found = meter_of(library, library)
    assert found.joules() == 1.0
    library.now += 2500
    assert found.joules() == 3.5


@pytest.mark.parametrize("name", ["nvmlInit_v2", "cuInit", "nvmlDeviceGetHandleByPciBusId_v2", "nvmlDeviceGetTotalEnergyConsumption"])
def test_a_library_that_refuses_is_a_reason(name: str) -> None:
    library = Library()
    library.failing = name
    with pytest.raises(BundleError, match=rf"{name} fails \(3\)"):
        meter_of(library, library)


def test_a_machine_without_a_driver_has_no_meter() -> None:
    with pytest.raises(BundleError, match="there is no driver of a GPU"):
        meter_of(Library(), None)


def test_device_time_is_between_events_in_the_streams_of_the_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library()
    model = Model(library)
    monkeypatch.setattr(device, "library", lambda: library)
    assert device_seconds(model, [3, 5], 4) == pytest.approx([0.003, 0.005, 0.003, 0.005])
    assert model.launched == [3, 5] * 4
    assert set(library.recorded) == {43, 45}


def test_an_event_that_fails_is_a_reason() -> None:
    library = Library()
    library.failing = "cuEventCreate"
    with pytest.raises(BundleError, match=r"CUDA refuses cuEventCreate \(3\)"):
        Clock(library)
