"""Variants and settings: the order in which they are laid over a spec, what they reach, and whose positions they keep."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hopgraph
from hopgraph.energy.options import Real
from hopgraph.errors import At, Findings, HopgraphError, Source
from hopgraph.frontend.load import LoadedSpec, read_spec
from hopgraph.frontend.spec import Block, Spec
from hopgraph.frontend.symmetry import Penalty
from hopgraph.passes.pipeline import load
from tests.small import SPEC as SMALL

SPEC = (
    SMALL
    + """\
variants:
  wide: {dims.C: 16}
  wider: {dims.C: 32, dims.H: 3 * C}
  relu: {block.layers.h.lagrangian: relu}
  nested: {block.layers.h.lagrangian: {tanh: {beta: 2}}, block.layers.h.lagrangian.tanh.beta: 4}
  more:
    block.layers.k: {axes: [n, m], lagrangian: relu, fast: true}
    block.synapses.again: {factors: {k: k, x: {layer: x, through: [{dense: {c: m}}]}}}
  slower: {block.update.step: 0.5}
  two: {block.update.groups: [[channel], {synapses: [], form: decay}]}
  second: {block.update.groups.1.step: 0.25, readout.1.linear: 7}
  empty: {}
"""
)


def block_of(spec: Spec) -> Block:
    """The one block of a spec."""
    assert spec.block is not None
    return spec.block


def loaded(variant: str | list[str] | None = None, overrides: Any = None) -> LoadedSpec:
    return load(Source("spec.yaml", SPEC), variant, overrides).loaded


def errors(variant: str | None = None, overrides: Any = None, spec: str = SPEC) -> list[str]:
    with pytest.raises(HopgraphError) as raised:
        load(Source("spec.yaml", spec), variant, overrides)
    return [f"{diagnostic.code} {diagnostic.at}" for diagnostic in raised.value.diagnostics]


def test_later_variants_are_laid_over_earlier_ones() -> None:
    dims = {variant: loaded(variant).spec.dims for variant in ("wide,wider", "wider,wide", " wide , , wide ")}
    assert {name: str(dim) for name, dim in dims["wide,wider"].items()} == {"C": "32", "H": "3 * C"}
    assert {name: str(dim) for name, dim in dims["wider,wide"].items()} == {"C": "16", "H": "3 * C"}
    assert {name: str(dim) for name, dim in dims[" wide , , wide "].items()} == {"C": "16", "H": "2 * C"}


def test_variants_may_be_given_as_a_list() -> None:
    assert loaded(["wide", "relu"]).variants == loaded("wide,relu").variants == ("wide", "relu")
    assert loaded("empty").spec == loaded().spec


def test_settings_are_laid_over_variants_and_each_other() -> None:
    assert str(loaded("wide", ["dims.C=24", "dims.C=40"]).spec.dims["C"]) == "40"
    assert loaded("wide", ["dims.C=24", "dims.C=40"]).settings == ("dims.C=24", "dims.C=40")


def test_a_value_replaces_all_that_was_there() -> None:
    lagrangian = block_of(loaded("relu").spec).layers["h"].lagrangian
    assert lagrangian.kind == "relu"
    assert block_of(loaded("nested").spec).layers["h"].lagrangian.options.model_dump() == {"beta": {"text": "4", "least": 0.0}}


def test_a_variant_adds_layers_and_synapses() -> None:
    block = block_of(loaded("more").spec)
    assert list(block.layers) == ["x", "h", "k"]
    assert list(block.synapses) == ["channel", "again"]


def test_a_field_that_is_not_written_out_is_reached_all_the_same() -> None:
    assert "update" not in SPEC.split("variants")[0]
    assert block_of(loaded("slower").spec).update.step.fixed == Real("0.5", 0.0)
    assert block_of(loaded(None, ["block.update.form=decay"]).spec).update.form == "decay"
    assert block_of(loaded(None, ["block.depth=2"]).spec).depth.text == "2"
    assert block_of(loaded(None, ["block.synapses.channel.symmetry.x=own"]).spec).synapses["channel"].symmetry is not None
    assert (
        block_of(loaded(None, ["block.layers.x.lagrangian.layernorm.eps=1e-3"]).spec).layers["x"].lagrangian.options.model_dump()["eps"]
        == 1e-3
    )


def test_entries_of_lists_are_reached_by_number() -> None:
    spec = loaded("two,second").spec
    groups = block_of(spec).update.groups
    assert groups is not None
    assert groups[1].step == block_of(loaded(None, ["block.update.step=0.25"]).spec).update.step
    assert loaded("two,second").spec.readout[1].options == loaded(None, ["readout.1.linear=7"]).spec.readout[1].options
    assert load(Source("spec.yaml", SPEC), None, ["readout.1.linear=5"]).ham.output == {"classes": 5}


def test_settings_from_python() -> None:
    given = {"dims.C": 24, "block.update.step": 1e-5, "block.symmetry": {"penalized": 0.5}, "block.layers.h.fast": True, "cite": "é"}
    spec = loaded(None, given).spec
    assert str(spec.dims["C"]) == "24"
    assert block_of(spec).update.step.fixed == Real("1e-05", 0.0)
    assert block_of(spec).symmetry.penalty == Penalty(constant=0.5)
    assert spec.cite == "é"
    assert loaded(None, "dims.C=24").spec.dims == spec.dims


@given(
    st.dictionaries(st.sampled_from(["block.update.step", "cite", "block.depth"]), st.integers(1, 9) | st.text(max_size=5) | st.floats())
)
def test_settings_from_python_are_those_of_the_command_line(given: dict[str, Any]) -> None:
    texts = [f"{path}={json.dumps(value, ensure_ascii=False)}" for path, value in given.items()]

    def outcome(overrides: Any) -> Any:
        findings = Findings()
        found = read_spec(Source("spec.yaml", SPEC), None, overrides, findings)
        return found and found.settings, findings.found

    assert outcome(given) == outcome(texts)


# --- positions ----------------------------------------------------------------------------------------------------------


def test_a_value_keeps_the_place_that_it_came_from() -> None:
    wide = loaded("wide")
    assert str(wide.locate(At(("dims", "C")))) == "spec.yaml:15:18"
    assert str(wide.locate(At(("dims", "C"), key=True))) == "spec.yaml:15:10"
    assert str(wide.locate(At(("dims", "H")))) == "spec.yaml:3:17"
    nested = loaded("nested")
    assert str(nested.locate(At(("block", "layers", "h", "lagrangian", "tanh", "beta")))) == "spec.yaml:18:95"
    setting = loaded("wide", ["dims.C=24"])
    assert str(setting.locate(At(("dims", "C")))) == "--set:1:8"
    assert setting.locate(At(("dims", "C"))).source.text == "dims.C=24"


def test_a_mistake_in_an_overlay_is_shown_in_the_overlay() -> None:
    spec = SPEC.replace("wide: {dims.C: 16}", "wide: {dims.C: 16.5}").replace("relu: {block", "relu: {block.layer.x: 1, block")
    assert errors("wide", None, spec) == ["bad-value spec.yaml:15:18"]
    assert errors("relu", None, spec) == ["overlay-path spec.yaml:17:10"]
    assert errors(None, ["dims.C=8 +"]) == ["dim-syntax --set:1:10"]
    assert errors(None, ["block.layers.h.lagrangian=gleu"]) == ["unknown-field --set:1:27"]
    assert errors(None, ["block.layers.h={axes: [n, z], lagrangian: gelu, fast: true}"]) == ["axis-unknown --set:1:27"]


def test_a_mistake_that_a_variant_replaces_is_none() -> None:
    spec = SPEC.replace("lagrangian: gelu", "lagrangian: gleu")
    assert load(Source("spec.yaml", spec), "relu").ham.block.layer("h").lagrangian == "relu"
    assert errors(None, None, spec) == ["unknown-field spec.yaml:10:35"]


def test_mistakes_of_several_overlays_come_at_once() -> None:
    found = errors("wide,nothing", ["dims.c=1", "block.depth=0", "nonsense", "block.update.form=[1"])
    assert sorted(found) == [
        "dim-value --set:1:13",
        "overlay-path --set:1:1",
        "overlay-path --set:1:1",
        "variant-unknown spec.yaml:14:1",
        "yaml-syntax --set:1:19",
    ]


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ("", "overlay-path"),
        ("=5", "overlay-path"),
        ("dims.C", "overlay-path"),
        ("dims.c=5", "overlay-path"),  # a new dim that nothing reads: a slip for C
        ("dims..C=5", "overlay-path"),
        (".=5", "overlay-path"),
        ("dims.C.x=5", "overlay-path"),
        ("block.layer.x.fast=true", "overlay-path"),
        ("block.layers.z.fast=true", "overlay-path"),
        ("block.update.groups.0=[channel]", "overlay-path"),
        ("encoder.1.mean=n", "overlay-path"),
        ("encoder.-1=n", "overlay-path"),
        ("encoder.x=n", "overlay-path"),
        ("block.layers.h.lagrangian.beta=2", "overlay-path"),
        ("encoder.99999999999999999999=n", "overlay-path"),
        ("blok.depth=2", "overlay-path"),
        ("block.dept=2", "unknown-field"),
        ("depth=2", "unknown-field"),
        ("block.layers.h.lagrangian={tanh: {beta: 0}}", "bad-value"),
        ("dims.C=", "bad-value"),
        ("dims.C=8.5", "bad-value"),
        ("dims.C=*x", "yaml-syntax"),
        ("dims.C=!!python/name:os.system x", "yaml-tag"),
        ("hopgraph=2", "version"),
    ],
)
def test_a_setting_that_reaches_nothing_is_refused(setting: str, code: str) -> None:
    assert {error.split()[0] for error in errors(None, [setting])} == {code}


def test_variants_of_the_shipped_specs_load(tmp_path: Path) -> None:
    checked = hopgraph.load("paramixer")
    for variant in checked.variant_names:
        assert hopgraph.load("paramixer", variant).loaded.variants == (variant,)
    path = tmp_path / "own.yaml"
    path.write_text(SPEC, encoding="utf-8")
    assert hopgraph.load(path, "wide").ham.dims == hopgraph.load(str(path), overrides={"dims.C": 16}).ham.dims
