"""The ledger: how asymmetric a model is, measured.

The index of a matrix J is |J - J^T| / (2 |J|), Frobenius: 0 for a symmetric one, 1 for an antisymmetric one, about 0.71 for
a random one. J = du/dg cannot see a norm's gain, so H = dg/dx is measured as well; weights are compared by
|W_back - W_forth| / (|W_back| + |W_forth|), of a penalized pull |V| / (|W + V| + |W|).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from hopgraph.graph.ham import Block, Layer
from hopgraph.lower.model import Model, States
from hopgraph.passes.parts import read_layers

EXACT_SIZE = 512
"""Jacobians of at most so many rows are computed whole; larger ones are probed by random vectors."""


def asymmetry(function: Callable[..., Tensor], point: Tensor, *context: Tensor, probes: int = 16, seed: int = 0) -> float:
    """The index of the Jacobian of `function(point, *context)` by the point, [batch, ...] each, over the whole batch.

    Exact for at most EXACT_SIZE elements; else by `probes` random vectors v, since E |(J - J^T) v|^2 = |J - J^T|^2: each
    probe needs a product with J and one with J^T. The estimate of 0 is 0 to rounding.
    """
    if point[0].numel() <= EXACT_SIZE:
        rows = [_jacobian(function, row, [tensor[index : index + 1] for tensor in context]) for index, row in enumerate(point)]
        jacobians = torch.stack(rows)
        return _index((jacobians - jacobians.mT).square().sum(), jacobians.square().sum())

    def at_point(x: Tensor) -> Tensor:
        return function(x, *context)

    generator = torch.Generator(device=point.device).manual_seed(seed)
    apart = whole = torch.zeros((), dtype=point.dtype, device=point.device)
    pullback: Callable[[Tensor], tuple[Tensor]] = torch.func.vjp(at_point, point)[1]
    for _ in range(probes):
        v = torch.randn(point.shape, generator=generator, dtype=point.dtype, device=point.device)
        forward: Tensor = torch.func.jvp(at_point, (point,), (v,))[1]
        (backward,) = pullback(v)
        apart = apart + (forward - backward).square().sum()
        whole = whole + forward.square().sum()
    return _index(apart, whole)


def _jacobian(function: Callable[..., Tensor], row: Tensor, context: list[Tensor]) -> Tensor:
    def single(x: Tensor) -> Tensor:
        return function(x.unsqueeze(0), *context).squeeze(0)

    size = row.numel()
    jacobian = torch.func.jacrev(single)(row)
    assert isinstance(jacobian, Tensor)
    return jacobian.reshape(size, size).detach()


def _index(apart: Tensor, whole: Tensor) -> float:
    return (apart.sqrt() / (2 * whole.sqrt())).item() if whole > 0 else 0.0


@dataclass(frozen=True)
class _Flat:
    """The states of some layers as one vector [batch, size], the others beside it."""

    names: tuple[str, ...]
    rest: tuple[str, ...]
    shapes: dict[str, tuple[int, ...]]

    @staticmethod
    def of(block: Block, layers: Iterable[Layer]) -> _Flat:
        """Of the layers that vary; the other slow ones are context."""
        names = tuple(layer.name for layer in layers)
        rest = tuple(layer.name for layer in block.slow if layer.name not in names)
        return _Flat(names, rest, {layer.name: layer.shape(block.axes) for layer in block.slow})

    def pack(self, states: Mapping[str, Tensor]) -> Tensor:
        """One vector of the layers that vary."""
        return torch.cat([states[name].flatten(1) for name in self.names], 1)

    def unpack(self, vector: Tensor, context: Iterable[Tensor]) -> dict[str, Tensor]:
        """Every layer's tensor."""
        parts: tuple[Tensor, ...] = torch.split(vector, [math.prod(self.shapes[name]) for name in self.names], 1)
        found = {name: part.reshape(-1, *self.shapes[name]) for name, part in zip(self.names, parts, strict=True)}
        return {**found, **dict(zip(self.rest, context, strict=True))}

    def context(self, states: Mapping[str, Tensor]) -> list[Tensor]:
        """The layers that do not vary."""
        return [states[name] for name in self.rest]


def pull_asymmetry(model: Model, state: States, block: int = 0, probes: int = 16) -> float:
    """The index of J = du/dg of a block at some states, over the layers that a group moves, the largest over its groups."""
    groups = range(len(model.ham.blocks[block].schedule))
    return max((_group_asymmetry(model, state, block, group, None, probes) for group in groups), default=0.0)


def synapse_asymmetry(model: Model, state: States, block: int = 0, probes: int = 16) -> dict[str, float]:
    """By synapse, the index of J = du/dg of its pulls alone, the largest over the groups that it acts in."""
    found: dict[str, float] = {}
    for group, scheduled in enumerate(model.ham.blocks[block].schedule):
        for synapse in dict.fromkeys(name for name, _ in scheduled.pulls):
            index = _group_asymmetry(model, state, block, group, synapse, probes)
            found[synapse] = max(index, found.get(synapse, 0.0))
    return found


def _group_asymmetry(model: Model, state: States, block: int, group: int, synapse: str | None, probes: int) -> float:
    here = model.ham.blocks[block]
    flat = _Flat.of(here, here.moved(here.schedule[group]))
    if not flat.names:
        return 0.0
    with torch.no_grad():
        states = model.states(block, state)
        g = {**states, **model.activation(states, block, group)}  # what nothing reads has no influence: any value does

    def u(vector: Tensor, *context: Tensor) -> Tensor:
        return flat.pack(model.pull(flat.unpack(vector, context), block, group, synapse))

    return asymmetry(u, flat.pack(g), *flat.context(g), probes=probes)


def activation_asymmetry(model: Model, state: States, block: int = 0, probes: int = 16) -> float:
    """The index of H = dg/dx of the slow layers at some states, the largest over the block's groups."""
    here, states = model.ham.blocks[block], model.states(block, state)
    found: list[float] = []
    for group in range(len(here.schedule)):
        flat = _Flat.of(here, [here.layer(name) for name in read_layers(model.ham, block, group)])
        if not flat.names:  # external fields alone
            continue
        found.append(asymmetry(_activation(model, flat, block, group), flat.pack(states), *flat.context(states), probes=probes))
    return max(found, default=0.0)


def _activation(model: Model, flat: _Flat, block: int, group: int) -> Callable[..., Tensor]:
    def g(vector: Tensor, *context: Tensor) -> Tensor:
        return flat.pack(model.activation(flat.unpack(vector, context), block, group))

    return g


def weight_asymmetry(model: Model) -> dict[str, float]:
    """By synapse, over all blocks: how far the weights that its pulls read are from each other. Tied ones are at 0."""
    read = {parameter.stored_name for parameter in model.program.parameters}
    norms: dict[str, list[Tensor]] = {synapse.name: [] for stage in model.ham.stages for synapse in stage.block.synapses}
    with torch.no_grad():
        for parameter in model.program.parameters:
            if parameter.base not in read or not parameter.trainable:  # no copy, or one of a bias that no other pull reads
                continue
            forth = model.stored(parameter.base)
            other = model.stored(parameter.stored_name)
            back = forth + other if parameter.penalty is not None else other
            synapse = parameter.base.split(".")[2]
            norms[synapse].append(torch.stack([(back - forth).square().sum(), back.square().sum(), forth.square().sum()]))
    return {synapse: _departure(parts) for synapse, parts in norms.items()}


def _departure(parts: list[Tensor]) -> float:
    if not parts:
        return 0.0
    apart, back, forth = torch.stack(parts).sum(0).sqrt()
    total = back + forth
    return (apart / total).item() if total > 0 else 0.0


def energy_trace(model: Model, state: States, steps: int, block: int = 0) -> Tensor:
    """The energy of a block along `steps` of its own updates, [steps + 1, batch]. Raises HopgraphError where there is none."""
    energies: list[Tensor] = [model.energy(state, block).detach()]
    with torch.no_grad():
        for _ in range(steps):
            state = model.update(state, block)
            energies.append(model.energy(state, block).detach())
    return torch.stack(energies)
