"""The compiled pulls are the gradients of the energy, symmetric where they are tied and asymmetric where they are not."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from hopgraph.errors import HopgraphError
from hopgraph.lower.model import Model

from .energies import hidden_energy
from .programs import asymmetry, jacobian
from .specs import GUARANTEED, TIED, build, check, random_spec, relative, seeds, states

SMOOTH = tuple(kind for kind in TIED.slow if kind not in ("relu", "repu"))
MAPPED = replace(GUARANTEED, slow=SMOOTH, fast=("tanh", "sigmoid", "gelu", "identity"))
PENALIZED = {"block.symmetry": {"penalized": 1e-3}}
OWN = {"block.symmetry": "own"}


def total_pull(model: Model, g: Tensor, block: int = 0) -> Tensor:
    """u(g), all groups together."""
    groups = range(len(model.ham.block.schedule))
    return torch.stack([model.pull(g, block, group) for group in groups]).sum(0)


@pytest.mark.parametrize("seed", seeds(40, 400))
def test_the_compiled_update_is_the_oracles(seed: int) -> None:
    model = build(random_spec(seed), seed)
    x = states(model, seed=seed)
    for block in range(model.ham.block.depth):
        assert relative(model.update(x, block).detach(), model.oracle(block).update(x).detach()) < 1e-10


@pytest.mark.parametrize("seed", seeds(40, 400))
def test_the_compiled_pull_of_each_group_is_the_sum_of_the_oracles(seed: int) -> None:
    model = build(random_spec(seed), seed)
    schedule = model.ham.block.schedule
    layer = model.ham.block.slow[0]
    x = states(model, seed=seed)
    for block in range(model.ham.block.depth):
        oracle = model.oracle(block)
        for number, group in enumerate(schedule):
            g = model.activation(x, block, number)
            assert relative(g.detach(), oracle.activation(layer, x, group).detach()) < 1e-10
            _, activations = oracle.settled(g)
            wanted = oracle.field(layer, activations, group.synapses)
            assert relative(model.pull(g, block, number).detach(), wanted.detach()) < 1e-10


@pytest.mark.parametrize("seed", seeds(40, 400))
def test_tied_pulls_are_the_gradient_of_the_total_energy(seed: int) -> None:
    """By the envelope theorem: the energy is stationary in the fast layers at their values."""
    model = build(random_spec(seed, TIED), seed)
    g = states(model, seed=seed).requires_grad_()
    (gradient,) = torch.autograd.grad(hidden_energy(model.oracle(), g).sum(), g)
    assert relative(total_pull(model, g).detach(), -gradient) < 1e-10


@pytest.mark.parametrize("seed", seeds(25, 150))
def test_the_energy_is_the_one_that_the_pulls_descend(seed: int) -> None:
    """dE_h/dx = -H u, and dE_eff/dx = H (x - u), with H = dg/dx."""
    model = build(random_spec(seed, replace(TIED, groups=False)), seed)
    x = states(model, seed=seed).requires_grad_()
    (slope,) = torch.autograd.grad(model.energy(x).sum(), x)
    u = model.pull(model.activation(x)).detach()
    along = -u if model.certificate.energy == "E_h" else x.detach() - u
    (wanted,) = torch.autograd.grad(model.activation(x), x, along)  # H is symmetric: a product with H^T is one with H
    assert relative(slope, wanted) < 1e-9


@pytest.mark.parametrize("seed", seeds(40, 200))
def test_the_jacobian_of_tied_pulls_is_symmetric(seed: int) -> None:
    model = build(random_spec(seed, TIED), seed)
    (g,) = states(model, 1, seed)
    for group in range(len(model.ham.block.schedule)):
        assert asymmetry(jacobian(lambda x, group=group: model.pull(x, 0, group), g)) < 1e-10


def mapped(seed: int) -> str:
    """A spec with a smooth energy in which every synapse has weights, no axis is of size 1 and the state is not tiny."""
    while True:
        text = random_spec(seed, MAPPED)
        block = check(text).ham.block
        chains = [any(factor.chain for factor in synapse.factors) for synapse in block.synapses]
        size = math.prod(block.axes[axis] for axis in block.slow[0].axes)
        if all(chains) and min(block.axes.values()) > 1 and size >= 6:
            return text
        seed += 10_000


@pytest.mark.parametrize("seed", seeds(25, 150))
def test_the_jacobian_of_own_pulls_is_not(seed: int) -> None:
    text = mapped(seed)
    found: list[float] = []
    for draw in range(4):
        model = build(text, draw, OWN)
        (g,) = states(model, 1, draw)
        found.append(asymmetry(jacobian(model.pull, g)))
    assert sum(found) / len(found) > 0.1


def copied(model: Model, tied: Model) -> None:
    """Give a model the weights of a tied one: its copies those of the base, its departures 0."""
    weights = dict(tied.named_parameters())
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            base = weights[re.sub(r"\.(own|penalized)_[^.]+", "", name)]
            parameter.copy_(torch.zeros_like(base) if ".penalized_" in name else base)


@pytest.mark.parametrize("overrides", [PENALIZED, OWN], ids=["penalized", "own"])
@pytest.mark.parametrize("seed", seeds(25, 150))
def test_untied_pulls_with_the_tied_weights_are_the_tied_ones(seed: int, overrides: dict[str, object]) -> None:
    text = random_spec(seed, TIED)
    tied, other = build(text, seed), build(text, seed, overrides)
    copied(other, tied)
    x = states(tied, seed=seed)
    assert torch.equal(other.update(x), tied.update(x))


@pytest.mark.parametrize("seed", seeds(25, 150))
def test_a_penalized_pull_is_an_own_one_in_other_coordinates(seed: int) -> None:
    text = random_spec(seed, TIED)
    penalized, own = build(text, seed, PENALIZED), build(text, seed, OWN)
    weights = dict(penalized.named_parameters())
    with torch.no_grad():
        for name, parameter in own.named_parameters():
            base = weights[re.sub(r"\.own_[^.]+", "", name)]
            parameter.copy_(base + weights[name.replace(".own_", ".penalized_")] if ".own_" in name else base)
    x = states(own, seed=seed)
    assert relative(own.update(x).detach(), penalized.update(x).detach()) < 1e-12


@pytest.mark.parametrize("seed", range(10))
def test_the_penalty_is_lambda_times_the_squares_of_all_departures(seed: int) -> None:
    model = build(random_spec(seed, TIED), seed, {"block.symmetry": {"penalized": 0.25}})
    departures = [parameter for name, parameter in model.named_parameters() if ".penalized_" in name]
    wanted = 0.25 * sum(parameter.square().sum().item() for parameter in departures)
    assert model.penalty().item() == pytest.approx(wanted, rel=1e-12)


def test_an_energy_is_refused_where_there_is_none() -> None:
    model = build(mapped(0), 0, OWN)
    with pytest.raises(HopgraphError, match="no-energy"):
        model.energy(states(model))
