"""The GPUs that an engine is for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hopgraph.errors import Diagnostic, HopgraphError, listing, rename_help
from hopgraph.runtime.cuda import Device, library

PORTABLE = "SM80+"
"""What TensorRT-RTX builds for without being told: every GPU from Ampere on."""

FP8 = 89
"""The first compute capability that multiplies fp8."""


def set_targets(trt: Any, config: Any, dtype: str, wanted: Sequence[str]) -> list[str]:
    """Tell the builder which GPUs the engine is for; their names for the manifest.

    TensorRT-RTX knows compute capabilities and needs no GPU. TensorRT builds for the GPU that is present, or for what its
    compatibility level adds to that one. Raises HopgraphError for a name that the package does not know.
    """
    capabilities = hasattr(config, "set_compute_capability")
    kind = trt.ComputeCapability if capabilities else trt.HardwareCompatibilityLevel
    known = {name: value for name, value in kind.__members__.items() if name not in ("NONE", "CURRENT")}
    names = list(dict.fromkeys(wanted))
    _require_known(names, known)
    if capabilities:
        return _set_capabilities(config, names or _default(dtype, known), known)
    if len(names) > 1:
        message = f"{trt.__name__} builds for one target, and {len(names)} are asked for"
        raise HopgraphError(Diagnostic("exporter-failed", message, notes=(f"they are {listing(names)}",)))
    if names:
        config.hardware_compatibility_level = known[names[0]]
    return [_here(names)]


def _default(dtype: str, known: dict[str, Any]) -> list[str]:
    """None but for fp8: those that can multiply it."""
    return [name for name in known if int(name.removeprefix("SM")) >= FP8] if dtype == "fp8" else []


def _set_capabilities(config: Any, names: list[str], known: dict[str, Any]) -> list[str]:
    if not names:
        return [PORTABLE]
    config.num_compute_capabilities = len(names)
    for index, name in enumerate(names):
        config.set_compute_capability(known[name], index)
    return names


def _here(names: list[str]) -> str:
    """The target by the GPU that is present: AMPERE_PLUS is every GPU from that generation on."""
    if names == ["AMPERE_PLUS"]:
        return PORTABLE
    driver = library()
    assert driver is not None, "TensorRT has no GPU to build on"
    return f"SM{Device(driver).capability}"


def _require_known(names: Sequence[str], known: dict[str, Any]) -> None:
    stranger = next((name for name in names if name not in known), None)
    if stranger is not None:
        notes = (f"the targets that are known are {listing(known)}",)
        message = f"no target is named `{stranger}`"
        raise HopgraphError(Diagnostic("exporter-failed", message, notes=notes, helps=tuple(rename_help(stranger, known))))
