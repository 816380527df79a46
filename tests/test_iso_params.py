"""iso_params: dims scaled to an equal number of parameters, counted without writing every depth out."""

from pathlib import Path

import pytest

from hopgraph.errors import Findings, Source
from hopgraph.passes.pipeline import CheckedSpec, load
from hopgraph.passes.unroll import parameter_count
from tests.small import SPEC

CONSTRUCTS = sorted((Path(__file__).parent / "constructs").glob("*.yaml"))
STAGES = (Path(__file__).parent / "golden" / "diagnostics" / "iso-params-stages.yaml").read_text("utf-8")


def iso(text: str, wish: str, variant: str | None = None) -> CheckedSpec:
    """A spec with iso_params laid over it."""
    return load(Source("spec.yaml", text), variant, [f"iso_params={wish}"])


@pytest.mark.parametrize("path", CONSTRUCTS, ids=lambda path: path.stem)
@pytest.mark.parametrize("depth", [None, 3])
def test_parameters_are_counted_as_the_program_has_them(path: Path, depth: int | None) -> None:
    text = path.read_text("utf-8")
    block = "stages.0.block" if "stages:" in text else "block"
    spec = load(Source(path.name, text), None, [f"{block}.depth={depth}"] if depth else None)
    findings = Findings()
    assert parameter_count(spec.ham, findings) == spec.program.parameter_count
    assert findings.found == []


@pytest.mark.parametrize("match", ["own", "wide"])
def test_the_dims_are_scaled_to_an_equal_count(match: str) -> None:
    spec = iso(SPEC + "variants: {wide: {dims.H: 40}}\n", f"{{match: {match}, by: [H]}}")
    assert spec.iso is not None
    assert spec.iso.parameters == spec.program.parameter_count
    assert abs(spec.iso.parameters - spec.iso.wanted) <= spec.iso.wanted / 10
    assert spec.iso.after == {"H": spec.ham.dims["H"]}
    assert spec.ham.dims["H"] > 16


def test_a_symmetry_is_that_of_every_stage() -> None:
    text = STAGES.replace("by: [side]", "by: [M]").replace("m: 2 * C", "m: M").replace("dims: {C: 6,", "dims: {M: 12, C: 6,")
    spec = load(Source("spec.yaml", text))
    assert spec.iso is not None
    assert spec.ham.dims["M"] > 12


def test_a_spec_that_has_the_parameters_already_stays() -> None:
    spec = iso(SPEC, "{match: tied, by: [H]}")
    assert spec.iso is not None
    assert spec.iso.before == spec.iso.after
    assert str(spec.iso).endswith("(+0.00%)")


def test_a_model_without_parameters_matches_itself() -> None:
    text = (
        "hopgraph: 1\nname: none\ndims: {N: 4}\ninput: {tensor: {n: N}}\nblock:\n  axes: {n: N}\n"
        "  layers: {x: {axes: n, lagrangian: tanh}, h: {axes: n, lagrangian: relu, fast: true}}\n"
        "  synapses: {s: {factors: {x: x, h: h}}}\n"
    )
    spec = iso(text, "{match: own, by: [N]}")
    assert spec.iso is not None
    assert str(spec.iso) == "N 4 -> 4; 0 parameters against 0 of `own` (+0.00%)"
