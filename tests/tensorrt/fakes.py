"""A driver and a package that are no GPU, and are as strict as one: work is queued, memory is bounded, addresses are checked."""

from __future__ import annotations

import ctypes
import enum
import time
import types
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from typing import Any

import numpy as np
from numpy.typing import NDArray

CONTEXT = 77
FAILED = 700
INVALIDATED = 901


def fails(*arguments: object) -> int:
    """A call that the driver refuses."""
    return FAILED


class FakeDriver:
    """The driver of a GPU: what is queued in the stream runs when the stream is waited for, and not before."""

    def __init__(self, capability: int = 86, count: int = 1, memory: int = 1 << 20) -> None:
        self.capability, self.count, self.free = capability, count, memory
        self.failing: set[str] = set()
        self.memory: dict[int, bytearray] = {}
        self.current: list[int | None] = []
        self.streams: dict[int, list[Callable[[], None]]] = {}
        self.capturing: dict[int, list[Callable[[], None]] | None] = {}
        self.graphs: dict[int, list[Callable[[], None]]] = {}
        self.launched = 0
        self.events: dict[int, float | None] = {}
        self.clock = 0.0
        self._next = 0x1000

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("cu") and name != "current" and name in object.__getattribute__(self, "failing"):
            return fails
        return object.__getattribute__(self, name)

    def cuInit(self, flags: int) -> int:  # noqa: N802
        return 0

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        count._obj.value = self.count
        return 0

    def cuDeviceGet(self, device: Any, ordinal: Any) -> int:  # noqa: N802
        device._obj.value = ordinal.value
        return 0 if ordinal.value < self.count else 101

    def cuDeviceGetName(self, text: Any, size: Any, device: Any) -> int:  # noqa: N802
        text.value = b"a fake GPU"
        return 0

    def cuDeviceGetAttribute(self, value: Any, attribute: Any, device: Any) -> int:  # noqa: N802
        value._obj.value = {75: self.capability // 10, 76: self.capability % 10}[attribute.value]
        return 0

    def cuDevicePrimaryCtxRetain(self, context: Any, device: Any) -> int:  # noqa: N802
        context._obj.value = CONTEXT
        return 0

    def cuCtxPushCurrent_v2(self, context: Any) -> int:  # noqa: N802
        self.current.append(context.value)
        return 0

    def cuCtxPopCurrent_v2(self, context: Any) -> int:  # noqa: N802
        context._obj.value = self.current.pop()
        return 0

    def cuStreamCreate(self, stream: Any, flags: Any) -> int:  # noqa: N802
        self._require_context()
        self._next += 1
        stream._obj.value = self._next
        self.streams[self._next] = []
        return 0

    def cuStreamSynchronize(self, stream: Any) -> int:  # noqa: N802
        self._require_context()
        if stream.value in self.capturing:
            self.capturing[stream.value] = None
            return INVALIDATED
        for work in self.streams[stream.value]:
            work()
        self.streams[stream.value].clear()
        return 0

    def cuStreamDestroy_v2(self, stream: Any) -> int:  # noqa: N802
        self._require_context()
        assert not self.streams.pop(stream.value), "a stream is given back while work is queued in it"
        return 0

    def cuMemAlloc_v2(self, address: Any, size: Any) -> int:  # noqa: N802
        self._require_context()
        assert size.value > 0
        if size.value > self.free:
            return 2
        self.free -= size.value
        address._obj.value = self._next
        self.memory[self._next] = bytearray(size.value)
        self._next += size.value + 0x100
        return 0

    def cuMemFree_v2(self, address: Any) -> int:  # noqa: N802
        self._require_context()
        assert not any(self.streams.values()), "memory is given back while work that may read it is queued"
        self.free += len(self.memory.pop(address.value))
        return 0

    def cuMemcpyHtoDAsync_v2(self, target: Any, source: Any, size: Any, stream: Any) -> int:  # noqa: N802
        self._require_context()
        self.queue(stream.value, lambda: self.write(target.value, ctypes.string_at(source.value, size.value)))
        return 0

    def cuMemcpyDtoHAsync_v2(self, target: Any, source: Any, size: Any, stream: Any) -> int:  # noqa: N802
        self._require_context()
        self.queue(stream.value, lambda: self._copy(target.value, source.value, size.value))
        return 0

    def cuEventCreate(self, event: Any, flags: Any) -> int:  # noqa: N802
        event._obj.value = self._handle()
        self.events[event._obj.value] = None
        return 0

    def cuEventRecord(self, event: Any, stream: Any) -> int:  # noqa: N802
        self._require_context()
        self.queue(stream.value, lambda: self._stamp(event.value))
        return 0

    def cuEventSynchronize(self, event: Any) -> int:  # noqa: N802
        return max(self.cuStreamSynchronize(ctypes.c_void_p(stream)) for stream in self.streams)

    def cuEventElapsedTime(self, found: Any, first: Any, second: Any) -> int:  # noqa: N802
        begun, ended = self.events[first.value], self.events[second.value]
        if begun is None or ended is None:
            return 400
        found._obj.value = ended - begun
        return 0

    def cuEventDestroy_v2(self, event: Any) -> int:  # noqa: N802
        self._require_context()
        del self.events[event.value]
        return 0

    def cuStreamBeginCapture_v2(self, stream: Any, mode: Any) -> int:  # noqa: N802
        assert mode.value == 1
        assert stream.value not in self.capturing
        self.capturing[stream.value] = []
        return 0

    def cuStreamEndCapture(self, stream: Any, graph: Any) -> int:  # noqa: N802
        work = self.capturing.pop(stream.value)
        if work is None:
            return INVALIDATED
        graph._obj.value = self._handle()
        self.graphs[graph._obj.value] = work
        return 0

    def cuGraphInstantiateWithFlags(self, handle: Any, graph: Any, flags: Any) -> int:  # noqa: N802
        handle._obj.value = self._handle()
        self.graphs[handle._obj.value] = self.graphs[graph.value]
        return 0

    def cuGraphDestroy(self, graph: Any) -> int:  # noqa: N802
        del self.graphs[graph.value]
        return 0

    cuGraphExecDestroy = cuGraphDestroy  # noqa: N815

    def cuGraphLaunch(self, handle: Any, stream: Any) -> int:  # noqa: N802
        self._require_context()
        self.launched += 1
        for work in self.graphs[handle.value]:
            self.queue(stream.value, work)
        return 0

    def cuGetErrorString(self, status: Any, text: Any) -> int:  # noqa: N802
        known = {2: b"out of memory", 101: b"invalid device ordinal"}
        if status.value not in known:
            return 1
        text._obj.value = known[status.value]
        return 0

    def queue(self, stream: int, work: Callable[[], None]) -> None:
        """Put work into a stream, or into the graph that it is being recorded for."""
        recorded = self.capturing.get(stream, self.streams[stream])
        if recorded is not None:
            recorded.append(work)

    def _stamp(self, event: int) -> None:
        if event in self.events:  # it may be given back before
            self.events[event] = self.clock

    def _handle(self) -> int:
        self._next += 1
        return self._next

    def write(self, address: int, content: bytes) -> None:
        """Fill memory that was allocated."""
        assert len(content) <= len(self.memory[address]), "a copy runs over the end of its buffer"
        self.memory[address][: len(content)] = content

    def read(self, address: int, size: int) -> bytes:
        """The first bytes of memory that was allocated."""
        assert size <= len(self.memory[address]), "a copy runs over the end of its buffer"
        return bytes(self.memory[address][:size])

    def _copy(self, target: int, address: int, size: int) -> None:
        ctypes.memmove(target, self.read(address, size), size)

    def _require_context(self) -> None:
        assert self.current, "a call without a current context"
        assert self.current[-1] == CONTEXT


class Mode(enum.Enum):
    INPUT = 1
    OUTPUT = 2


class Kind(enum.Enum):
    FLOAT = 1
    HALF = 2
    BF16 = 3


class FakeCache:
    """What was compiled: the number of kernels, for one GPU."""

    def __init__(self) -> None:
        self.kernels = 0

    def deserialize(self, stored: bytes) -> bool:
        fits = stored.startswith(b"kernels ")
        self.kernels = int(stored.split()[1]) if fits else 0
        return fits

    def serialize(self) -> bytes:
        return b"kernels %d" % self.kernels


class FakeContext:
    """Sums its input over the features and adds one: [batch, 3] -> [batch, 2], when the stream comes to it.

    The first call for a shape allocates memory, so it cannot be recorded.
    """

    is_stream_capturable: Callable[[int], bool]

    def __init__(self, engine: FakeEngine, cache: FakeCache | None) -> None:
        self.engine, self.cache = engine, cache
        self.shape: tuple[int, ...] | None = None
        self.addresses: dict[str, int] = {}
        self.refusing = ""
        self.known: set[tuple[int, ...]] = set()

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.shape = shape if name == "x" and shape[1:] == (3,) else None
        time.sleep(0.002)  # another thread may come in between, if it is let
        return self.shape is not None

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        assert name == "y"
        return (self.shape[0] if self.shape else -1, 2)

    def set_tensor_address(self, name: str, address: int) -> bool:
        assert name in ("x", "y")
        assert address in self.engine.package.driver.memory
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        driver = self.engine.package.driver
        assert set(self.addresses) == {"x", "y"}
        shape, addresses = self.shape, dict(self.addresses)
        assert shape is not None
        if stream in driver.capturing and (self.refusing == "recording" or shape not in self.known):
            driver.capturing[stream] = None
            return False
        self.known.add(shape)
        driver.queue(stream, lambda: self._compute(shape, addresses))
        return self.refusing != "run"

    def _compute(self, shape: tuple[int, ...], addresses: dict[str, int]) -> None:
        """Takes a millisecond for an example."""
        driver = self.engine.package.driver
        driver.clock += shape[0]
        if self.cache is not None:
            self.cache.kernels = max(self.cache.kernels, 1)
        given = np.frombuffer(driver.read(addresses["x"], 4 * int(np.prod(shape))), dtype=np.float32).reshape(shape)
        driver.write(addresses["y"], expected(given).astype(self.engine.numpy).tobytes())


def expected(given: NDArray[Any]) -> NDArray[np.float32]:
    """What the engine computes."""
    total = given.astype(np.float32).sum(axis=1, dtype=np.float32)
    return np.stack([total, total + 1], axis=1)


class Strategy(enum.Enum):
    LAZY = 0
    EAGER = 1


class FakeConfig:
    def __init__(self) -> None:
        self.cache: FakeCache | None = None
        self.dynamic_shapes_kernel_specialization_strategy = Strategy.LAZY

    def create_runtime_cache(self) -> FakeCache:
        return FakeCache()

    def set_runtime_cache(self, cache: FakeCache) -> bool:
        self.cache = cache
        return True


class FakeEngine:
    num_io_tensors = 2

    def __init__(self, package: FakePackage) -> None:
        self.package = package
        self.kind, self.numpy = package.output
        if package.compiles:
            self.create_runtime_config = FakeConfig

    def get_tensor_name(self, index: int) -> str:
        return ("x", "y")[index]

    def get_tensor_mode(self, name: str) -> Mode:
        return Mode.INPUT if name == "x" else Mode.OUTPUT

    def get_tensor_dtype(self, name: str) -> Kind:
        return Kind.FLOAT if name == "x" else self.kind

    def get_tensor_profile_shape(self, name: str, profile: int) -> list[tuple[int, int]]:
        assert (name, profile) == ("x", 0)
        return [(2, 3), (4, 3), (8, 3)]

    def create_execution_context(self, config: FakeConfig | None = None) -> FakeContext:
        context = FakeContext(self, config.cache if config else None)
        context.refusing = self.package.refusing
        if config is not None:
            eager = config.dynamic_shapes_kernel_specialization_strategy is Strategy.EAGER
            context.is_stream_capturable = lambda stream: eager and self.package.refusing != "graphs"
        self.package.contexts.append(context)
        return context


class FakePackage(types.ModuleType):
    """`tensorrt` (`compiles` false) or `tensorrt_rtx`, with one engine whose serialized form is `b"engine"`."""

    TensorIOMode = Mode
    DynamicShapesKernelSpecializationStrategy = Strategy

    def __init__(self, name: str, version: str, driver: FakeDriver) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)
        self.__version__ = version
        self.driver = driver
        self.compiles = name == "tensorrt_rtx"
        self.output: tuple[Kind, type[np.generic]] = (Kind.FLOAT, np.float32)
        self.refusing = ""
        self.contexts: list[FakeContext] = []
        self.ILogger = FakeLogger

    def Runtime(self, log: Any) -> Any:  # noqa: N802
        def deserialize(content: bytes) -> FakeEngine | None:
            assert self.driver.current, "an engine is loaded without a current context"
            if content != b"engine":
                log.log(FakeLogger.ERROR, "Magic tag does not match")
                return None
            return FakeEngine(self)

        return types.SimpleNamespace(deserialize_cuda_engine=deserialize)


class FakeLogger:
    ERROR, INTERNAL_ERROR, VERBOSE = 1, 2, 3
