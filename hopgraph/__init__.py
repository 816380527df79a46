"""HopGraph: a compiler for hierarchical associative memories.

    model = hopgraph.compile("paramixer", variant="broken,digits")
    model(images); model.certificate; model.spec

Heavy libraries are imported when they are needed: `import hopgraph` and `hopgraph.load` do not import torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hopgraph.errors import Diagnostic, HopgraphError
from hopgraph.version import __version__

if TYPE_CHECKING:
    from hopgraph.lower.model import Model
    from hopgraph.passes.pipeline import CheckedSpec

__all__ = ["Diagnostic", "HopgraphError", "__version__", "compile", "load"]

Overrides = Mapping[str, Any] | Iterable[str] | None


def load(spec: str | Path, variant: str | Iterable[str] | None = None, overrides: Overrides = None) -> CheckedSpec:
    """Read and check a spec, by path or by shipped name. See :func:`hopgraph.passes.pipeline.load`."""
    from hopgraph.passes.pipeline import load as load_spec

    return load_spec(spec, variant, overrides)


def compile(  # noqa: A001 (the name that users know: hopgraph.compile)
    spec: str | Path | CheckedSpec, variant: str | Iterable[str] | None = None, overrides: Overrides = None
) -> Model:
    """The model of a spec as a torch.nn.Module, its parameters freshly drawn from torch's global generator.

    `spec` is a path, a shipped name, or what :func:`load` gave (then without variant and overrides).
    Raises HopgraphError with every mistake of the spec.
    """
    from hopgraph.lower.model import compile_model
    from hopgraph.passes.pipeline import CheckedSpec

    return compile_model(spec if isinstance(spec, CheckedSpec) else load(spec, variant, overrides))
