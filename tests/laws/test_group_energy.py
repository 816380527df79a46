"""Where groups have norms of their own, each descends its own part of the energy, and that part alone."""

from __future__ import annotations

import pytest
import torch

from hopgraph.errors import HopgraphError

from .specs import build, relative, states

SPEC = """
hopgraph: 1
name: law
input: {image: [2, 1, 3]}
encoder: [{patch_embed: {size: 1, channels: 4}}]
block:
  axes: {n: 3, c: 4, k: 3, m: 5}
  layers:
    x: {axes: [n, c], lagrangian: {layernorm: {over: [c], gain: scalar, eps: 1e-3}}}
    s: {axes: [k, c], lagrangian: relu, fast: true}
    h: {axes: [n, m], lagrangian: {softmax: {over: m, beta: learned}}, fast: true}
  synapses:
    token: {factors: {s: s, x: {layer: x, through: [{dense: {n: k}}]}}, bias: {x: [c]}}
    channel: {factors: {h: h, x: {layer: x, through: [{dense: {c: m, bias: true}}]}}}
  update: {form: FORM, groups: [{synapses: [token], step: A}, {synapses: [channel], norm: {x: own}, step: A}]}
"""


@pytest.mark.parametrize(("form", "step"), [("residual", 0.3), ("residual", 10.0), ("decay", 0.5), ("decay", 1.0)])
@pytest.mark.parametrize("seed", range(5))
def test_a_group_descends_its_own_part(seed: int, form: str, step: float) -> None:
    model = build(SPEC.replace("FORM", form).replace("A}", f"{step}}}"), seed)
    with pytest.raises(HopgraphError, match="each descends its own part"):
        model.energy(states(model))
    for group in range(2):
        x = states(model, 50, seed, 2.0)
        for _ in range(50):
            u = model.pull(model.activation(x, 0, group), 0, group)
            after = x + step * u if form == "residual" else (1 - step) * x + step * u
            rise = model.energy(after, 0, group) - model.energy(x, 0, group)
            assert (rise <= 1e-9 * model.energy(x, 0, group).abs().clamp(min=1)).all()
            x = after.detach()


def test_the_parts_of_one_norm_add_up_to_the_whole() -> None:
    text = SPEC.replace("FORM", "residual").replace("A}", "1.0}")
    model = build(text.replace("norm: {x: own}, ", ""), 0)
    x = states(model, 7)
    parts = model.energy(x, 0, 0) + model.energy(x, 0, 1)
    assert relative(parts.detach(), model.energy(x).detach()) < 1e-12
    assert torch.isfinite(parts).all()
