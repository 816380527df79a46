"""What is guaranteed falls at every step that is allowed, and the energy that is traced is the one that a model gives."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from hopgraph.graph.certificate import Verdict

from .energies import energies, hidden_energy, rises
from .measures import apart
from .specs import GUARANTEED, build, random_spec, seeds, slow_states

ALONE = replace(GUARANTEED, groups="one", slow_layers=1)
"""One slow layer, all pulls at once: the update's form and step are all that overrides need to set."""
RESIDUAL = [("residual", step) for step in (0.1, 1.0, 10.0, 100.0, 1000.0)]
DECAY = [("decay", step) for step in (0.1, 0.5, 1.0)]


@pytest.mark.parametrize(("form", "step"), RESIDUAL + DECAY)
@pytest.mark.parametrize("seed", seeds(4, 60))
def test_a_guaranteed_energy_falls_at_every_step_that_is_allowed(seed: int, form: str, step: float) -> None:
    model = build(random_spec(seed, ALONE), seed, {"block.update.form": form, "block.update.step": step})
    assert model.certificate.verdict is Verdict.GUARANTEED
    x = slow_states(model, 50, seed, 3.0)
    trace = energies(model, x, 200)
    assert rises(trace).max() <= 1e-9
    moves = apart(model.update(x), x) > 1e-12  # a sum of chains may be 0
    assert not moves or (trace[0] - trace[3]).max() > 0


@pytest.mark.parametrize("seed", seeds(15, 60))
def test_the_energy_is_its_parts(seed: int) -> None:
    """E_h of the activations, and <x, g> - L of the layers that decay moves."""
    model = build(random_spec(seed, GUARANTEED), seed)
    x, oracle = slow_states(model, 4, seed), model.oracle()
    g = oracle.activations(x, model.ham.block.schedule[0])
    wanted = hidden_energy(oracle, g)
    for name in model.certificate.relaxed:
        product = (x[name] * g[name]).flatten(1).sum(1)
        wanted = wanted + product - oracle.lagrangian(model.ham.block.layer(name), x[name], model.ham.block.schedule[0])
    assert torch.allclose(model.energy(x), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", seeds(10, 60))
def test_the_energy_names_the_layers_that_decay_moves(seed: int) -> None:
    model = build(random_spec(seed, GUARANTEED), seed)
    block, relaxed = model.ham.block, model.certificate.relaxed
    moved = {layer.name for group in block.schedule if group.form == "decay" for layer in block.moved(group)}
    assert set(relaxed) == moved
    whole = len(relaxed) == len(block.moving)
    assert model.certificate.energy == ("E_h" if not relaxed else "E_eff" if whole else f"E_eff of {', '.join(relaxed)}")
