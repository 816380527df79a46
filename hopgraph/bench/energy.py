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


def trace(model: Model, inputs: Tensor) -> EnergyTrace:
    """The trace of a model over a batch of inputs, in float32 as the model is; of a pyramid, that of its first stage."""
    spec = tied_sibling(model.spec)
    if spec is None:
        return EnergyTrace((), False, _without_energy(model.spec))
    parameters = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    blocks: list[tuple[float, ...]] = []
    with torch.no_grad():
        entry = model.encode(inputs)
        for index in range(model.ham.block.depth):
            block = model.ham.blocks[index]
            oracle = Oracle(spec.ham, index, parameters)
            states = model.states(index, model.start(entry, index))
            energies = [oracle.energy(states, spec.certificate.relaxed)]
            for _ in range(block.steps):
                states = model.update(states, index)
                energies.append(oracle.energy(states, spec.certificate.relaxed))
            first, entry = energies[0], states[block.exit]
            blocks.append(tuple(((energy - first) / first.abs()).mean().item() for energy in energies))
    return EnergyTrace(tuple(blocks), model.has_energy)


def _without_energy(spec: CheckedSpec) -> str:
    """Why a spec has no energy with all its pulls tied either."""
    apart = any(group.own_norms for block in spec.ham.blocks for group in block.schedule)
    why = "its groups have norms of their own" if apart else "its pulls could not all be tied"
    return f"{why}: no one energy belongs to a block"


def tied_sibling(spec: CheckedSpec) -> CheckedSpec | None:
    """The same spec with every pull tied: its weights are the base weights of this one. None where that has no energy either."""
    loaded = spec.loaded
    stages = {f"stages.{index}.block": stage.block for index, stage in enumerate(loaded.spec.stages)}
    blocks = stages if loaded.spec.block is None else {"block": loaded.spec.block}
    whole = [f"{path}.symmetry=tied" for path in blocks]
    each = [
        f"{path}.synapses.{name}.symmetry=tied" for path, block in blocks.items() for name, item in block.synapses.items() if item.symmetry
    ]
    try:
        sibling = load(loaded.source, loaded.variants, (*loaded.settings, *whole, *each))
    except HopgraphError:  # a causal map may forbid it
        return None
    return sibling if single_energy(sibling) else None
