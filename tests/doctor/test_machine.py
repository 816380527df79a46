"""The machine: its processor by what Linux writes, its GPUs by a library that stands for NVML."""

from __future__ import annotations

import os
from typing import Any

from hopgraph.doctor.machine import Gpu, cores_of, gpus_of, machine
from hopgraph.host import records_of

CPUINFO = """processor\t: 0
model name\t: A Processor
physical id\t: 0
core id\t\t: 0

processor\t: 1
model name\t: A Processor
physical id\t: 0
core id\t\t: 0

processor\t: 2
model name\t: A Processor
physical id\t: 1
core id\t\t: 0
"""


class FakeNvml:
    """Two GPUs, of which the second does not answer."""

    def __init__(self, status: int = 0) -> None:
        self.status = status

    def nvmlInit_v2(self) -> int:  # noqa: N802
        return self.status

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:  # noqa: N802
        count._obj.value = 2
        return 0

    def nvmlSystemGetDriverVersion(self, text: Any, size: Any) -> int:  # noqa: N802
        text.value = b"550.54.15"
        return 0 if size.value == len(text) else 1

    def nvmlDeviceGetHandleByIndex_v2(self, index: Any, handle: Any) -> int:  # noqa: N802
        handle._obj.value = 100 + index.value
        return 0 if index.value == 0 else 15

    def nvmlDeviceGetName(self, handle: Any, text: Any, size: Any) -> int:  # noqa: N802
        text.value = b"GPU %d" % handle.value
        return 0 if size.value == len(text) else 1

    def nvmlDeviceGetMemoryInfo(self, handle: Any, memory: Any) -> int:  # noqa: N802
        memory._obj.total = 80 * 10**9
        return 0 if handle.value == 100 else 1


def test_gpus_by_nvml() -> None:
    assert gpus_of(FakeNvml()) == ((Gpu("GPU 100", 80 * 10**9), Gpu("a GPU that does not answer", None)), "550.54.15")


def test_no_driver_and_a_driver_that_fails() -> None:
    assert gpus_of(None) == gpus_of(FakeNvml(9)) == ((), None)


def test_threads_share_cores() -> None:
    assert cores_of(records_of(CPUINFO)) == 2
    assert cores_of([]) is None


def test_this_machine() -> None:
    found = machine()
    assert 1 <= found.threads <= (os.cpu_count() or 1)
    assert found.processor
    assert found.memory is None or found.memory > 10**8
