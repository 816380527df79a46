"""The energy of each block along the unrolled steps of a trained model, on real inputs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hopgraph.errors import HopgraphError
from hopgraph.lower.model import Model, single_energy
from hopgraph.lower.oracle import Oracle
from hopgraph.passes.pipeline import CheckedSpec, load


@dataclass(frozen=True)
class EnergyTrace:
    """By block, the mean over inputs of (E after each step - E on entry) / |E on entry|; the first entry of a block is 0.

    `descended` says whether this is the energy of the model's own dynamics. Otherwise it is that of the base weights, as if
    every pull were tied, which the model's updates do not descend by construction. `reason` says why there is none at all.
    """

    blocks: tuple[tuple[float, ...], ...]
    descended: bool
    reason: str | None = None


def trace(model: Model, images: Tensor) -> EnergyTrace:
    """The trace of a model over a batch of inputs, in float32 as the model is."""
    spec = tied_sibling(model.spec)
    if spec is None:
        return EnergyTrace((), False, "its groups have norms of their own: no one energy belongs to a block")
    parameters = dict(model.named_parameters())
    blocks: list[tuple[float, ...]] = []
    with torch.no_grad():
        state = model.encode(images)
        for block in range(model.ham.block.depth):
            oracle = Oracle(spec.ham, block, parameters)
            energies = [oracle.energy(state, spec.certificate.energy)]
            for _ in range(model.ham.block.steps):
                state = model.update(state, block)
                energies.append(oracle.energy(state, spec.certificate.energy))
            entry = energies[0]
            blocks.append(tuple(((energy - entry) / entry.abs()).mean().item() for energy in energies))
    return EnergyTrace(tuple(blocks), model.has_energy)


def tied_sibling(spec: CheckedSpec) -> CheckedSpec | None:
    """The same spec with every pull tied: its weights are the base weights of this one. None where that has no energy either."""
    loaded = spec.loaded
    synapses = [f"block.synapses.{name}.symmetry=tied" for name, synapse in loaded.spec.block.synapses.items() if synapse.symmetry]
    try:
        sibling = load(loaded.source, loaded.variants, (*loaded.settings, "block.symmetry=tied", *synapses))
    except HopgraphError:  # a causal map may forbid it
        return None
    return sibling if single_energy(sibling) else None
