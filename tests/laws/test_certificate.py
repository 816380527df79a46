"""What is certified holds along many updates, and each condition that lowers the verdict is needed.

The counterexamples were found by search over seeds; each drops one condition of a spec that is guaranteed, and with the
same weights, from the same states, the energy rises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from hopgraph.energy.lagrangians import GELU_MIN_SLOPE
from hopgraph.errors import At, HopgraphError
from hopgraph.graph.certificate import Reason, Verdict
from hopgraph.lower.model import Model
from hopgraph.passes.pipeline import CheckedSpec, load

from .energies import energies, rises
from .specs import GUARANTEED, build, check, random_spec, seeds, states

RESIDUAL = [("residual", step) for step in (0.1, 1.0, 10.0, 100.0)]
DECAY = [("decay", step) for step in (0.1, 0.5, 1.0)]


@pytest.mark.parametrize(("form", "step"), RESIDUAL + DECAY)
@pytest.mark.parametrize("seed", seeds(5, 60))
def test_a_guaranteed_energy_never_rises(seed: int, form: str, step: float) -> None:
    model = build(random_spec(seed, GUARANTEED), seed, {"block.update.form": form, "block.update.step": step})
    assert model.certificate.verdict is Verdict.GUARANTEED
    trace = energies(model, states(model, 50, seed, 3.0), 200)
    assert rises(trace).max() <= 1e-9
    assert (trace[0] - trace[3]).max() > 0


@pytest.mark.parametrize("seed", range(5))
def test_the_energy_of_a_model_is_the_one_that_is_traced(seed: int) -> None:
    model = build(random_spec(seed, GUARANTEED), seed)
    x = states(model, 4, seed)
    assert torch.allclose(model.energy(x), energies(model, x, 0)[0], rtol=1e-12, atol=1e-12)


# --- each condition is needed ---

BASE = """
hopgraph: 1
name: law
input: {image: [2, 1, 3]}
encoder: [{patch_embed: {size: 1, channels: 4}}]
block:
  axes: {n: 3, c: 4, k: 3, m: 5, q: 3, r: 3, y: 2}
  layers:
    x: {axes: [n, c], lagrangian: {layernorm: {over: [c], gain: scalar, eps: 1e-3}}}
    s: {axes: [k, c], lagrangian: relu, fast: true}
    h: {axes: [n, m], lagrangian: relu, fast: true}
  synapses:
    token: {factors: {s: s, x: {layer: x, through: [{dense: {n: k}}]}}}
    channel: {factors: {h: h, x: {layer: x, through: [{dense: {c: m, bias: true}}]}}}
  update: {form: residual, step: 1.0}
"""
"""Guaranteed; every counterexample drops one of its conditions."""

NORM: dict[str, Any] = {"layernorm": {"over": ["c"], "gain": "scalar", "eps": 1e-3}}
SELF = {"factors": {"left": "x", "right": {"layer": "x", "through": [{"dense": {"c": "c"}}]}}}
ATTENTION = {
    "factors": {
        "weights": "h",
        "query": {"layer": "x", "rename": {"n": "q"}, "through": [{"dense": {"c": "y"}}]},
        "key": {"layer": "x", "rename": {"n": "r"}, "through": [{"dense": {"c": "y"}}]},
    }
}


def scaled(name: str, factor: float) -> Callable[[Model], None]:
    """Multiplies the weights whose names hold `name`."""

    def change(model: Model) -> None:
        with torch.no_grad():
            for full, parameter in model.named_parameters():
                parameter.mul_(factor if name in full else 1.0)

    return change


def biased(model: Model) -> None:
    """Puts the hidden units where gelu's slope is negative."""
    with torch.no_grad():
        model.get_parameter("blocks.0.channel.x.dense.bias").fill_(-1.4)


def negative(model: Model) -> None:
    """Makes the slow layer's coupling with itself -3."""
    with torch.no_grad():
        model.get_parameter("blocks.0.channel.right.dense.weight").copy_(-3 * torch.eye(4))


def unchanged(model: Model) -> None:
    """Leaves the random weights."""


@dataclass(frozen=True)
class Counterexample:
    """A condition dropped by the overrides `drop`, the verdict that it then gets, and states from which the energy rises.

    `common` overrides hold with and without the condition; `least` is a rise that is surpassed.
    """

    name: str
    drop: dict[str, Any]
    verdict: Verdict
    seed: int
    least: float
    common: dict[str, Any] = field(default_factory=dict[str, Any])
    weights: Callable[[Model], None] = unchanged
    scale: float = 1.0


ALONE = {
    "block.layers": {"x": {"axes": ["n", "c"], "lagrangian": "tanh"}, "h": {"axes": ["n", "m"], "lagrangian": "relu", "fast": True}},
    "block.synapses": {"channel": {"factors": {"h": "h", "x": {"layer": "x", "through": [{"dense": {"c": "m", "bias": True}}]}}}},
}
"""One hidden layer, under an elementwise slow activation."""
SLOW_PAIR = {"block.layers": {"x": {"axes": ["n", "c"], "lagrangian": NORM}, "s": {"axes": ["k", "c"], "lagrangian": "relu", "fast": True}}}
COUNTEREXAMPLES = (
    Counterexample(
        "a fast gelu with a large step",
        {"block.layers.h.lagrangian": "gelu"},
        Verdict.SMALL_STEP,
        seed=0,
        least=0.05,
        common={**ALONE, "block.update.step": 30.0},
        weights=biased,
    ),
    Counterexample(
        "a decay step over 1",
        {"block.update.step": 1.5},
        Verdict.SMALL_STEP,
        seed=0,
        least=1.0,
        common={"block.layers.x.lagrangian": "relu", "block.update.form": "decay"},
        weights=scaled("dense.weight", 0.3),
        scale=4.0,
    ),
    Counterexample(
        "a gain along the norm's axis",
        {"block.layers.x.lagrangian": {"layernorm": {"over": ["c"], "gain": "vector", "eps": 1e-6}}},
        Verdict.NONE,
        seed=0,
        least=1e-3,
        common={"block.update.step": 0.1},
    ),
    Counterexample(
        "two groups in turn",
        {"block.update.groups": [["token"], ["channel"]]},
        Verdict.SPLITTING,
        seed=5,
        least=0.01,
        common={"block.update.step": 0.1},
        weights=scaled("dense.weight", 4.0),
        scale=0.3,
    ),
    Counterexample(
        "attention with a large step",
        {
            "block.synapses.channel": ATTENTION,
            "block.layers.h": {"axes": ["q", "r"], "lagrangian": {"softmax": {"over": ["r"]}}, "fast": True},
        },
        Verdict.SMALL_STEP,
        seed=3,
        least=0.5,
        common={"block.layers.x.lagrangian": "tanh", "block.update.step": 10.0},
        weights=scaled("token", 0.1),
    ),
    Counterexample(
        "an indefinite coupling of the slow layer with itself",
        {"block.synapses.channel": SELF, **SLOW_PAIR},
        Verdict.SMALL_STEP,
        seed=1,
        least=1.0,
        common={"block.update.step": 10.0},
    ),
    Counterexample(
        "a slow gelu",
        {"block.layers.x.lagrangian": "gelu"},
        Verdict.NONE,
        seed=4,
        least=1e-3,
        common={"block.update.step": 0.1},
    ),
    Counterexample("own pulls", {"block.symmetry": "own"}, Verdict.NONE, seed=0, least=0.1, common={"block.update.step": 0.1}),
    Counterexample(
        "penalized pulls", {"block.symmetry": {"penalized": 0.1}}, Verdict.NONE, seed=0, least=1e-3, common={"block.update.step": 0.1}
    ),
)


@pytest.mark.parametrize("example", COUNTEREXAMPLES, ids=lambda example: example.name)
def test_each_condition_of_the_guarantee_is_needed(example: Counterexample) -> None:
    broken = build(BASE, example.seed, {**example.common, **example.drop})
    example.weights(broken)
    assert broken.certificate.verdict is example.verdict
    assert rises(energies(broken, states(broken, 50, example.seed, example.scale), 20)).max() > example.least

    whole = build(BASE, example.seed, example.common)
    example.weights(whole)
    shared = {name: tensor for name, tensor in broken.state_dict().items() if whole.state_dict().get(name, tensor).shape == tensor.shape}
    whole.load_state_dict(shared, strict=False)
    assert whole.certificate.verdict is Verdict.GUARANTEED
    assert rises(energies(whole, states(whole, 50, example.seed, example.scale), 20)).max() <= 1e-9


def test_a_negative_coupling_rises_at_a_small_step_too() -> None:
    model = build(BASE, 0, {"block.synapses.channel": SELF, **SLOW_PAIR, "block.update.step": 0.1})
    negative(model)
    assert rises(energies(model, states(model, 50), 20)).max() > 0.1


def test_the_total_of_two_groups_is_the_energy_of_one() -> None:
    """The splitting counterexample once more, its energy computed by the spec with one group."""
    split = build(BASE, 5, {"block.update.groups": [["token"], ["channel"]], "block.update.step": 0.1})
    scaled("dense.weight", 4.0)(split)
    whole = build(BASE, 0, {"block.update.groups": [["token", "channel"]], "block.update.step": 0.1})
    whole.load_state_dict(split.state_dict())
    x = states(split, 50, 5, 0.3)
    trace = [whole.energy(x)]
    for _ in range(20):
        x = split.update(x).detach()
        trace.append(whole.energy(x))
    assert rises(torch.stack(trace).detach()).max() > 0.01


@pytest.mark.parametrize("form", ["residual", "decay"])
@pytest.mark.parametrize("seed", seeds(5, 30))
def test_a_fast_gelu_descends_up_to_its_bound(seed: int, form: str) -> None:
    """M = 0.129 |W|^2: residual for a <= 2 / (M Lip g), decay for a <= 1 / (1 + M Lip g / 2). Lip g = 1 for tanh."""
    drop = {**ALONE, "block.layers.h": {"axes": ["n", "m"], "lagrangian": "gelu", "fast": True}, "block.update.form": form}
    weight = build(BASE, seed, drop).get_parameter("blocks.0.channel.x.dense.weight")
    curvature = -GELU_MIN_SLOPE * float(torch.linalg.svdvals(weight.detach())[0]) ** 2  # pyright: ignore[reportUnknownArgumentType]
    step = 2 / curvature if form == "residual" else 1 / (1 + curvature / 2)
    model = build(BASE, seed, {**drop, "block.update.step": step})
    biased(model)
    assert model.certificate.verdict is Verdict.SMALL_STEP
    assert rises(energies(model, states(model, 50, seed), 100)).max() <= 1e-9


# --- verdicts and their reasons ---


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
