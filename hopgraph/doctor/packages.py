"""The packages that hopgraph works with, as pyproject.toml names them (a test holds one against the other)."""

from __future__ import annotations

import platform
import re
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version


@dataclass(frozen=True)
class Package:
    """A package: its name for pip, the oldest version that is taken, the extra of hopgraph that brings it (none: hopgraph itself does).

    `module` is imported to see whether it works; of those without one it is enough to be there. `use` is what it is for.
    """

    name: str
    least: str = ""
    extra: str = ""
    module: str = ""
    use: str = ""

    @property
    def install(self) -> str:
        """The command that brings it."""
        return f"pip install 'hopgraph[{self.extra}]'" if self.extra else f"pip install '{self.name}>={self.least}'"


TRITON = Package("triton", module="triton", use="torch.compile on a GPU; it comes with the builds of torch that have CUDA")
PACKAGES = (
    Package("torch", "2.11", module="torch", use="training, and the form `pytorch`"),
    Package("lightning-fabric", "2.5", module="lightning_fabric", use="training"),
    Package("onnx", "1.18", module="onnx", use="export"),
    Package("onnx-ir", "0.1.12", module="onnx_ir", use="export"),
    Package("datasets", "3.0"),
    Package("jinja2", "3.1"),
    Package("kornia", "0.7.4"),
    Package("latex2mathml", "3.77"),
    Package("markupsafe", "2.1"),
    Package("matplotlib", "3.9"),
    Package("ml-dtypes", "0.5"),
    Package("numpy", "1.26"),
    Package("pillow", "10"),
    Package("pydantic", "2.10"),
    Package("pyyaml", "6.0.2"),
    Package("rich", "13.9"),
    Package("safetensors", "0.5"),
    Package("scikit-learn", "1.5"),
    Package("scipy", "1.11"),
    Package("tensorboardx", "2.6.2"),
    Package("tokenizers", "0.20"),
    Package("typer", "0.15"),
    Package("onnxruntime", "1.22", "cpu", "onnxruntime", "running ONNX on a CPU"),
    Package("onnxruntime-gpu", "1.22", "gpu", "onnxruntime", "running ONNX on a GPU, and on a CPU too"),
    Package("tensorrt", "10.13", "gpu", "tensorrt", "engines, built and run on a GPU"),
    Package("tensorrt-rtx-cu13", "1.2", "rtx", "tensorrt_rtx", "engines for GPUs, built on any machine"),
    Package("ray", "2.40", "ray", "ray", "comparisons on a cluster"),
    Package("httptools", "0.6", "serve", "httptools", "serving"),
    Package("prometheus-client", "0.20", "serve", "prometheus_client", "serving"),
    Package("starlette", "0.40", "serve", "starlette", "serving"),
    Package("uvicorn", "0.30", "serve", "uvicorn", "serving"),
    TRITON,
)
"""Those of the extra `dev` are left out."""

_NUMBERS = re.compile(r"\d+(\.\d+)*")


def installed_version(name: str) -> str | None:
    """The version of an installed package, None where there is none. Nothing is imported."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def is_older(found: str, least: str) -> bool:
    """Whether a version is older than another, by its numbers: `2.13.0+cpu` is not older than `2.11`."""
    return _numbers(found) < _numbers(least)


def _numbers(text: str) -> tuple[int, ...]:
    match = _NUMBERS.match(text)
    return tuple(map(int, match.group().split("."))) if match else ()


def not_for_this_machine(package: Package) -> str | None:
    """Why a package cannot be had here, None where it can."""
    if package.extra == "rtx" and (platform.machine() not in ("x86_64", "AMD64") or sys.platform not in ("linux", "win32")):
        return f"there is none for {platform.system()} on {platform.machine()}"
    return None
