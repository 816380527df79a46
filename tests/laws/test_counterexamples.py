"""Each condition of the guarantee is needed: without it alone the energy rises; with it, same weights, same states, it does not."""

from __future__ import annotations

import pytest
import torch

from hopgraph.energy.lagrangians import GELU_MIN_SLOPE
from hopgraph.graph.certificate import Verdict

from .counterexamples import ALONE, BASE, COUNTEREXAMPLES, SELF, SLOW_PAIR, Counterexample, biased, negative, scaled
from .energies import energies, rises
from .specs import build, seeds, slow_states


@pytest.mark.parametrize("example", COUNTEREXAMPLES, ids=lambda example: example.name)
def test_each_condition_of_the_guarantee_is_needed(example: Counterexample) -> None:
    broken = build(BASE, example.seed, {**example.common, **example.drop})
    example.weights(broken)
    assert broken.certificate.verdict is example.verdict
    assert rises(energies(broken, slow_states(broken, 50, example.seed, example.scale), 20)).max() > example.least

    whole = build(BASE, example.seed, example.common)
    example.weights(whole)
    shared = {name: tensor for name, tensor in broken.state_dict().items() if whole.state_dict().get(name, tensor).shape == tensor.shape}
    whole.load_state_dict(shared, strict=False)
    assert whole.certificate.verdict is Verdict.GUARANTEED
    assert rises(energies(whole, slow_states(whole, 50, example.seed, example.scale), 200)).max() <= 1e-9


def test_a_negative_coupling_rises_at_a_small_step_too() -> None:
    model = build(BASE, 0, {"block.synapses.channel": SELF, **SLOW_PAIR, "block.update.step": 0.1})
    negative(model)
    assert rises(energies(model, slow_states(model, 50), 20)).max() > 0.1


def test_the_total_of_two_groups_is_the_energy_of_one() -> None:
    """The splitting counterexample once more, its energy computed by the spec with one group."""
    split = build(BASE, 5, {"block.update.groups": [["token"], ["channel"]], "block.update.step": 0.1})
    scaled("dense.weight", 4.0)(split)
    whole = build(BASE, 0, {"block.update.groups": [["token", "channel"]], "block.update.step": 0.1})
    whole.load_state_dict(split.state_dict())
    x = slow_states(split, 50, 5, 0.3)
    trace = [whole.energy(x)]
    for _ in range(20):
        with torch.no_grad():
            x = split.update(x)
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
    assert rises(energies(model, slow_states(model, 50, seed), 100)).max() <= 1e-9
