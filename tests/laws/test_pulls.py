"""Pulls written by hand against the compiled ones: return chains, external fields; and that untied pulls are asymmetric."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from hopgraph.errors import HopgraphError
from hopgraph.lower.ledger import pull_asymmetry
from hopgraph.lower.model import Model

from .counterexamples import BASE
from .drawing.recipe import GUARANTEED
from .features import features
from .measures import OWN
from .programs import asymmetry, jacobian
from .specs import TIED, build, check, random_spec, relative, seeds, slow_states, states

SMOOTH = tuple(kind for kind in TIED.slow if kind not in ("relu", "repu", "squared_relu", "star_relu"))
MAPPED = replace(
    GUARANTEED, slow=SMOOTH, fast=("tanh", "sigmoid", "gelu", "identity"), kinds=("ordinary",), maps=("dense",), groups="one", fields=False
)


def mapped(seed: int) -> str:
    """A spec of one slow layer with a smooth energy, whole matrices in every synapse, no axis of size 1 and no tiny state.

    A matrix that is masked or repeated may be so small a part of one that the Jacobian is diagonal.
    """
    while True:
        text = random_spec(seed, replace(MAPPED, slow_layers=1, steps="any"))
        spec = check(text)
        if features(spec) & {"dense mask", "conv mask", "dense toeplitz", "dense per", "dense rank"}:
            seed += 10_000
            continue
        block = spec.ham.block
        chains = [any(factor.chain for factor in synapse.factors) for synapse in block.synapses]
        size = math.prod(block.axes[axis] for axis in block.slow[0].axes)
        if all(chains) and min(block.axes.values()) > 1 and size >= 6:
            return text
        seed += 10_000


@pytest.mark.parametrize("seed", seeds(15, 150))
def test_the_jacobian_of_own_pulls_is_not_symmetric(seed: int) -> None:
    text = mapped(seed)
    found: list[float] = []
    for draw in range(8):
        model = build(text, draw, OWN)
        (g,) = states(model, 1, draw)
        found.append(asymmetry(jacobian(model.pull, g)))
    assert sum(found) / len(found) > 0.1


def test_an_energy_is_refused_where_there_is_none() -> None:
    model = build(mapped(0), 0, OWN)
    with pytest.raises(HopgraphError, match="no-energy"):
        model.energy(states(model))


# --- return chains ---

FORTH = "{dense: {n: k}}, {scale: 0.5}, {dense: {c: m, bias: true}}"
BACK = "{dense: {m: c}}, {scale: 0.5}, {dense: {k: n}}"
RETURNED = f"""
hopgraph: 1
name: law
input: {{tensor: {{n: 3, c: 4}}}}
block:
  axes: {{n: 3, c: 4, k: 2, m: 5}}
  layers:
    x: {{axes: [n, c], lagrangian: {{layernorm: {{over: [c], gain: none, eps: 0.1}}}}}}
    h: {{axes: [k, m], lagrangian: gelu, fast: true}}
  synapses:
    s:
      factors: {{h: h, x: {{layer: x, through: [{FORTH}]}}}}
      bias: {{x: [c]}}
      symmetry: {{x: {{own: {{return: [{BACK}]}}}}}}
"""


def transposed(model: Model) -> None:
    """Gives the return chain the transposes of the chain's matrices."""
    with torch.no_grad():
        for back, forth in (("dense_0", "dense_2"), ("dense_2", "dense_0")):
            weight = model.get_parameter(f"blocks.0.s.x.{forth}.weight")
            model.get_parameter(f"blocks.0.s.return_x.{back}.weight").copy_(weight.T)


@pytest.mark.parametrize("seed", range(10))
def test_a_return_chain_of_transposes_is_the_adjoint(seed: int) -> None:
    returned = build(RETURNED, seed)
    tied = build(RETURNED, seed, {"block.synapses.s.symmetry": "tied"})
    transposed(returned)
    shared = {name: tensor for name, tensor in returned.state_dict().items() if "return" not in name}
    tied.load_state_dict(shared)
    x = states(tied, 4, seed)
    assert relative(returned.update(x).detach(), tied.update(x).detach()) < 1e-12
    assert pull_asymmetry(returned, x) < 1e-12


def test_a_return_chain_of_other_weights_is_not_the_adjoint() -> None:
    model = build(RETURNED)
    assert pull_asymmetry(model, states(model)) > 0.1


# --- external fields ---

FIELD = {"block.synapses.field": {"factors": {"x": "x"}, "bias": ["n", "c"]}}
IN_TURN = {"block.update.groups": [["token", "channel"], ["field"]]}


@pytest.mark.parametrize("seed", range(10))
def test_an_external_field_takes_its_product_from_the_energy(seed: int) -> None:
    """E - <b, g>."""
    plain, fielded = build(BASE, seed), build(BASE, seed, FIELD)
    fielded.load_state_dict(plain.state_dict(), strict=False)
    x = states(plain, 4, seed)
    product = (fielded.get_parameter("blocks.0.field.x.bias") * plain.activation(x)).flatten(1).sum(1)
    assert torch.allclose(fielded.energy(x), plain.energy(x) - product, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_an_external_field_acts_in_its_group_alone(seed: int) -> None:
    model = build(BASE, seed, {**FIELD, **IN_TURN})
    g = states(model, 4, seed)
    bias = model.get_parameter("blocks.0.field.x.bias")
    assert torch.equal(model.pull(g, 0, 1), bias.expand_as(g))
    without = build(BASE, seed)
    without.load_state_dict(model.state_dict(), strict=False)
    assert torch.equal(model.pull(g, 0, 0), without.pull(g))


def test_a_bias_of_a_synapse_is_a_field_of_one_factor() -> None:
    through, apart = build(BASE, 0, {"block.synapses.channel.bias": {"x": ["n", "c"]}}), build(BASE, 0, FIELD)
    renamed = {name.replace("channel.x.bias", "field.x.bias"): tensor for name, tensor in through.state_dict().items()}
    apart.load_state_dict(renamed)
    x = slow_states(through, 4)
    assert relative(apart.update(x)["x"].detach(), through.update(x)["x"].detach()) < 1e-14
    assert torch.allclose(apart.energy(x), through.energy(x), rtol=1e-12)
