"""The verdicts of specs, with their reasons and the places in the text that caused them."""

from __future__ import annotations

import pytest

from hopgraph.errors import At, HopgraphError
from hopgraph.graph.certificate import Reason, Verdict
from hopgraph.passes.pipeline import CheckedSpec, load

from .counterexamples import BASE
from .specs import build, check, random_spec, seeds, states


def texts(spec: CheckedSpec) -> list[str]:
    """The text of the spec that each reason points to."""
    found: list[str] = []
    for reason in spec.certificate.reasons:
        span = spec.loaded.locate(At(reason.at))
        start = span.column - 1
        found.append(span.source.line(span.line)[start : start + span.length])
    return found


GELU = ["gelu", "gelu"]
VARIANTS: tuple[tuple[str, Verdict, list[str]], ...] = (
    ("", Verdict.SMALL_STEP, GELU),
    ("symmetric", Verdict.SMALL_STEP, GELU),
    ("relu", Verdict.GUARANTEED, []),
    ("asymmetric", Verdict.NONE, ["{penalized: 1.0e-3}"] * 2 + GELU),
    ("broken", Verdict.NONE, ["own"] * 2 + GELU),
    ("vanilla", Verdict.NONE, ["own"] * 2 + GELU + ["{synapses: [channel], norm: {x: own}}", "{x: own}"]),
    ("relu,broken", Verdict.NONE, ["own"] * 2),
)


@pytest.mark.parametrize(("variant", "verdict", "places"), VARIANTS, ids=[variant or "default" for variant, _, _ in VARIANTS])
def test_the_variants_of_the_paramixer_have_their_verdicts_with_places(variant: str, verdict: Verdict, places: list[str]) -> None:
    spec = load("paramixer", variant)
    assert spec.certificate.verdict is verdict
    assert texts(spec) == places


PLACED: tuple[tuple[str, dict[str, str], Verdict, str], ...] = (
    ("gain", {"gain: scalar": "gain: vector"}, Verdict.NONE, "vector"),
    ("slow", {"{layernorm: {over: [c], gain: scalar, eps: 1e-3}}": "gelu"}, Verdict.NONE, "gelu"),
    ("fast", {"h: {axes: [n, m], lagrangian: relu": "h: {axes: [n, m], lagrangian: gelu"}, Verdict.SMALL_STEP, "gelu"),
    ("pull", {"channel: {": "channel: {symmetry: {x: own}, "}, Verdict.NONE, "own"),
    ("whole", {"channel: {": "channel: {symmetry: {penalized: 0.5}, "}, Verdict.NONE, "{penalized: 0.5}"),
    ("step", {"form: residual, step: 1.0": "form: decay, step: 1.25"}, Verdict.SMALL_STEP, "1.25"),
    (
        "step of the only group",
        {"form: residual, step: 1.0": "form: decay, groups: [{synapses: [token, channel], step: 1.5}]"},
        Verdict.SMALL_STEP,
        "1.5",
    ),
    (
        "self",
        {"{factors: {h: h, x: {layer: x, through: [{dense: {c: m, bias: true}}]}}}": "{factors: {a: x, b: x}}", "    h: ": "    #"},
        Verdict.SMALL_STEP,
        "{factors: {a: x, b: x}}",
    ),
)


@pytest.mark.parametrize(("changes", "verdict", "place"), [case[1:] for case in PLACED], ids=[case[0] for case in PLACED])
def test_a_reason_points_to_the_text_that_caused_it(changes: dict[str, str], verdict: Verdict, place: str) -> None:
    text = BASE
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    spec = check(text)
    assert spec.certificate.verdict is verdict
    assert set(texts(spec)) == {place}


@pytest.mark.parametrize(
    ("changes", "places"),
    [
        ("{form: decay, step: 1.5, groups: [[token], {synapses: [channel], step: 0.5}]}", {"{synapses: [channel], step: 0.5}", "1.5"}),
        ("{form: decay, step: 0.5, groups: [[token], {synapses: [channel], step: 1.5}]}", {"{synapses: [channel], step: 1.5}", "1.5"}),
    ],
)
def test_of_several_groups_the_step_that_is_too_large_is_named(changes: str, places: set[str]) -> None:
    spec = check(BASE.replace("{form: residual, step: 1.0}", changes))
    assert spec.certificate.verdict is Verdict.SPLITTING
    assert set(texts(spec)) == places


def test_without_a_bound_on_the_slow_slope_only_continuous_time_is_claimed() -> None:
    """Every other part of the verdict is tested by a run; no finite step can show what this one claims."""
    spec = check(BASE, {"block.layers.h.lagrangian": "gelu", "block.layers.x.lagrangian": {"repu": {"n": 3}}})
    assert spec.certificate.verdict is Verdict.CONTINUOUS_TIME


@pytest.mark.parametrize("seed", seeds(40, 200))
def test_every_reason_has_a_place_in_the_text(seed: int) -> None:
    spec = check(random_spec(seed))
    reasons: tuple[Reason, ...] = spec.certificate.reasons
    assert bool(reasons) == (spec.certificate.verdict is not Verdict.GUARANTEED)
    whole = spec.loaded.locate(At(()))
    assert all(spec.loaded.locate(At(reason.at)) != whole for reason in reasons)


def test_an_energy_is_given_where_there_is_one_and_refused_with_every_reason_where_not() -> None:
    one_group = "{groups: [{synapses: [token, channel], norm: {x: own}}]}"
    single = build(BASE.replace("{form: residual, step: 1.0}", one_group))
    assert single.certificate.verdict is Verdict.GUARANTEED
    x = states(single, 50)
    assert (single.energy(single.update(x)) < single.energy(x)).all()
    two = build(BASE.replace("{form: residual, step: 1.0}", "{groups: [[token], {synapses: [channel], norm: {x: own}}]}"))
    with pytest.raises(HopgraphError, match="its own norm in a group"):
        two.energy(states(two))


def test_notes_say_what_holds_in_evaluation_alone_and_lower_nothing() -> None:
    normed = BASE.replace("through: [{dense: {n: k}}]", "through: [{batch_norm: {per: c}}, {dense: {n: k}}]")
    spec = check(normed, {"block.update.drop": 0.1})
    assert spec.certificate.verdict is Verdict.GUARANTEED
    assert spec.certificate.reasons == ()
    assert [note.text.partition(":")[0] for note in spec.certificate.notes] == [
        "batch norm is affine in evaluation only",
        "stochastic depth acts in training only",
    ]


STAGE = """
  - block:
      axes: {n: 3, c: 4, m: 5}
      layers:
        x: {axes: [n, c], lagrangian: tanh}
        h: {axes: [n, m], lagrangian: LAGRANGIAN, fast: true}
      synapses: {channel: {factors: {h: h, x: {layer: x, through: [{dense: {c: m}}]}}}}
"""


def test_each_stage_has_a_certificate_and_the_weakest_is_the_models() -> None:
    stages = "".join(STAGE.replace("LAGRANGIAN", kind) for kind in ("relu", "gelu", "tanh"))
    spec = check(f"hopgraph: 1\nname: law\ninput: {{tensor: {{n: 3, c: 4}}}}\nstages:{stages}")
    assert [certificate.verdict for certificate in spec.certificates] == [Verdict.GUARANTEED, Verdict.SMALL_STEP, Verdict.GUARANTEED]
    assert spec.certificate is spec.certificates[1]
