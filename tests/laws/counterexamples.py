"""Specs that lack one condition of the guarantee, and states from which their energy then rises.

Found by search over seeds. `BASE` with the `common` overrides is guaranteed; `drop` takes one condition away.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from hopgraph.graph.certificate import Verdict
from hopgraph.lower.model import Model

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


def below(model: Model) -> None:
    """Spreads the components of a learned step between a hundredth of its start and its start: none is larger."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("log_step"):
                start = math.log(model.ham.block.schedule[0].step.value)
                parameter.copy_(start - math.log(100) * torch.sigmoid(10 * (parameter - start)))


def half_negative(model: Model) -> None:
    """A step from its start to minus its start."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(".step"):
                start = model.ham.block.schedule[0].step.value
                parameter.copy_(torch.linspace(start, -start, len(parameter)))


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
TWO_LAYERS = {
    "block.layers.y": {"axes": ["k", "c"], "lagrangian": "tanh"},
    "block.synapses.pair": {"factors": {"y": "y", "x": {"layer": "x", "through": [{"dense": {"n": "k"}}]}}},
    "block.update.groups": [["token", "channel", "pair.x"], ["pair.y"]],
}
"""A second slow layer, coupled with the first, each in a group of its own."""
CIRCULAR = {
    "block.synapses.circle": {"factors": {"s": "s", "h": {"layer": "h", "through": [{"dense": {"from": ["n", "m"], "to": ["k", "c"]}}]}}},
    "block.solve": {"order": ["s", "h"], "iterations": 1},
}
"""The two hidden layers feed each other."""


def learned(along: str, start: float) -> dict[str, Any]:
    """A learned step along an axis."""
    return {"block.update.step": {"learned": [along], "start": start}}


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
    Counterexample(
        "a vector step along the norm's axis, 0.1",
        learned("c", 0.1),
        Verdict.NONE,
        seed=15,
        least=0.05,
        common=learned("n", 0.1),
        weights=below,
    ),
    Counterexample(
        "a vector step along the norm's axis, 0.001",
        learned("c", 0.001),
        Verdict.NONE,
        seed=0,
        least=5e-4,
        common=learned("n", 0.001),
        weights=below,
    ),
    Counterexample(
        "a free step with a negative component",
        {"block.update.step": {"learned": ["n"], "start": 0.1, "sign": "free"}},
        Verdict.NONE,
        seed=14,
        least=0.5,
        common=learned("n", 0.1),
        weights=half_negative,
    ),
    Counterexample(
        "two slow layers in parallel",
        {"block.update.groups": [["token", "channel", "pair"]]},
        Verdict.SMALL_STEP,
        seed=14,
        least=10.0,
        common=TWO_LAYERS,
        weights=scaled("pair", 4.0),
    ),
    Counterexample(
        "a tau that takes the decay step over 1",
        {"block.layers.x.tau": 0.5},
        Verdict.SMALL_STEP,
        seed=18,
        least=100.0,
        common={"block.layers.x.lagrangian": "relu", "block.update.form": "decay"},
        weights=scaled("dense.weight", 0.3),
        scale=4.0,
    ),
    Counterexample(
        "a truncated circle",
        CIRCULAR,
        Verdict.NONE,
        seed=14,
        least=0.01,
        common={"block.update.step": 0.1},
        weights=scaled("circle", 3.0),
    ),
    Counterexample(
        "a norm of its own in another group",
        {"block.update.groups": [["token", "channel", "pair.x"], {"synapses": ["pair.y"], "norm": {"x": "own"}}]},
        Verdict.SPLITTING,
        seed=18,
        least=0.03,
        common={
            **TWO_LAYERS,
            "block.layers.x.lagrangian": {"layernorm": {"over": ["c"], "gain": "scalar", "bias": ["n", "c"], "eps": 1e-3}},
        },
    ),
)
