"""The energy of a block along its updates, whether the certificate vouches for it or not."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hopgraph.lower.model import Model, block_certificate
from hopgraph.lower.oracle import Oracle

States = Mapping[str, Tensor]


def hidden_energy(oracle: Oracle, g: States) -> Tensor:
    """E_h as a function of the slow layers' activations, the fast layers at their values: [batch]."""
    fast, activations = oracle.settled(g)
    some = next(iter(g.values()))
    total = torch.zeros(len(some), dtype=some.dtype)
    for name, state in fast.items():
        total = total + (state * activations[name]).flatten(1).sum(1) - oracle.lagrangian(oracle.block.layer(name), state)
    for synapse in oracle.block.synapses:
        if all(factor.layer in activations for factor in synapse.factors):
            total = total + oracle.synapse_energy(synapse, {factor.name: activations[factor.layer] for factor in synapse.factors})
    return total


def energies(model: Model, state: States, steps: int, block: int = 0) -> Tensor:
    """The energy along `steps` updates, [steps + 1, batch]: with <x, g> - L of the layers that decay moves."""
    visited = [dict(state)]
    with torch.no_grad():
        for _ in range(steps):
            visited.append(model.update(visited[-1], block))
    joined = {name: torch.cat([found[name] for found in visited]) for name in state}
    total = model.oracle(block).energy(joined, block_certificate(model.spec, block).relaxed)
    return total.detach().reshape(steps + 1, -1)


def rises(trace: Tensor) -> Tensor:
    """By how much the energy rises in each update, relative to its size (or to 1); over the updates that stay finite."""
    finite = trace.isfinite().all(1).long().cumprod(0).bool()
    trace = trace[finite]
    assert len(trace) > 3
    return (trace[1:] - trace[:-1]) / trace[:-1].abs().clamp(min=1)
