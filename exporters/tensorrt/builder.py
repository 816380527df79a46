"""An engine from an ONNX graph, by either package: strongly typed, without TF32, for one range of batches and lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporters.tensorrt.layers import Reading, layers_of_json, layers_of_network, layers_of_text
from exporters.tensorrt.targets import set_targets
from hopgraph.errors import Diagnostic, HopgraphError, listing
from hopgraph.runtime.caches import load_cache, store_cache
from hopgraph.runtime.cuda import device_count, library
from hopgraph.runtime.engine import log_of


@dataclass(frozen=True)
class Order:
    """What is to be built: the ONNX file, the dtype of its products, the input, its shapes and the batches, and the GPUs.

    Shapes and batches are the smallest, those that the engine is tuned for, and the largest.
    """

    graph: Path
    dtype: str
    given: str
    shapes: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    batches: tuple[int, int, int]
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """A serialized engine, the GPUs that it is for, and its layers."""

    content: bytes
    targets: list[str]
    reading: Reading


def build_engine(trt: Any, order: Order) -> Plan:
    """Build. Raises HopgraphError where the package refuses the graph, the batches or the targets."""
    log = log_of(trt)
    log.clear()
    builder = trt.Builder(log)
    network = parse(trt, builder, log, order.graph)
    config = builder.create_builder_config()
    if hasattr(trt.BuilderFlag, "TF32"):
        config.clear_flag(trt.BuilderFlag.TF32)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    _set_profile(builder, config, order)
    targets = set_targets(trt, config, order.dtype, order.targets)
    timings = load_timings(trt, config, targets)
    before = layers_of_network(network)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise _failed(trt, log.errors)
    if timings is not None:
        store_cache(timings, bytes(config.get_timing_cache().serialize()))
    content = bytes(engine)
    return Plan(content, targets, read_back(trt, log, content, before))


def parse(trt: Any, builder: Any, log: Any, graph: Path) -> Any:
    """The network of an ONNX file. Its types are those of the graph, which is the only way from TensorRT 11 on and in TensorRT-RTX."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    network = builder.create_network(0 if flag is None else 1 << int(flag))
    parser = trt.OnnxParser(network, log)
    if not parser.parse_from_file(str(graph)):
        raise _failed(trt, [str(parser.get_error(index)) for index in range(parser.num_errors)])
    return network


def _set_profile(builder: Any, config: Any, order: Order) -> None:
    least, best, most = order.batches
    if not 1 <= least <= best <= most:
        message = f"the batches {listing(map(str, order.batches))} are not the smallest, the best and the largest"
        raise HopgraphError(Diagnostic("exporter-failed", message, helps=("give them in that order, from 1 on",)))
    profile = builder.create_optimization_profile()
    profile.set_shape(order.given, *((batch, *shape) for batch, shape in zip(order.batches, order.shapes, strict=True)))
    config.add_optimization_profile(profile)


def load_timings(trt: Any, config: Any, targets: Sequence[str]) -> str | None:
    """Give the builder what it measured before on such a GPU; the name of that cache. TensorRT-RTX measures nothing and has none."""
    if trt.__name__ != "tensorrt":
        return None
    name = f"{trt.__name__}-{trt.__version__}-{'-'.join(targets)}.timings"
    stored = load_cache(name)
    if stored is None or not config.set_timing_cache(config.create_timing_cache(stored), False):
        config.set_timing_cache(config.create_timing_cache(b""), False)
    return name


def read_back(trt: Any, log: Any, content: bytes, before: Any) -> Reading:
    """The layers: asked of the engine where a GPU can load it, else from the log of the build, else those of the network."""
    told = log.layers
    engine = trt.Runtime(log).deserialize_cuda_engine(content) if device_count(library()) else None
    if engine is not None:
        inspector = engine.create_engine_inspector()
        return Reading("the engine", layers_of_json(inspector.get_engine_information(trt.LayerInformationFormat.JSON)))
    if told:
        return Reading("the log of the build", layers_of_text(told))
    return Reading("the network before the build", before)


def _failed(trt: Any, messages: Sequence[str]) -> HopgraphError:
    return HopgraphError(Diagnostic("exporter-failed", f"{trt.__name__} refuses the model", notes=tuple(messages)[:4]))
