"""TensorRT and TensorRT-RTX: an engine built from our ONNX model, by whichever of the two packages is installed.

TensorRT-RTX builds an engine on a machine without a GPU, for GPUs named by their compute capability. Running one needs the
GPU: where there is none the bundle says `built, not run: no GPU`, and no table shows a number for it.
"""

from __future__ import annotations

import ctypes
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from exporters.onnx import model_bytes
from hopgraph.errors import Diagnostic, HopgraphError
from hopgraph.export.exporter import Array, Exporter, Predict, Request, Runtime
from hopgraph.passes.pipeline import CheckedSpec

PACKAGES = ("tensorrt", "tensorrt_rtx")
"""The packages that build engines, the first that is installed is used."""

CAPABILITIES = ("SM86", "SM89", "SM120")
"""The GPUs that a TensorRT-RTX engine is built for where none is present: the Ampere, Ada and Blackwell consumer generations."""

BATCHES = (1, 64, 512)
"""The smallest, best and largest batch of the optimization profile."""


def _package() -> str | None:
    return next((name for name in PACKAGES if find_spec(name)), None)


def _missing() -> str | None:
    return None if _package() else "neither tensorrt nor tensorrt_rtx is installed (pip install 'hopgraph[gpu]' or 'hopgraph[rtx]')"


def has_gpu() -> bool:
    """Whether the CUDA driver finds a device."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


def build(request: Request, folder: Path) -> dict[str, Any]:
    """Build an engine, strongly typed: the precision is that of our graph. Raises HopgraphError where the package refuses."""
    package = _package()
    assert package is not None
    trt: Any = import_module(package)
    messages = _Messages(trt)
    builder = trt.Builder(messages.logger)
    network = builder.create_network(_network_flags(trt))
    parser = trt.OnnxParser(network, messages.logger)
    if not parser.parse(model_bytes(request)):
        raise _failed([str(parser.get_error(index)) for index in range(parser.num_errors)])
    config = _config(trt, builder, request)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise _failed(messages.errors)
    content = bytes(engine)
    (folder / EXPORTER.file).write_bytes(content)
    targets = list(CAPABILITIES) if package == "tensorrt_rtx" and not has_gpu() else ["this machine's GPU"]
    return {"dtype": "float32", "package": package, "version": trt.__version__, "targets": targets, "batches": list(BATCHES)}


class _Messages:
    """A logger that keeps errors for the diagnostic and prints nothing."""

    def __init__(self, trt: Any) -> None:
        errors: list[str] = []

        class Logger(trt.ILogger):
            def __init__(self) -> None:
                trt.ILogger.__init__(self)

            def log(self, severity: Any, message: str) -> None:
                if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                    errors.append(message)

        self.errors = errors
        self.logger: Any = Logger()


def _network_flags(trt: Any) -> int:
    """Strongly typed where that is a choice; it is the only kind in TensorRT-RTX and from TensorRT 11 on."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _config(trt: Any, builder: Any, request: Request) -> Any:
    config = builder.create_builder_config()
    tf32 = getattr(trt.BuilderFlag, "TF32", None)
    if tf32 is not None:
        config.clear_flag(tf32)
    profile = builder.create_optimization_profile()
    (given,) = request.spec.program.inputs
    profile.set_shape(given.name, *((batch, *given.shape) for batch in BATCHES))
    config.add_optimization_profile(profile)
    if hasattr(config, "num_compute_capabilities") and not has_gpu():
        config.num_compute_capabilities = len(CAPABILITIES)
        for index, name in enumerate(CAPABILITIES):
            config.set_compute_capability(getattr(trt.ComputeCapability, name), index)
    return config


def _failed(messages: list[str]) -> HopgraphError:
    return HopgraphError(Diagnostic("exporter-failed", "TensorRT refuses the model", notes=tuple(messages[:4])))


def _cannot_run() -> str | None:
    if _package() is None:
        return _missing()
    return None if has_gpu() else "no GPU"


def _open(file: Path, spec: CheckedSpec, threads: int | None) -> Predict:
    """The engine on the GPU. The bundle has checked the file's hash before: an engine is executable code."""
    import torch

    package = _package()
    assert package is not None
    trt: Any = import_module(package)
    runtime = trt.Runtime(_Messages(trt).logger)
    engine = runtime.deserialize_cuda_engine(file.read_bytes())
    if engine is None:
        message = f"`{file.name}` was built for another version of {package} or another GPU"
        raise HopgraphError(Diagnostic("bundle-damaged", message, helps=("export it again on this machine",)))
    context = engine.create_execution_context()
    given, wanted = (engine.get_tensor_name(index) for index in range(engine.num_io_tensors))

    def predict(inputs: NDArray[Any]) -> Array:
        source = torch.from_numpy(inputs).cuda()
        context.set_input_shape(given, tuple(source.shape))
        target = torch.empty(tuple(context.get_tensor_shape(wanted)), device="cuda")
        context.set_tensor_address(given, source.data_ptr())
        context.set_tensor_address(wanted, target.data_ptr())
        stream = torch.cuda.current_stream()
        context.execute_async_v3(stream.cuda_stream)
        stream.synchronize()
        return target.cpu().numpy()

    return predict


EXPORTER = Exporter("tensorrt", "model.engine", _missing, build, (Runtime("tensorrt", _cannot_run, _open),))
