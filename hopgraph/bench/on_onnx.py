"""ONNX Runtime on a GPU: host to host as a user calls it, and bound to memory of the GPU, where the time of the device alone is had."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from numpy.typing import NDArray

from hopgraph.bench.device import Resident
from hopgraph.runtime import Array, Opening, Predict
from hopgraph.runtime.cuda import Device, library
from hopgraph.runtime.onnx import CUDA, open_by, session_options

GRAPHS = {CUDA: {"enable_cuda_graph": "1"}}
"""The options by which a provider records what it launches as a CUDA graph, one for each address of an input."""


class OnGpu:
    """Predicts by a provider."""

    def __init__(self, opening: Opening, provider: str) -> None:
        self._opening, self._provider = opening, provider
        self._predict: Predict = open_by(opening, provider)
        self._bound: tuple[Any, int] | None = None
        self._plain: str | None = None
        self._graphs = 0

    def __call__(self, inputs: NDArray[Any]) -> Array:
        """From the host to the host."""
        return self._predict(inputs)

    def resident(self, inputs: NDArray[Any]) -> Resident:
        """The call for inputs that were copied to the GPU. Its outputs stay there."""
        ort: Any = import_module("onnxruntime")
        session, stream = self._session(ort)
        binding = session.io_binding()
        binding.bind_ortvalue_input(session.get_inputs()[0].name, ort.OrtValue.ortvalue_from_numpy(inputs, "cuda", 0))
        shape = self._predict(inputs).shape
        output = ort.OrtValue.ortvalue_from_shape_and_type(shape, "float32", "cuda", 0)  # of its own: a graph keeps its address
        binding.bind_ortvalue_output(session.get_outputs()[0].name, output)
        options = self._run_options(ort)
        return Resident(lambda: session.run_with_iobinding(binding, options), stream, self._plain)

    def _session(self, ort: Any) -> tuple[Any, int]:
        """A session that works in a stream of ours, in which events can be placed."""
        if self._bound is None:
            device = Device(library())
            with device.current():
                stream = device.stream()
            self._bound = self._recording(ort, {"user_compute_stream": str(stream)}), stream
        return self._bound

    def _recording(self, ort: Any, options: dict[str, str]) -> Any:
        """A session that records graphs, where the provider can and the file has nothing that it cannot record, as a loop."""
        graphs = GRAPHS.get(self._provider)
        if graphs:
            try:
                return self._opened(ort, options | graphs)
            except Exception as error:  # onnxruntime's errors have no base class of their own
                self._plain = str(error).splitlines()[0]
        return self._opened(ort, options)

    def _opened(self, ort: Any, options: dict[str, str]) -> Any:
        chosen = session_options(self._provider, self._opening.threads)
        return ort.InferenceSession(str(self._opening.file), chosen, providers=[(self._provider, options)])

    def _run_options(self, ort: Any) -> Any:
        """Run without waiting, as a graph of its own."""
        options = ort.RunOptions()
        options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        if self._provider in GRAPHS and self._plain is None:
            self._graphs += 1
            options.add_run_config_entry("gpu_graph_id", str(self._graphs))
        return options
