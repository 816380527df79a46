"""The passes, in order, and the drivers that run them. One more pass is one more file and one more entry here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from hopgraph.errors import Diagnostic, Findings, HopgraphError, Source
from hopgraph.frontend.library import read
from hopgraph.frontend.load import LoadedSpec, read_spec
from hopgraph.frontend.repair import independent
from hopgraph.graph.certificate import Certificate, certify, weakest
from hopgraph.graph.ham import Ham
from hopgraph.passes import (
    apply_symmetry,
    check_causality,
    fold,
    fuse_attention,
    fuse_biases,
    fuse_norms,
    fuse_synapses,
    infer_axes,
    order_fast,
    resolve_dims,
    schedule_groups,
    share,
    unroll,
)
from hopgraph.passes.base import Pass
from hopgraph.passes.iso_params import Iso, match_parameters
from hopgraph.program.program import Program

GRAPH_PASSES: tuple[Pass[Any, Ham], ...] = (
    resolve_dims.PASS,
    infer_axes.PASS,
    apply_symmetry.PASS,
    check_causality.PASS,
    order_fast.PASS,
    schedule_groups.PASS,
    fold.PASS,
)
"""Spec -> graph (the first), and graph -> graph."""
PROGRAM_PASSES: tuple[Pass[Program, Program], ...] = (
    share.PASS,
    fuse_norms.PASS,
    fuse_attention.PASS,
    fuse_biases.PASS,
    fuse_synapses.PASS,
)
"""Program -> program: the same numbers up to rounding, in less time. Each can be left out."""
PASSES: tuple[Pass[Any, Any], ...] = (*GRAPH_PASSES, unroll.PASS, *PROGRAM_PASSES)
"""All of them, with graph -> program in between."""
UNASKED = (fuse_synapses.PASS.name,)
"""Passes over the program that are left out unless they are asked for, by a recipe's `kernels` or `CheckedSpec.with_kernels`."""
# The speed of its kernel was not measured yet; and its operator is registered by this package, so that a standalone module, whose only
# import is torch, could not call it.


def optimized(program: Program, without: Iterable[str] = ()) -> Program:
    """A program after the passes over programs, but for those that are left out."""
    for item in PROGRAM_PASSES:
        program = program if item.name in without else item(program, Findings())
    return program


@dataclass(frozen=True)
class CheckedSpec:
    """A spec that the whole front of the compiler accepts: its graph, its certificates, and its program, written when it is asked for."""

    loaded: LoadedSpec
    ham: Ham
    parameter_count: int
    certificates: tuple[Certificate, ...]
    """One for the block of each stage."""
    iso: Iso | None = None
    """What `iso_params` did."""
    without: tuple[str, ...] = UNASKED
    """The names of passes over the program that are left out: to see what they are good for, or since nobody asked for them."""

    @cached_property
    def program(self) -> Program:
        """The program of the whole model."""
        return optimized(unroll.PASS(self.ham, Findings()), self.without)

    @property
    def with_kernels(self) -> CheckedSpec:
        """The same with the passes that must be asked for: the same parameters and numbers, by kernels of our own."""
        return replace(self, without=tuple(name for name in self.without if name not in UNASKED))

    @property
    def certificate(self) -> Certificate:
        """The weakest of the certificates."""
        return weakest(self.certificates)

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
    loaded, iso = _read(spec, variant, overrides, findings)
    ham, count = _scheduled(loaded, findings)
    assert loaded is not None
    return CheckedSpec(loaded, ham, count, tuple(certify(stage.block) for stage in ham.stages), iso)


def _read(
    spec: str | Path | Source, variant: str | Iterable[str] | None, overrides: Mapping[str, Any] | Iterable[str] | None, findings: Findings
) -> tuple[LoadedSpec | None, Iso | None]:
    """A spec with variants and settings laid over it, and its dims scaled where it says so."""
    loaded = read_spec(spec if isinstance(spec, Source) else read(spec), variant, overrides, findings)
    if loaded is None or loaded.spec.iso_params is None or findings.found:
        return loaded, None
    return _matched(loaded, findings)


def _scheduled(loaded: LoadedSpec | None, findings: Findings) -> tuple[Ham, int]:
    """The graph that is ready to be unrolled, and how many parameters it has. Raises HopgraphError with all findings."""
    ham: Ham = run_passes(loaded, findings, GRAPH_PASSES)[fold.PASS.name]
    assert loaded is not None
    count = unroll.parameter_count(ham, findings)
    findings.found = [diagnostic.located(loaded) for diagnostic in findings.found]
    findings.raise_if_any()
    return ham, count


def _matched(loaded: LoadedSpec, findings: Findings) -> tuple[LoadedSpec, Iso]:
    """The spec with its dims scaled to the parameters of another, neither folded: folding keeps the dims. Raises HopgraphError."""

    def measure(given: LoadedSpec) -> tuple[Ham, int]:
        return _scheduled(replace(given, spec=given.spec.model_copy(update={"fold": False})), Findings())

    found = match_parameters(loaded, measure, findings)
    findings.found = [diagnostic.located(loaded) for diagnostic in findings.found]
    findings.raise_if_any()
    assert found is not None
    return found


def run_passes(loaded: LoadedSpec | None, findings: Findings, passes: tuple[Pass[Any, Any], ...] = PASSES) -> dict[str, Any]:
    """Every stage by the name of the pass that made it. Raises HopgraphError with all findings, in the text's order."""
    stages: dict[str, Any] = {}
    if loaded is not None:
        stage: Any = loaded.spec
        for item in passes:
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
    loaded, _ = _read(spec, variant, overrides, findings)
    return run_passes(loaded, findings)[name]
