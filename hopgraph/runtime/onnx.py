"""ONNX Runtime: opens the ONNX form of a bundle, on the CPU or a GPU, and never elsewhere than it was asked to."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cuda import device_count, library
from .problems import BundleError
from .record import Array, Opening, Predict, Runtime

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"

KEEP_ONE = {"session.disable_prepacking": "1"}
"""Options for a model that reads a matrix of weights in several places: ONNX Runtime would lay it out anew for each of them."""


def _missing() -> str | None:
    return None if find_spec("onnxruntime") else "onnxruntime is not installed (pip install 'hopgraph[cpu]')"


def lacking(provider: str) -> str | None:
    """Why nothing can be run by a provider here, None where something can."""
    absent = _missing()
    if absent is not None:
        return absent
    ort: Any = import_module("onnxruntime")
    if provider not in ort.get_available_providers():
        return f"this onnxruntime has no {provider} (install onnxruntime-gpu in its place: pip install 'hopgraph[gpu]')"
    return None if provider == CPU or device_count(library()) else "no GPU"


def _open(opening: Opening) -> Predict:
    ort: Any = import_module("onnxruntime")
    return open_by(opening, _provider(opening.device, ort.get_available_providers()))


def open_by(opening: Opening, provider: str) -> Predict:
    """A session by a provider. Raises BundleError where the device is not there, or the session cannot be had on it."""
    ort: Any = import_module("onnxruntime")
    options, kept = _options(opening, provider)
    session = _session(ort, opening, options, provider)
    del kept  # the session has copied what it reads of other weights
    if provider not in session.get_providers():
        raise _unavailable(opening, f"onnxruntime runs it on {', '.join(session.get_providers())} instead of {provider}")
    (given,) = session.get_inputs()

    def predict(inputs: NDArray[Any]) -> Array:
        return session.run(None, {given.name: inputs})[0]

    return predict


def _provider(device: str, available: list[str]) -> str:
    """What runs on a device. Raises BundleError where this onnxruntime does not have it."""
    if device == "cuda" and CUDA not in available:
        message = "this onnxruntime runs nothing on a GPU"
        raise BundleError("runtime-unavailable", message, helps=("install onnxruntime-gpu in its place (pip install 'hopgraph[gpu]')",))
    return CUDA if device != "cpu" and CUDA in available else CPU


def session_options(provider: str, threads: int | None) -> Any:
    """Options of a session, which is quiet, and refuses to run a node on the CPU where it is to run on a GPU."""
    ort: Any = import_module("onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    if provider != CPU:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    return options


def _options(opening: Opening, provider: str) -> tuple[Any, list[Any]]:
    """The options of a session, and the buffers that it reads while it is made."""
    options = session_options(provider, opening.threads)
    if opening.form.facts.get("shared"):
        for name, value in KEEP_ONE.items():
            options.add_session_config_entry(name, value)
    return options, _replace_weights(options, _by_location(opening))


def _by_location(opening: Opening) -> dict[str, Path]:
    """The files that stand for others, by the names that the graph has for these: as they are seen from its own folder."""
    home = PurePosixPath(opening.form.file).parent
    return {PurePosixPath(name).relative_to(home).as_posix(): path for name, path in opening.replaced().items()}


def _replace_weights(options: Any, files: dict[str, Path]) -> list[Any]:
    """Have a session read other files in the place of those that the graph names."""
    kept: list[Any] = [np.memmap(file, mode="r") for file in files.values()]
    if kept:
        options.add_external_initializers_from_files_in_memory(list(files), kept, [item.nbytes for item in kept])
    return kept


def _session(ort: Any, opening: Opening, options: Any, provider: str) -> Any:
    skipped = ["ConstantFolding"] if opening.form.dtype == "float32" else []
    try:
        return ort.InferenceSession(str(opening.file), options, providers=[provider], disabled_optimizers=skipped)
    except Exception as error:  # onnxruntime's errors have no base class of their own
        reason = str(error).splitlines()[0]
        if provider != CPU or type(error).__name__ == "NotImplemented":  # no kernel, as for products in bfloat16 on a CPU
            raise _unavailable(opening, reason) from None
        raise BundleError("bundle-damaged", f"`{opening.form.file}` cannot be opened by onnxruntime: {reason}") from None


def _unavailable(opening: Opening, reason: str) -> BundleError:
    return BundleError("runtime-unavailable", f"`{opening.form.file}` cannot be run on this machine: {reason}")


ONNXRUNTIME = Runtime("onnxruntime", "onnx", _missing, _open)
