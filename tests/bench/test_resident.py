"""Inputs that stay on a GPU: ONNX Runtime's binding and PyTorch's stream, by stand-ins for both."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hopgraph.bench import on_onnx
from hopgraph.bench.device import OnDevice
from hopgraph.bench.on_onnx import OnGpu
from hopgraph.bench.on_torch import OnTorch
from hopgraph.runtime import Opening
from hopgraph.runtime.onnx import CUDA, TENSORRT
from tests.tensorrt.fakes import FakeDriver

GIVEN = np.ones((2, 3), dtype=np.float32)


@dataclass
class Ort:
    """An onnxruntime that doubles, and remembers how it was asked to."""

    sessions: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    runs: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    loops: bool = False

    def InferenceSession(self, file: str, options: Any, providers: list[tuple[str, dict[str, str]]]) -> Any:  # noqa: N802
        if self.loops and "enable_cuda_graph" in providers[0][1]:
            raise RuntimeError("the model has control flow nodes\nat some place")
        self.sessions.append(providers[0][1])

        def run(binding: dict[str, Any], chosen: dict[str, str]) -> None:
            self.runs.append(chosen)
            binding["y"][...] = 2 * binding["x"]

        named = {"get_inputs": lambda: [SimpleNamespace(name="x")], "get_outputs": lambda: [SimpleNamespace(name="y")]}
        return SimpleNamespace(io_binding=Binding, run_with_iobinding=run, **named)

    def RunOptions(self) -> Any:  # noqa: N802
        return RunOptions()

    class OrtValue:
        """Values that are arrays."""

        @staticmethod
        def ortvalue_from_numpy(array: NDArray[Any], device: str, number: int) -> NDArray[Any]:
            return array.copy()

        @staticmethod
        def ortvalue_from_shape_and_type(shape: tuple[int, ...], dtype: str, device: str, number: int) -> NDArray[Any]:
            return np.zeros(shape, dtype)


class Binding(dict[str, Any]):
    """Values by name."""

    def bind_ortvalue_input(self, name: str, value: Any) -> None:
        self[name] = value

    bind_ortvalue_output = bind_ortvalue_input


class RunOptions(dict[str, str]):
    """Entries by name."""

    def add_run_config_entry(self, name: str, value: str) -> None:
        self[name] = value


@pytest.fixture
def ort(monkeypatch: pytest.MonkeyPatch) -> Ort:
    found, driver = Ort(), FakeDriver()
    replaced: dict[str, object] = {
        "import_module": {"onnxruntime": found}.get,
        "open_by": lambda opening, provider: lambda inputs: inputs * 2,  # pyright: ignore[reportUnknownLambdaType]
        "session_options": lambda provider, threads: None,  # pyright: ignore[reportUnknownLambdaType]
        "library": lambda: driver,
    }
    for name, value in replaced.items():
        monkeypatch.setattr(on_onnx, name, value)
    return found


def on_gpu(provider: str) -> OnGpu:
    return OnGpu(cast("Opening", SimpleNamespace(file="model.onnx", threads=1)), provider)


def test_each_input_is_bound_once_and_is_a_graph_of_its_own(ort: Ort) -> None:
    found = on_gpu(CUDA)
    assert isinstance(found, OnDevice)
    calls = [found.resident(GIVEN), found.resident(GIVEN)]
    for call in (*calls, *calls):
        call.launch()
    assert [run["gpu_graph_id"] for run in ort.runs] == ["1", "2", "1", "2"]
    assert {run["disable_synchronize_execution_providers"] for run in ort.runs} == {"1"}
    assert ort.sessions == [{"user_compute_stream": str(calls[0].stream), "enable_cuda_graph": "1"}]
    assert calls[0].stream == calls[1].stream != 0
    assert found(GIVEN).tolist() == (2 * GIVEN).tolist()


def test_a_provider_without_graphs_is_asked_for_none(ort: Ort) -> None:
    on_gpu(TENSORRT).resident(GIVEN).launch()
    assert "gpu_graph_id" not in ort.runs[0]
    assert "enable_cuda_graph" not in ort.sessions[0]


def test_a_file_of_which_no_graph_can_be_made_is_called_plainly_and_it_is_told(ort: Ort) -> None:
    ort.loops = True
    found = on_gpu(CUDA)
    calls = [found.resident(GIVEN), found.resident(GIVEN)]
    for call in calls:
        call.launch()
    assert {call.plain for call in calls} == {"the model has control flow nodes"}
    assert ort.sessions == [{"user_compute_stream": str(calls[0].stream)}]
    assert all("gpu_graph_id" not in run for run in ort.runs)


def test_pytorch_is_launched_in_its_current_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: SimpleNamespace(cuda_stream=9))
    seen: list[torch.Tensor] = []

    def double(given: torch.Tensor) -> torch.Tensor:
        seen.append(given)
        return 2 * given

    model = OnTorch(double, "cpu")
    call = model.resident(GIVEN)
    assert (call.stream, seen) == (9, [])
    call.launch()
    assert torch.equal(seen[0], torch.from_numpy(GIVEN))
    assert model(GIVEN).tolist() == (2 * GIVEN).tolist()
