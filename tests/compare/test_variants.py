"""What is compared: a sweep's values laid over the base, and variants at equal parameters."""

from __future__ import annotations

from pathlib import Path

import pytest

from hopgraph.bench.variants import Wanted, ends, folder_name, members, read_sweep
from hopgraph.errors import HopgraphError

STAGES = (Path(__file__).parents[1] / "golden" / "diagnostics" / "iso-params-stages.yaml").read_text("utf-8")
SETTINGS = ("dims.C=8", "dims.depth=1")
LAMBDAS = "block.symmetry.penalized=0,1e-4,1"


def wanted(
    *names: str, variant: str | None = "digits", sweep: str | None = None, iso: str | None = None, by: tuple[str, ...] = ()
) -> Wanted:
    return Wanted("paramixer", variant, SETTINGS, names, read_sweep(sweep) if sweep else None, iso, by)


@pytest.mark.parametrize("variant", ["digits", "digits,asymmetric", "digits,broken"])
def test_each_value_of_a_sweep_is_a_variant(variant: str) -> None:
    found = members(wanted("symmetric", variant=variant, sweep=LAMBDAS))
    assert list(found) == ["symmetric", "penalized=0", "penalized=1e-4", "penalized=1"]
    kinds = {
        label: {(pull.symmetry, pull.penalty.start if pull.penalty else None) for s in spec.ham.block.synapses for pull in s.pulls}
        for label, spec in found.items()
    }
    for label, value in (("penalized=0", 0.0), ("penalized=1e-4", 1e-4), ("penalized=1", 1.0)):
        assert ("penalized", value) in kinds[label]


def test_the_ends_of_a_sweep_are_found_among_the_variants() -> None:
    request = wanted("symmetric", "broken", "vanilla", "asymmetric", sweep=LAMBDAS)
    assert request.sweep is not None
    assert request.sweep.of_lambda
    assert ends(request.sweep, members(request)) == {"symmetric": "tied", "broken": "own"}


def test_a_sweep_of_something_else_has_no_ends() -> None:
    request = wanted("symmetric", sweep="dims.depth=1,2")
    assert request.sweep is not None
    found = members(request)
    assert [spec.ham.block.depth for spec in found.values()] == [1, 1, 2]
    assert ends(request.sweep, found) == {}


def test_a_sweep_reaches_every_stage(tmp_path: Path) -> None:
    text = STAGES.replace("iso_params: {match: own, by: [side]}\n", "")
    (tmp_path / "spec.yaml").write_text(text)
    sweep = read_sweep("stages.*.block.symmetry.penalized=0,1e-3")
    found = members(Wanted(str(tmp_path / "spec.yaml"), None, (), (), sweep))
    kinds = [{pull.symmetry for s in stage.block.synapses for pull in s.pulls} for stage in found["penalized=1e-3"].ham.stages]
    assert len(kinds) > 1
    assert all("penalized" in kind for kind in kinds)


def test_a_sweep_without_effect_is_a_diagnostic() -> None:
    request = Wanted("poolformer", "digits", (), (), read_sweep("stages.*.block.symmetry.penalized=0,1e-3"))
    with pytest.raises(HopgraphError, match="give the same model"):
        members(request)


def test_values_may_have_commas_inside_brackets() -> None:
    sweep = read_sweep("block.symmetry.penalized={from: 1e-2, to: 0},1e-3")
    assert sweep.values == ("{from: 1e-2, to: 0}", "1e-3")
    assert sweep.numbers is None
    assert len({folder_name(label) for label in sweep.labels}) == 2


@pytest.mark.parametrize("text", ["block.symmetry.penalized", "=1,2", "dims.C=", "dims.C=1,,2"])
def test_a_sweep_that_is_none_is_a_diagnostic(text: str) -> None:
    with pytest.raises(HopgraphError, match="a sweep is written"):
        read_sweep(text)


def test_a_value_stands_once() -> None:
    with pytest.raises(HopgraphError, match="`1` stands twice"):
        read_sweep("dims.C=1,2,1")


def test_a_value_that_does_not_fit_is_a_diagnostic() -> None:
    with pytest.raises(HopgraphError, match="bad-value"):
        members(wanted(sweep="block.symmetry.penalized=-1"))


def test_variants_at_equal_parameters_are_further_rows() -> None:
    found = members(wanted("symmetric", "broken", sweep=LAMBDAS, iso="broken", by=("Ns", "Nc")))
    assert list(found) == ["symmetric", "broken", "penalized=0", "penalized=1e-4", "penalized=1", "symmetric (iso)"]
    assert found["symmetric (iso)"].parameter_count == found["broken"].parameter_count > found["symmetric"].parameter_count
    assert folder_name("symmetric (iso)") == "symmetric-iso"


def test_the_dims_to_scale_must_be_named() -> None:
    with pytest.raises(HopgraphError, match="--iso-by"):
        members(wanted("symmetric", "broken", iso="broken"))
    with pytest.raises(HopgraphError, match="no dim is named `Nx`"):
        members(wanted("symmetric", "broken", iso="broken", by=("Nx",)))
    with pytest.raises(HopgraphError, match="no variant or symmetry is named `borken`"):
        members(wanted("symmetric", "broken", iso="borken", by=("Ns",)))


def test_the_spec_as_it_is_and_several_variants_at_once() -> None:
    found = members(Wanted("masked_mixer", "text", (), ("default", "transformer+positions"), None, "transformer+positions", ("C",)))
    assert list(found) == ["default", "transformer+positions", "default (iso)"]
    assert found["default"].loaded.variants == ("text",)
    assert found["transformer+positions"].loaded.variants == ("transformer", "positions", "text")
    counts = {label: spec.parameter_count for label, spec in found.items()}
    assert counts["default"] < counts["default (iso)"]
    assert counts["default (iso)"] == pytest.approx(counts["transformer+positions"], rel=0.05)


def test_an_unknown_one_of_several_variants_is_named() -> None:
    with pytest.raises(HopgraphError, match=r"variant-unknown.*positon"):
        members(Wanted("masked_mixer", "text", (), ("transformer+positon",)))
    with pytest.raises(HopgraphError, match=r"iso-params.*no variant or symmetry is named `positon`"):
        members(Wanted("masked_mixer", "text", (), ("default",), None, "transformer+positon", ("C",)))
