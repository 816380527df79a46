"""What is claimed of circles without running them: rates that no iteration falls behind, slopes that no activation exceeds."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hopgraph.energy.lagrangians import LAGRANGIANS
from hopgraph.graph.contraction import contraction_rate
from hopgraph.lower.model import Model

from .measures import circle_text
from .programs import LAW, layer_case, points
from .specs import build, check, seeds, slow_states

CIRCLE = """
hopgraph: 1
name: law
input: {tensor: {n: 3, c: 4}}
block:
  axes: {n: 3, c: 4, k: 5, j: 4, i: 3}
  layers:
    x: {axes: [n, c], lagrangian: tanh}
    a: {axes: [k, c], lagrangian: gelu, fast: true}
    b: {axes: [j, c], lagrangian: gelu, fast: true}
  synapses:
    outer: {factors: {a: a, x: {layer: x, through: [{dense: {n: k}}]}}}
    inner: {factors: {b: b, a: {layer: a, through: [{dense: {k: j, bias: true, spectral: 0.8}}]}}}
  solve: {order: [a, b], iterations: 30}
"""
THIRD = {
    "block.layers.d": {"axes": ["i", "c"], "lagrangian": "sigmoid", "fast": True},
    "block.synapses.third": {"factors": {"d": "d", "b": {"layer": "b", "through": [{"dense": {"j": "i", "spectral": 0.9}}]}}},
    "block.solve": {"order": ["a", "b", "d"], "iterations": 30},
}


def rate_at(limit: float) -> float | None:
    """The rate that is claimed for two gelu layers with that spectral limit."""
    block = check(CIRCLE.replace("spectral: 0.8", f"spectral: {limit}")).ham.block
    return contraction_rate(block, block.circles[0])


def test_gelu_layers_contract_with_norms_of_0_8_and_not_of_0_9() -> None:
    assert rate_at(0.8) == pytest.approx(0.64 * 1.1289**2, rel=1e-3)
    assert rate_at(0.9) == pytest.approx(0.81 * 1.1289**2, rel=1e-3)
    assert (rate_at(0.8) or 1.0) < 1 < (rate_at(0.9) or 0.0)


def test_a_circle_without_a_limit_has_no_rate() -> None:
    block = check(CIRCLE.replace(", spectral: 0.8", "")).ham.block
    assert contraction_rate(block, block.circles[0]) is None


def large(model: Model) -> None:
    """Weights at their spectral limit, where the claim is hardest to keep."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.mul_(10.0 if "inner" in name or "third" in name else 1.0)


def lengths(x: Tensor) -> Tensor:
    """The norm of each example."""
    return x.flatten(1).square().sum(1).sqrt()


def available(model: Model, name: str, known: dict[str, Tensor]) -> list[tuple[str, str]]:
    """The pulls on a layer of which every other factor is known."""
    pulls = model.ham.block.pulls_on(name)
    return [(s.name, pull.factor) for s, pull in pulls if all(f.layer in known for f in s.factors if f.name != pull.factor)]


def iterates(model: Model, x: dict[str, Tensor]) -> list[Tensor]:
    """All activations of a circle after 0, 1, 2 ... iterations, as vectors [batch, size]."""
    oracle = model.oracle()
    circle = oracle.block.circles[0]
    found: list[Tensor] = []
    _, known = oracle.settled(oracle.activations(x), ())
    for turn, name in enumerate([circle.order[0], *(circle.order[1:] + circle.order[:1]) * 12]):
        layer = oracle.block.layer(name)
        g = oracle.activation(layer, oracle.field(layer, known, available(model, name, known)))
        known[name] = g.detach()
        if turn and turn % len(circle.order) == 0:
            found.append(torch.cat([known[member].flatten(1) for member in circle.order], 1))
    return found


@pytest.mark.parametrize("layers", [2, 3])
@pytest.mark.parametrize("seed", seeds(10, 100))
def test_the_iteration_converges_no_slower_than_claimed(seed: int, layers: int) -> None:
    """Over n iterations the steps shrink by rate^n, up to the constant between a norm and the weighted one in which they do at each."""
    model = build(CIRCLE, seed, THIRD if layers == 3 else None)
    large(model)
    rate = contraction_rate(model.ham.block, model.ham.block.circles[0])
    assert rate is not None
    assert rate < (1 if layers == 2 else 1.3)
    found = iterates(model, slow_states(model, 20, seed, 2.0))
    steps = [lengths(after - before) for before, after in pairwise(found)]
    for count, step in enumerate(steps):
        assert (step <= 3 * rate**count * steps[0] + 1e-14).all()


@pytest.mark.parametrize("seed", range(20))
def test_many_iterations_of_a_contracting_circle_leave_nothing(seed: int) -> None:
    model = build(CIRCLE.replace("spectral: 0.8", "spectral: 0.5"), seed)
    large(model)
    rate = contraction_rate(model.ham.block, model.ham.block.circles[0])
    assert rate is not None
    assert rate**30 < 1e-13
    assert model.residual(slow_states(model, 5, seed))["a"].max() < 1e-13


@pytest.mark.parametrize("seed", range(6))
def test_fewer_iterations_leave_more(seed: int) -> None:
    few, many = (build(CIRCLE.replace("iterations: 30", f"iterations: {count}"), seed) for count in (1, 12))
    x = slow_states(few, 5, seed)
    assert many.residual(x)["a"].max() < few.residual(x)["a"].max()


def test_random_circles_are_circles() -> None:
    assert sum(bool(check(circle_text(seed, 2)).ham.block.circles) for seed in range(10)) >= 3


@pytest.mark.parametrize("kind", LAGRANGIANS)
@given(rng=st.randoms(use_true_random=False))
@LAW
def test_no_activation_is_steeper_than_its_constant(kind: str, rng: Random) -> None:
    case = layer_case(rng, kind)
    constant = case.record.lipschitz(case.options)
    x = 3 * points(rng, case.shape, 8)
    y = x + rng.choice([1e-3, 0.1, 3.0]) * points(rng, case.shape, 8)
    g = case.activation()
    change, distance = (lengths(first - second) for first, second in ((g(x), g(y)), (x, y)))
    assert (change[distance == 0] == 0).all()
    assert (change[distance > 0] <= constant * distance[distance > 0] * (1 + 1e-9) + 1e-12).all()
