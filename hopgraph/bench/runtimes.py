"""What `bench` runs: the runtimes of all exporters, and further ways to run the same files, each under a name of its own.

ONNX Runtime is one runtime for each of its providers, so that no number of a CPU stands under the name of a GPU.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from importlib.util import find_spec

from hopgraph.bench.on_engine import open_on_engine
from hopgraph.bench.on_onnx import OnGpu
from hopgraph.bench.on_torch import open_compiled, open_eager
from hopgraph.errors import Diagnostic, HopgraphError, listing, rename_help
from hopgraph.export.exporter import exporters, runtimes_of
from hopgraph.runtime import Form, Opening, Predict, Runtime
from hopgraph.runtime.engine import TENSORRT as DEPLOYED
from hopgraph.runtime.onnx import CPU, CUDA, ONNXRUNTIME, lacking, open_by
from hopgraph.runtime.onnx import TENSORRT as TENSORRT_PROVIDER

COMPILERS = ("g++", "clang++", "c++", "cl")
"""The C++ compilers that torch.compile looks for on a CPU, and finds by these names."""


def _provider(name: str, provider: str) -> Runtime:
    def open_(opening: Opening) -> Predict:
        return open_by(opening, provider) if provider == CPU else OnGpu(opening, provider)

    return replace(ONNXRUNTIME, name=name, missing=partial(lacking, provider), open=open_)


def _lacks_compiler() -> str | None:
    """Why torch.compile cannot work here, None where it can."""
    import torch

    if torch.cuda.is_available():
        return None if find_spec("triton") else "torch.compile needs the package triton on a GPU"
    return None if any(map(shutil.which, COMPILERS)) else "torch.compile needs a C++ compiler on a CPU, and there is none"


PROVIDERS = {"onnxruntime": CPU, "onnxruntime-cuda": CUDA, "onnxruntime-tensorrt": TENSORRT_PROVIDER}
"""The providers of ONNX Runtime by the names of what is benchmarked."""
EAGER = Runtime("pytorch", "pytorch", lambda: None, open_eager)
COMPILED = Runtime("pytorch-compiled", "pytorch", _lacks_compiler, open_compiled)
TENSORRT = replace(DEPLOYED, open=open_on_engine)
RTX = replace(TENSORRT, name="tensorrt-rtx")
"""Runs those engines alone that TensorRT-RTX built; `tensorrt` runs those of both packages."""

_CPU, *_GPU = (_provider(name, provider) for name, provider in PROVIDERS.items())
_INSTEAD = {"onnxruntime": _CPU, "pytorch": EAGER, "tensorrt": TENSORRT}
"""What takes the place of an exporter's own runtime: the provider that its name says, and those where the time on a GPU can be had."""
_FURTHER: dict[str, tuple[Runtime, ...]] = {"onnx": tuple(_GPU), "pytorch": (COMPILED,), "tensorrt": (RTX,)}


def _of(exporter: str) -> tuple[Runtime, ...]:
    return (*(_INSTEAD.get(item.name, item) for item in runtimes_of(exporter)), *_FURTHER.get(exporter, ()))


def find(name: str) -> Runtime:
    """What is benchmarked under that name. Raises HopgraphError where nothing is."""
    known = {runtime.name: runtime for exporter in exporters() for runtime in _of(exporter)}
    if name not in known:
        notes, helps = (f"there are {listing(known)}",), tuple(rename_help(name, tuple(known)))
        raise HopgraphError(Diagnostic("runtime-unknown", f"no runtime is named `{name}`", notes=notes, helps=helps))
    return known[name]


def runtimes_for(form: Form) -> list[Runtime]:
    """All that can be asked to run a form."""
    return [runtime for runtime in _of(form.exporter) if runtime != RTX or _is_rtx(form)]


def everything_for(form: Form) -> list[Runtime]:
    """What runs a form where nothing is asked for, each once: an engine by the package that built it."""
    return [runtime for runtime in runtimes_for(form) if runtime != TENSORRT or not _is_rtx(form)]


def present_for(form: Form) -> list[Runtime]:
    """The runtimes of the exporter, and ONNX Runtime's providers on a GPU where there is one: what a comparison of variants runs."""
    own = [runtime.name for runtime in runtimes_of(form.exporter)]
    return [runtime for runtime in runtimes_for(form) if runtime.name in own or (runtime in _GPU and not runtime.missing())]


def device_of(name: str) -> str | None:
    """Where something runs that is benchmarked under that name, `cpu` or `cuda`; None where it is not known, as of third parties."""
    import torch

    if name in (EAGER.name, COMPILED.name):
        return "cuda" if torch.cuda.is_available() else "cpu"
    return {_CPU.name: "cpu", **{runtime.name: "cuda" for runtime in (*_GPU, TENSORRT, RTX)}}.get(name)


def _is_rtx(form: Form) -> bool:
    return form.facts.get("package") == "tensorrt_rtx"
