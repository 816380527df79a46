"""A trained model along its depth, on real inputs: the energy of each block along its steps, and how symmetric its pulls are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hopgraph.errors import HopgraphError
from hopgraph.lower.ledger import pull_asymmetry
from hopgraph.lower.model import Model, single_energy
from hopgraph.lower.oracle import Oracle
from hopgraph.passes.pipeline import CheckedSpec, load


@dataclass(frozen=True)
class EnergyTrace:
    """By block, the mean over inputs of (E after each step - E on entry) / |E on entry|; the first entry of a block is 0.

    `depth` has, by block, the means of the energy itself on entry and on exit. `descended` says whether this is the energy of the
    model's own dynamics. Otherwise it is that of the base weights, as if every pull were tied, which the model's updates do not
    descend by construction. `reason` says why there is none at all.
    """

    blocks: tuple[tuple[float, ...], ...]
    descended: bool
    reason: str | None = None
    depth: tuple[tuple[float, float], ...] = ()


def trace(model: Model, inputs: Tensor) -> EnergyTrace:
    """The trace of a model over a batch of inputs, in float32 as the model is; of a pyramid, that of its first stage."""
    spec = tied_sibling(model.spec)
    if spec is None:
        return EnergyTrace((), False, _without_energy(model.spec))
    parameters = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    blocks: list[tuple[float, ...]] = []
    depth: list[tuple[float, float]] = []
    with torch.no_grad():
        for index, states in enumerate(_walk(model, inputs)):
            oracle = Oracle(spec.ham, index, parameters)
            energies = [oracle.energy(state, spec.certificate.relaxed) for state in states]
            first = energies[0]
            blocks.append(tuple(((energy - first) / first.abs()).mean().item() for energy in energies))
            depth.append((first.mean().item(), energies[-1].mean().item()))
    return EnergyTrace(tuple(blocks), model.has_energy, None, tuple(depth))


def ledger(model: Model, inputs: Tensor) -> tuple[float, ...]:
    """By block, the asymmetry index of J = du/dg at the states that a batch of inputs enters it with; of a pyramid, in its first stage."""
    return tuple(pull_asymmetry(model, states[0], index) for index, states in enumerate(_walk(model, inputs)))


def _walk(model: Model, inputs: Tensor) -> list[list[dict[str, Tensor]]]:
    """By block of the first stage, the states of its slow layers on entry and after every step."""
    found: list[list[dict[str, Tensor]]] = []
    with torch.no_grad():
        entry = model.encode(inputs)
        for index in range(model.ham.block.depth):
            block = model.ham.blocks[index]
            states = [model.states(index, model.start(entry, index))]
            for _ in range(block.steps):
                states.append(model.update(states[-1], index))
            found.append(states)
            entry = states[-1][block.exit]
    return found


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
    given = [setting for setting in loaded.settings if not setting.startswith("iso_params=")]
    scaled = [f"dims.{name}={size}" for name, size in (spec.iso.after if spec.iso else {}).items()]
    try:
        sibling = load(loaded.source, loaded.variants, (*given, *scaled, *whole, *each))
    except HopgraphError:  # a causal map may forbid it
        return None
    return sibling if single_energy(sibling) and sibling.ham.dims == spec.ham.dims else None
