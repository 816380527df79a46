"""The sections in the order of their worth: what they need, what they run, and the seconds that each wants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

ALWAYS = ("torch", "numpy", "yaml", "pydantic", "safetensors")
TRAINS = (*ALWAYS, "lightning_fabric", "PIL")


@dataclass(frozen=True)
class Section:
    """`module` has a function `rows` from a Setting to rows; `needs` are packages."""

    name: str
    needs: Sequence[str]
    seconds: float

    @property
    def module(self) -> str:
        """Where it is written."""
        return f"benchmarks.gpu.{self.name}"

    @property
    def missing(self) -> str | None:
        """Why it cannot run here, none where it can."""
        absent = [name for name in self.needs if find_spec(name) is None]
        return f"not installed: {', '.join(absent)}" if absent else None


SECTIONS = (
    Section("machine", ("torch",), 30),
    Section("suite", (*TRAINS, "pytest", "hypothesis"), 70),
    Section("training", TRAINS, 165),
    Section("passes", ALWAYS, 45),
    Section("descent", ALWAYS, 30),
    Section("limits", ("torch", "numpy"), 20),
    Section("kernels", ALWAYS, 45),
    Section("bundles", (*TRAINS, "onnx", "onnx_ir"), 65),
    Section("halves", (*TRAINS, "onnx", "onnx_ir", "onnxruntime"), 30),
    Section("cifar", TRAINS, 40),
)
