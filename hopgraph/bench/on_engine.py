"""Engines: host to host as a user calls them, and on memory of the GPU, where the time of the device alone is had."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from hopgraph.bench.device import Resident
from hopgraph.bench.graph import Graph
from hopgraph.runtime import Array, BundleError, Opening, Predict
from hopgraph.runtime.engine import open_engine
from hopgraph.runtime.execution import Execution
from hopgraph.runtime.running import Engine


class OnEngine:
    """Predicts with an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, inputs: NDArray[Any]) -> Array:
        """From the host to the host."""
        return self._engine(inputs)

    def resident(self, inputs: NDArray[Any]) -> Resident:
        """The call for inputs that were copied to the GPU, as a CUDA graph where the package allows one.

        It has an execution of its own, since a graph has the addresses and the shape of the one that it was made of.
        """
        device = self._engine.device
        with device.current():
            execution = self._engine.execution(final=True)
            try:
                execution.load(inputs)
                execution.enqueue()  # what a new shape needs is done in its first call, and cannot be recorded
            finally:
                execution.wait()
            try:
                return Resident(self._graph(execution).launch, execution.stream)
            except BundleError as error:
                return Resident(execution.enqueue, execution.stream, ". ".join((error.message, *error.notes)))

    def _graph(self, execution: Execution) -> Graph:
        if not execution.capturable:
            raise BundleError("runtime-unavailable", "the package does not allow one of this engine")
        return Graph(self._engine.device, execution.stream, execution.enqueue)


def open_on_engine(opening: Opening) -> Predict:
    """An engine on the first GPU. Raises BundleError."""
    return OnEngine(open_engine(opening))
