"""TensorRT and TensorRT-RTX: run an engine on the GPU with numpy and the package that built it.

An engine is tied to the version of its builder and to the GPUs that it was built for, and it is executable code: its hash was checked
when the bundle was opened; package, version and GPU are checked here, before it is loaded.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, cast

from .cuda import Device, device_count, library
from .problems import BundleError
from .record import Opening, Runtime
from .running import Engine

PACKAGES = ("tensorrt", "tensorrt_rtx")
"""The packages that build and run engines, the first that is installed builds."""


def installed() -> str | None:
    """The package that builds here."""
    return next((name for name in PACKAGES if find_spec(name)), None)


def missing() -> str | None:
    """Why no engine can run here, None where one can."""
    if installed() is None:
        return "neither tensorrt nor tensorrt_rtx is installed (pip install 'hopgraph[gpu]' or 'hopgraph[rtx]')"
    return None if device_count(library()) else "no GPU"


@dataclass(frozen=True)
class Origin:
    """What a form says of its engine: the package that built it, that package's version, and the GPUs that it is for.

    A target is a compute capability such as `SM86`; with `+` behind it, as in `SM80+`, later ones too.
    """

    file: str
    package: str
    version: str
    targets: tuple[str, ...]

    @staticmethod
    def of(opening: Opening) -> Origin:
        """Of the form that is opened. Raises BundleError where it does not say."""
        facts = opening.form.facts
        package, version, targets = facts.get("package"), facts.get("version"), facts.get("targets")
        if package not in PACKAGES or not isinstance(version, str) or not isinstance(targets, list):
            raise BundleError("bundle-damaged", f"the manifest does not say what built `{opening.form.file}`, and for which GPUs")
        return Origin(opening.form.file, package, version, tuple(map(str, cast("list[object]", targets))))

    def load(self) -> Any:
        """The package that built the engine, in its version. Raises BundleError where it is not what is installed here."""
        if not find_spec(self.package):
            raise self._refused(f"{self.package} is not installed here")
        trt: Any = import_module(self.package)
        if trt.__version__ != self.version:
            raise self._refused(f"here is {self.package} {trt.__version__}")
        return trt

    def require_target(self, capability: int) -> None:
        """Raise BundleError where the engine is not for a GPU of this compute capability."""
        if not any(_fits(target, capability) for target in self.targets):
            message = f"`{self.file}` was built for {', '.join(self.targets)}, and the GPU here is SM{capability}"
            raise BundleError("runtime-unavailable", message, helps=(f"export it again for SM{capability}",))

    def _refused(self, found: str) -> BundleError:
        message = f"`{self.file}` was built by {self.package} {self.version}, and no other version can run it: {found}"
        return BundleError("runtime-unavailable", message, helps=("install that version, or export the engine again here",))


def _fits(target: str, capability: int) -> bool:
    number = target.removeprefix("SM").removesuffix("+")
    least = int(number) if number.isdigit() else -1
    return capability >= least > 0 if target.endswith("+") else capability == least


@cache
def log_of(trt: Any) -> Any:
    """What a package tells: `errors`, the last of them, and `layers`, those of the engine that was built last.

    One for a process, since a package goes on with the first that it is given. Nothing is printed.
    """

    class Log(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: deque[str] = deque(maxlen=4)
            self.layers = ""

        def clear(self) -> None:
            """Forget what was told."""
            self.errors.clear()
            self.layers = ""

        def log(self, severity: Any, message: str) -> None:
            """Called by the package."""
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self.errors.append(message)
            elif message.startswith("Layers:"):
                self.layers = message

    return Log()


def open_engine(opening: Opening) -> Engine:
    """What predicts on the first GPU. Raises BundleError where the engine cannot run here, or was asked to run elsewhere."""
    if opening.device == "cpu":
        message = f"`{opening.form.file}` runs on a GPU only"
        raise BundleError("runtime-unavailable", message, helps=("ask for the device `cuda`, or for the runtime `onnxruntime`",))
    if opening.weights is not None:
        message = f"`{opening.form.file}` holds the weights that it was built with, and cannot take those of `{opening.weights}`"
        raise BundleError("runtime-unavailable", message, helps=("ask for the runtime `onnxruntime`, or export that run by itself",))
    origin = Origin.of(opening)
    trt, driver = origin.load(), library()
    if driver is None:
        raise BundleError("runtime-unavailable", f"`{opening.form.file}` runs on a GPU, and there is no driver of one here")
    device = Device(driver)
    origin.require_target(device.capability)
    digest = next(file.sha256 for file in opening.manifest.files if file.path == opening.form.file)
    return Engine(trt, log_of(trt), device, opening.file.read_bytes(), f"{digest}.runtime")


TENSORRT = Runtime("tensorrt", "tensorrt", missing, open_engine)
