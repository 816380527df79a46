"""An engine that was loaded: batches go to the GPU and back through two buffers, in one stream."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import Any
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from .caches import load_cache, store_cache
from .cuda import Buffer, Device
from .problems import BundleError
from .record import Array

_DTYPES: dict[str, type[np.generic]] = {"FLOAT": np.float32, "HALF": np.float16, "INT64": np.int64, "INT32": np.int32}
"""The types that inputs and outputs may have, by the package's names."""


@dataclass(frozen=True)
class Tensor:
    """The input or the output of an engine."""

    name: str
    dtype: type[np.generic]


class Engine:
    """Predicts: call it with a batch of inputs. Calls from several threads wait for each other.

    `content` is the serialized engine, `cache` the name of the file that keeps what the package compiles for this GPU.
    Raises BundleError where the package or the driver refuses.
    """

    def __init__(self, trt: Any, log: Any, device: Device, content: bytes, cache: str) -> None:
        self._device, self._log, self._lock = device, log, Lock()
        log.clear()
        with device.current():
            self._runtime = trt.Runtime(log)
            self._engine = self._required(self._runtime.deserialize_cuda_engine(content), "load it")
            self._context, self._kernels = self._started(cache)
            self._stream = device.stream()
        self._given, self._wanted = self._tensors(trt)
        least, _, most = self._engine.get_tensor_profile_shape(self._given.name, 0)
        self._least, self._most = int(least[0]), int(most[0])
        self._source, self._target = Buffer(device), Buffer(device)
        finalize(self, _release, device, self._stream, self._source, self._target).atexit = False

    def __call__(self, inputs: NDArray[Any]) -> Array:
        """The outputs [batch, ...] of a batch. Raises BundleError where it is larger or smaller than the engine takes."""
        batch = len(inputs)
        if not self._least <= batch <= self._most:
            side, limit = ("largest", self._most) if batch > self._most else ("smallest", self._least)
            message = f"a batch of {batch} is not one that the engine takes: the {side} is {limit}"
            raise BundleError("input-invalid", message, helps=("divide it, or export the engine for other batches",))
        with self._lock, self._device.current():
            source = np.ascontiguousarray(inputs, dtype=self._given.dtype)
            try:
                outputs = self._queued(source)
            finally:
                self._device.wait(self._stream)  # after a failure too: what was queued reads and writes arrays of ours
            self._keep_kernels()
        return outputs.astype(np.float32, copy=False)

    def _queued(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """Put the work of a batch into the stream; the outputs, which are there when it is done."""
        context, stream = self._context, self._stream
        self._log.clear()
        self._required(context.set_input_shape(self._given.name, tuple(inputs.shape)), f"take inputs of {inputs.shape}")
        outputs = np.empty(tuple(context.get_tensor_shape(self._wanted.name)), dtype=self._wanted.dtype)
        source, target = self._source.of(inputs.nbytes), self._target.of(outputs.nbytes)
        self._required(context.set_tensor_address(self._given.name, source), "read its input")
        self._required(context.set_tensor_address(self._wanted.name, target), "write its output")
        self._device.upload(source, inputs, stream)
        self._required(context.execute_async_v3(stream), "run")
        self._device.download(outputs, target, stream)
        return outputs

    def _tensors(self, trt: Any) -> tuple[Tensor, Tensor]:
        """The input and the output."""
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        inputs = [name for name in names if self._engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
        outputs = [name for name in names if name not in inputs]
        kinds = {name: _DTYPES.get(self._engine.get_tensor_dtype(name).name) for name in names}
        if len(inputs) != 1 or len(outputs) != 1 or None in kinds.values():
            raise BundleError("bundle-damaged", f"the engine is not one of a bundle: it reads {inputs} and writes {outputs}")
        given, wanted = (Tensor(name, dtype) for name in (*inputs, *outputs) if (dtype := kinds[name]))
        return given, wanted

    def _started(self, name: str) -> tuple[Any, tuple[str, Any] | None]:
        """An execution context, and the cache of compiled kernels that is to be stored: TensorRT-RTX has one, TensorRT does not."""
        create: Any = getattr(self._engine, "create_runtime_config", None)
        config: Any = create() if create else None
        if not hasattr(config, "create_runtime_cache"):
            return self._required(self._engine.create_execution_context(), "start"), None
        kernels, stored = config.create_runtime_cache(), load_cache(name)
        known = stored is not None and kernels.deserialize(stored)
        self._required(config.set_runtime_cache(kernels), "take its cache")
        context = self._required(self._engine.create_execution_context(config), "start")
        return context, None if known else (name, kernels)

    def _keep_kernels(self) -> None:
        """Store what was compiled for the first batch, once."""
        if self._kernels is not None:
            name, kernels = self._kernels
            store_cache(name, bytes(kernels.serialize()))
            self._kernels = None

    def _required(self, result: Any, what: str) -> Any:
        """The result, if it is one."""
        if result is None or result is False:
            raise BundleError("runtime-unavailable", f"the engine does not {what}", notes=tuple(self._log.errors))
        return result


def _release(device: Device, stream: int, *buffers: Buffer) -> None:
    with device.current():
        for buffer in buffers:
            buffer.release()
        device.end(stream)
