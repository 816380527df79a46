"""Energy, by libraries of the same functions that are no GPU."""

from __future__ import annotations

from typing import Any

import pytest

from hopgraph.bench.power import meter_of
from hopgraph.runtime import BundleError


def fails(*arguments: object) -> int:
    """A call that is refused."""
    return 3


class Library:
    """A driver and its NVML: a millisecond takes a millijoule."""

    def __init__(self) -> None:
        self.now = 0.0
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

    def nvmlInit_v2(self) -> int:  # noqa: N802
        return 0

    def nvmlDeviceGetHandleByPciBusId_v2(self, text: Any, handle: Any) -> int:  # noqa: N802
        handle._obj.value = 77
        return 0 if text.value == b"0000:05:00.0" else 6

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Any, found: Any) -> int:  # noqa: N802
        assert handle.value == 77
        found._obj.value = 1000 + int(self.now)
        return 0


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
