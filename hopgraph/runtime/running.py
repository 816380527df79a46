"""An engine that was loaded: batches go to the GPU and back, one after the other."""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .caches import load_cache, store_cache
from .cuda import Device
from .execution import Execution, Tensor, required
from .problems import BundleError
from .record import Array

_DTYPES: dict[str, type[np.generic]] = {"FLOAT": np.float32, "HALF": np.float16, "INT64": np.int64, "INT32": np.int32}
"""The types that inputs and outputs may have, by the package's names."""


class Engine:
    """Predicts: call it with a batch of inputs. Calls from several threads wait for each other.

    `content` is the serialized engine, `cache` the name of the file that keeps what the package compiles for this GPU.
    Raises BundleError where the package or the driver refuses.
    """

    def __init__(self, trt: Any, log: Any, device: Device, content: bytes, cache: str) -> None:
        self.device, self._trt, self._log, self._lock = device, trt, log, Lock()
        log.clear()
        with device.current():
            self._runtime = trt.Runtime(log)
            self._engine = required(self._runtime.deserialize_cuda_engine(content), "load it", log)
            self._given, self._wanted = self._tensors()
            self._config, self._kernels = self._configured(cache)
            self._execution = self.execution()
        least, _, most = self._engine.get_tensor_profile_shape(self._given.name, 0)
        self._least, self._most = int(least[0]), int(most[0])

    def __call__(self, inputs: NDArray[Any]) -> Array:
        """The outputs [batch, ...] of a batch. Raises BundleError where it is larger or smaller than the engine takes."""
        batch = len(inputs)
        if not self._least <= batch <= self._most:
            side, limit = ("largest", self._most) if batch > self._most else ("smallest", self._least)
            message = f"a batch of {batch} is not one that the engine takes: the {side} is {limit}"
            raise BundleError("input-invalid", message, helps=("divide it, or export the engine for other batches",))
        with self._lock, self.device.current():
            try:
                self._execution.load(inputs)
                self._execution.enqueue()
                outputs = self._execution.unload()
            finally:
                self._execution.wait()  # after a failure too: what was queued reads and writes arrays of ours
            self._keep_kernels()
        return outputs.astype(np.float32, copy=False)

    def execution(self, *, final: bool = False) -> Execution:
        """Where to compute, apart from all others of this engine. The device must be current.

        TensorRT-RTX computes the first batches of a shape by general kernels, and changes to those for the shape when they are compiled.
        With `final` the first batch waits for them instead, so that a CUDA graph has them.
        """
        if final and hasattr(self._config, "dynamic_shapes_kernel_specialization_strategy"):
            self._config.dynamic_shapes_kernel_specialization_strategy = self._trt.DynamicShapesKernelSpecializationStrategy.EAGER
        arguments = () if self._config is None else (self._config,)
        context = required(self._engine.create_execution_context(*arguments), "start", self._log)
        return Execution(context, self._given, self._wanted, self.device, self._log)

    def _tensors(self) -> tuple[Tensor, Tensor]:
        """The input and the output."""
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        inputs = [name for name in names if self._engine.get_tensor_mode(name) == self._trt.TensorIOMode.INPUT]
        outputs = [name for name in names if name not in inputs]
        kinds = {name: _DTYPES.get(self._engine.get_tensor_dtype(name).name) for name in names}
        if len(inputs) != 1 or len(outputs) != 1 or None in kinds.values():
            raise BundleError("bundle-damaged", f"the engine is not one of a bundle: it reads {inputs} and writes {outputs}")
        given, wanted = (Tensor(name, dtype) for name in (*inputs, *outputs) if (dtype := kinds[name]))
        return given, wanted

    def _configured(self, name: str) -> tuple[Any, tuple[str, Any] | None]:
        """How contexts are made, and the cache of compiled kernels that is to be stored: TensorRT-RTX has both, TensorRT neither."""
        create: Any = getattr(self._engine, "create_runtime_config", None)
        config: Any = create() if create else None
        if not hasattr(config, "create_runtime_cache"):
            return None, None
        kernels, stored = config.create_runtime_cache(), load_cache(name)
        known = stored is not None and kernels.deserialize(stored)
        required(config.set_runtime_cache(kernels), "take its cache", self._log)
        return config, None if known else (name, kernels)

    def _keep_kernels(self) -> None:
        """Store what was compiled for the first batch, once."""
        if self._kernels is not None:
            name, kernels = self._kernels
            store_cache(name, bytes(kernels.serialize()))
            self._kernels = None
