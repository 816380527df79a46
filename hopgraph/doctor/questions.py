"""What is asked of packages by importing them. Each question gives plain data, and may raise anything."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

Facts = dict[str, Any]


def _module(name: str) -> Facts:
    return {"version": getattr(import_module(name), "__version__", None)}


def _torch() -> Facts:
    """The build of torch, and the GPUs that it sees."""
    torch: Any = import_module("torch")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    gpus = [torch.cuda.get_device_properties(index) for index in range(count)]
    return {
        **_module("torch"),
        "cuda": torch.version.cuda,
        "rocm": torch.version.hip,
        "gpus": [{"name": gpu.name, "memory": gpu.total_memory} for gpu in gpus],
    }


def _onnxruntime() -> Facts:
    ort: Any = import_module("onnxruntime")
    return {**_module("onnxruntime"), "providers": list(ort.get_available_providers())}


def _exporters() -> Facts:
    """Every exporter that is found: the dtypes that it writes, and what it lacks here."""
    from hopgraph.export.exporter import exporters

    return {name: {"dtypes": list(found.dtypes), "missing": _lacking(found.missing)} for name, found in exporters().items()}


def _runtimes() -> Facts:
    """All that runs a form, with its exporter and what it lacks here; `further` are those of `bench` alone."""
    from hopgraph.bench.runtimes import COMPILED, PROVIDERS, RTX, find
    from hopgraph.export.exporter import exporters

    own = [runtime.name for exporter in exporters().values() for runtime in exporter.runtimes]
    found = {name: find(name) for name in dict.fromkeys((*own, *PROVIDERS, COMPILED.name, RTX.name))}
    return {
        name: {"exporter": runtime.exporter, "missing": _lacking(runtime.missing), "further": name not in own}
        for name, runtime in found.items()
    }


def _lacking(missing: Callable[[], str | None]) -> str | None:
    """What something lacks. One that cannot even say it is broken."""
    try:
        return missing()
    except Exception as error:
        return f"broken: {first_line(error)}"


def first_line(error: BaseException) -> str:
    """An error's kind and the first line of its text."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].strip()}" if lines else type(error).__name__


OWN: dict[str, Callable[[], Facts]] = {
    "torch": _torch,
    "onnxruntime": _onnxruntime,
    "exporters": _exporters,
    "runtimes": _runtimes,
}


def question(name: str) -> Callable[[], Facts]:
    """The question of that name: one of the above, or whether the module of that name can be imported."""
    return OWN.get(name) or partial(_module, name)
