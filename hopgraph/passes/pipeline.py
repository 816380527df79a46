"""The passes, in order, and the drivers that run them. One more pass is one more file and one more entry here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hopgraph.errors import Diagnostic, Findings, HopgraphError, Source
from hopgraph.frontend.library import read
from hopgraph.frontend.load import LoadedSpec, read_spec
from hopgraph.frontend.repair import independent
from hopgraph.graph.certificate import Certificate, certify
from hopgraph.graph.ham import Ham
from hopgraph.passes import apply_symmetry, infer_axes, order_fast, resolve_dims, schedule_groups, unroll
from hopgraph.passes.base import Pass
from hopgraph.program.program import Program

PASSES: tuple[Pass[Any, Any], ...] = (
    resolve_dims.PASS,
    infer_axes.PASS,
    apply_symmetry.PASS,
    order_fast.PASS,
    schedule_groups.PASS,
    unroll.PASS,
)
"""Spec -> graph (the first), graph -> graph, graph -> program (the last)."""


@dataclass(frozen=True)
class CheckedSpec:
    """A spec that the whole front of the compiler accepts: its graph, its program and its certificate."""

    loaded: LoadedSpec
    ham: Ham
    program: Program
    certificate: Certificate

    @property
    def name(self) -> str:
        """The spec's name."""
        return self.ham.name

    @property
    def variant_names(self) -> list[str]:
        """All variants that the file declares."""
        return self.loaded.variant_names


def load(
    spec: str | Path | Source, variant: str | Iterable[str] | None = None, overrides: Mapping[str, Any] | Iterable[str] | None = None
) -> CheckedSpec:
    """Read, validate and check a spec.

    `spec` is a path, the name of a shipped spec, or a Source; `variant` is one name, several joined by commas, or a list;
    `overrides` is `{"dims.C": 256}` or a list of `"dims.C=256"`. Later ones are laid over earlier ones.

    Raises HopgraphError with every mistake that the text has.
    """
    findings = Findings()
    loaded = read_spec(spec if isinstance(spec, Source) else read(spec), variant, overrides, findings)
    stages = run_passes(loaded, findings)
    assert loaded is not None
    ham, program = stages[schedule_groups.PASS.name], stages[unroll.PASS.name]
    return CheckedSpec(loaded, ham, program, certify(ham))


def run_passes(loaded: LoadedSpec | None, findings: Findings) -> dict[str, Any]:
    """Every stage by the name of the pass that made it. Raises HopgraphError with all findings, in the text's order."""
    stages: dict[str, Any] = {}
    if loaded is not None:
        stage: Any = loaded.spec
        for item in PASSES:
            if item is unroll.PASS and findings.found:
                break
            stages[item.name] = stage = item(stage, findings)
        findings.found = [diagnostic.located(loaded) for diagnostic in independent(findings.found, loaded.broken)]
    findings.raise_if_any()
    return stages


def stage_after(
    name: str, spec: str | Path, variant: str | Iterable[str] | None = None, overrides: Mapping[str, Any] | Iterable[str] | None = None
) -> Ham | Program:
    """The graph or program after the pass `name`. Raises HopgraphError, for an unknown pass too."""
    names = [item.name for item in PASSES]
    if name not in names:
        raise HopgraphError(Diagnostic("pass-unknown", f"no pass is named `{name}`", notes=(f"the passes are {', '.join(names)}",)))
    findings = Findings()
    loaded = read_spec(read(spec), variant, overrides, findings)
    return run_passes(loaded, findings)[name]
