"""The energy of a block as a function of its slow activation, whether the certificate vouches for it or not."""

from __future__ import annotations

import torch
from torch import Tensor

from hopgraph.lower.model import Model
from hopgraph.lower.oracle import Oracle


def hidden_energy(oracle: Oracle, g: Tensor) -> Tensor:
    """E_h(g), the fast layers at their values: [batch]."""
    fast, activations = oracle.settled(g)
    total = torch.zeros(len(g), dtype=g.dtype)
    for name, state in fast.items():
        layer = oracle.block.layer(name)
        total = total + (state * activations[name]).flatten(1).sum(1) - oracle.lagrangian(layer, state)
    for synapse in oracle.block.synapses:
        total = total + oracle.synapse_energy(synapse, {factor.name: activations[factor.layer] for factor in synapse.factors})
    return total


def energies(model: Model, x: Tensor, steps: int) -> Tensor:
    """The energy along `steps` updates of block 0, [steps + 1, batch]: E_h of residual, E_eff of decay updates."""
    oracle, layer = model.oracle(), model.ham.block.slow[0]
    visited = [x]
    with torch.no_grad():
        for _ in range(steps):
            visited.append(model.update(visited[-1]))
        x = torch.cat(visited)
        g = model.activation(x)
    total = hidden_energy(oracle, g)
    if model.certificate.energy == "E_eff":
        total = total + (x * g).flatten(1).sum(1) - oracle.lagrangian(layer, x)
    return total.detach().reshape(steps + 1, -1)


def rises(trace: Tensor) -> Tensor:
    """By how much the energy rises in each update, relative to its size (or to 1); over the updates that stay finite."""
    finite = trace.isfinite().all(1).long().cumprod(0).bool()
    trace = trace[finite]
    assert len(trace) > 3
    return (trace[1:] - trace[:-1]) / trace[:-1].abs().clamp(min=1)
