"""Where an engine computes: an execution context, a stream, and memory of the GPU for one batch and its outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from .cuda import Buffer, Device
from .problems import BundleError


@dataclass(frozen=True)
class Tensor:
    """The input or the output of an engine."""

    name: str
    dtype: type[np.generic]


class Execution:
    """Computes a batch at a time: `load` it, `enqueue`, `unload` the outputs, and `wait` for the stream that all of it is put into.

    The device must be current. `log` has what the package tells. Raises BundleError where the package or the driver refuses.
    """

    def __init__(self, context: Any, given: Tensor, wanted: Tensor, device: Device, log: Any) -> None:
        self._context, self._given, self._wanted = context, given, wanted
        self._device, self._log = device, log
        self._source, self._target = Buffer(device), Buffer(device)
        self._copied: NDArray[Any] | None = None  # it must live until the copy is done
        self.stream = device.stream()
        finalize(self, _release, device, self.stream, self._source, self._target).atexit = False

    def load(self, inputs: NDArray[Any]) -> None:
        """Copy a batch to the GPU."""
        given = np.ascontiguousarray(inputs, dtype=self._given.dtype)
        context = self._context
        self._log.clear()
        required(context.set_input_shape(self._given.name, tuple(given.shape)), f"take inputs of {given.shape}", self._log)
        source, target = self._source.of(given.nbytes), self._target.of(self._outputs().nbytes)
        required(context.set_tensor_address(self._given.name, source), "read its input", self._log)
        required(context.set_tensor_address(self._wanted.name, target), "write its output", self._log)
        self._copied = given
        self._device.upload(source, given, self.stream)

    def enqueue(self) -> None:
        """Compute the outputs of the batch that was loaded last, and leave them on the GPU."""
        required(self._context.execute_async_v3(self.stream), "run", self._log)

    def unload(self) -> NDArray[Any]:
        """The outputs [batch, ...], which are there once they were waited for."""
        outputs = self._outputs()
        self._device.download(outputs, self._target.of(outputs.nbytes), self.stream)
        return outputs

    def wait(self) -> None:
        """Return when all of it is done."""
        self._device.wait(self.stream)
        self._copied = None

    @property
    def capturable(self) -> bool:
        """Whether the package lets a CUDA graph be made of `enqueue`: TensorRT-RTX tells, TensorRT is to be tried."""
        told: Any = getattr(self._context, "is_stream_capturable", None)
        return told is None or told(self.stream)

    def _outputs(self) -> NDArray[Any]:
        """An array for the outputs of the batch."""
        return np.empty(tuple(self._context.get_tensor_shape(self._wanted.name)), dtype=self._wanted.dtype)


def required(result: Any, what: str, log: Any) -> Any:
    """What the package answers, if it is an answer. Raises BundleError where it is None or false."""
    if result is None or result is False:
        raise BundleError("runtime-unavailable", f"the engine does not {what}", notes=tuple(log.errors))
    return result


def _release(device: Device, stream: int, *buffers: Buffer) -> None:
    with device.current():
        device.wait(stream)
        for buffer in buffers:
            buffer.release()
        device.end(stream)
