"""The machine: the GPU, and the versions of what is installed; none for a package that is not."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from benchmarks.gpu.setting import Row, Rows, Setting

PACKAGES = (
    "torch",
    "triton",
    "numpy",
    "timm",
    "lightning",
    "lightning-fabric",
    "pydantic",
    "onnx",
    "onnx-ir",
    "onnxruntime",
    "onnxruntime-gpu",
    "tensorrt",
    "tensorrt-rtx-cu13",
    "hopgraph",
)


def rows(setting: Setting) -> Rows:
    """One row of the device, one of the versions."""
    yield gpu() if setting.device == "cuda" else {"device": "cpu", "threads": torch.get_num_threads()}
    yield {"python": platform.python_version(), **{name: installed(name) for name in PACKAGES}}


def gpu() -> Row:
    """What torch says of the first GPU."""
    cuda: Any = torch.cuda  # whose properties have no type
    found = cuda.get_device_properties(0)
    return {
        "device": found.name,
        "capability": f"{found.major}.{found.minor}",
        "memory": found.total_memory,
        "multiprocessors": found.multi_processor_count,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "bfloat16": torch.cuda.is_bf16_supported(),
    }


def installed(package: str) -> str | None:
    """The version of a package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
