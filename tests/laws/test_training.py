"""In training: stochastic depth keeps the mean, batch norm follows its batches, and neither touches evaluation."""

from __future__ import annotations

import pytest
import torch

from hopgraph.errors import Source
from hopgraph.lower.model import compile_model
from hopgraph.passes.pipeline import load

from .counterexamples import BASE
from .specs import build, images, relative, states

DRAWS = 4000
NORMED = {
    "block.synapses.channel": {
        "factors": {"h": "h", "x": {"layer": "x", "through": [{"batch_norm": {"per": "c", "momentum": 0.2}}, {"dense": {"c": "m"}}]}}
    }
}


@pytest.mark.parametrize("per", ["group", "pull"])
@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_stochastic_depth_keeps_the_mean(rate: float, per: str) -> None:
    """Within five deviations of the mean of DRAWS draws."""
    model = build(BASE, 0, {"block.update.drop": {"rate": rate, "per": per}})
    x = states(model, 1)
    still = model.update(x) - x
    model.train()
    torch.manual_seed(0)
    moved = (model.update(x.expand(DRAWS, *x.shape[1:])) - x).detach()
    error = (moved.mean(0) - still[0]).abs() / (moved.std(0) / DRAWS**0.5)
    assert moved.std(0).min() > 0
    assert error.max() < 5


@pytest.mark.parametrize("per", ["group", "pull"])
def test_what_is_left_out_is_left_out_at_its_rate(per: str) -> None:
    model = build(BASE, 0, {"block.update.drop": {"rate": 0.3, "per": per}}).train()
    x = states(model, 1)
    torch.manual_seed(0)
    moved = model.update(x.expand(DRAWS, *x.shape[1:])) - x
    none = (moved == 0).flatten(1).all(1).double().mean().item()
    assert none == pytest.approx(0.3 if per == "group" else 0.09, abs=0.03)


def test_a_linear_schedule_goes_from_nothing_to_the_whole_rate() -> None:
    overrides = {"block.depth": 3, "block.update.drop": {"rate": 0.4, "schedule": "linear"}}
    model = build(BASE, 0, overrides).train()
    x = states(model, 1).expand(DRAWS, 3, 4)
    torch.manual_seed(0)
    for block, rate in enumerate((0.0, 0.2, 0.4)):
        still = (model.update(x, block) == x).flatten(1).all(1).double().mean().item()
        assert still == pytest.approx(rate, abs=0.03)


def test_batch_norm_follows_its_batches_in_training_alone() -> None:
    model = build(BASE, 0, NORMED)
    x = states(model, 8)
    name = "blocks.0.channel.x.batch_norm_0.running_mean"
    before, g = model.stored(name).clone(), model.activation(x)
    model.update(x)
    assert torch.equal(model.stored(name), before)
    model.train().update(x)
    assert relative(model.stored(name), 0.8 * before + 0.2 * g.mean((0, 1)).detach()) < 1e-12
    after = model.stored(name).clone()
    model.eval().update(x)
    assert torch.equal(model.stored(name), after)


def test_batch_norm_in_training_reads_the_batch() -> None:
    model = build(BASE, 0, NORMED).train()
    x = states(model, 8)
    together, alone = model.update(x), model.update(x[:4])
    assert relative(together[:4].detach(), alone.detach()) > 1e-3
    model.eval()
    assert relative(model.update(x)[:4].detach(), model.update(x[:4]).detach()) < 1e-12


def test_evaluation_draws_nothing() -> None:
    model = build(BASE, 0, {"block.update.drop": 0.5, "block.depth": 2, **NORMED})
    x = images(model, 8)
    assert torch.equal(model(x), model(x))
    model.train()
    assert not torch.equal(model(x), model(x))


@pytest.mark.parametrize("sizes", [(1, 2), (2, 1), (1, 1), (2, 3)])
@pytest.mark.parametrize("training", [False, True])
def test_batch_norm_of_one_row_or_column_has_its_gradient(sizes: tuple[int, int], training: bool) -> None:
    """torch's own is wrong there where the gradient that comes in has its channels last, as one through a dense map has."""
    text = f"""
hopgraph: 1
name: narrow
input: {{tensor: {{c: 3, r: {sizes[0]}, w: {sizes[1]}}}}}
block:
  axes: {{c: 3, r: {sizes[0]}, w: {sizes[1]}, m: 4}}
  layers:
    x: {{axes: [c, r, w], lagrangian: identity}}
    h: {{axes: [m, r, w], lagrangian: tanh, fast: true}}
  synapses:
    memory:
      factors: {{h: h, x: {{layer: x, through: [{{batch_norm: {{per: c}}}}, {{dense: {{c: m}}}}]}}}}
      symmetry: {{x: {{own: {{return: [{{dense: {{m: c}}}}]}}}}}}
"""
    model = compile_model(load(Source("narrow.yaml", text)), dtype=torch.float64).train(training)
    state = torch.randn(3, 3, *sizes, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    torch.autograd.gradcheck(model, (state,))
