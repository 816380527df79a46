"""The ledger: how asymmetric a model is, measured.

The index of a matrix J is |J - J^T| / (2 |J|), Frobenius: 0 for a symmetric one, 1 for an antisymmetric one, about 0.71 for
a random one. J = du/dg cannot see a norm's gain, so H = dg/dx is measured as well; weights are compared by
|W_back - W_forth| / (|W_back| + |W_forth|), of a penalized pull |V| / (|W + V| + |W|).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hopgraph.lower.model import Model

EXACT_SIZE = 512
"""Jacobians of at most so many rows are computed whole; larger ones are probed by random vectors."""


def asymmetry(function: Callable[[Tensor], Tensor], point: Tensor, probes: int = 16, seed: int = 0) -> float:
    """The index of the Jacobian of `function` at each point of a batch [batch, ...], over the whole batch.

    Exact for at most EXACT_SIZE elements; else by `probes` random vectors v, since E |(J - J^T) v|^2 = |J - J^T|^2: each
    probe needs a product with J and one with J^T. The estimate of 0 is 0 to rounding.
    """
    if point[0].numel() <= EXACT_SIZE:
        jacobians = torch.stack([_jacobian(function, row) for row in point])
        return _index((jacobians - jacobians.mT).square().sum(), jacobians.square().sum())
    generator = torch.Generator(device=point.device).manual_seed(seed)
    apart = whole = torch.zeros((), dtype=point.dtype, device=point.device)
    pullback: Callable[[Tensor], tuple[Tensor]] = torch.func.vjp(function, point)[1]
    for _ in range(probes):
        v = torch.randn(point.shape, generator=generator, dtype=point.dtype, device=point.device)
        forward: Tensor = torch.func.jvp(function, (point,), (v,))[1]
        (backward,) = pullback(v)
        apart = apart + (forward - backward).square().sum()
        whole = whole + forward.square().sum()
    return _index(apart, whole)


def _jacobian(function: Callable[[Tensor], Tensor], row: Tensor) -> Tensor:
    def single(x: Tensor) -> Tensor:
        return function(x.unsqueeze(0)).squeeze(0)

    size = row.numel()
    jacobian = torch.func.jacrev(single)(row)
    assert isinstance(jacobian, Tensor)
    return jacobian.reshape(size, size).detach()


def _index(apart: Tensor, whole: Tensor) -> float:
    return (apart.sqrt() / (2 * whole.sqrt())).item() if whole > 0 else 0.0


def pull_asymmetry(model: Model, state: Tensor, block: int = 0, probes: int = 16) -> float:
    """The index of J = du/dg of a block at some states, the largest over its groups."""
    groups = range(len(model.ham.block.schedule))
    with torch.no_grad():
        activations = [model.activation(state, block, group) for group in groups]
    return max(asymmetry(_bound(model.pull, block, group), activations[group], probes) for group in groups)


def activation_asymmetry(model: Model, state: Tensor, block: int = 0, probes: int = 16) -> float:
    """The index of H = dg/dx of the slow layer at some states, the largest over the block's groups."""
    groups = range(len(model.ham.block.schedule))
    return max(asymmetry(_bound(model.activation, block, group), state, probes) for group in groups)


def _bound(method: Callable[[Tensor, int, int], Tensor], block: int, group: int) -> Callable[[Tensor], Tensor]:
    return lambda x: method(x, block, group)


def weight_asymmetry(model: Model) -> dict[str, float]:
    """By synapse, over all blocks: how far the weights that its pulls read are from each other. Tied ones are at 0."""
    read = {parameter.stored_name for parameter in model.program.parameters}
    norms: dict[str, list[Tensor]] = {synapse.name: [] for synapse in model.ham.block.synapses}
    with torch.no_grad():
        for parameter in model.program.parameters:
            if parameter.base not in read:  # no copy, or one of a bias that no other pull reads
                continue
            forth = model.get_parameter(parameter.base)
            other = model.get_parameter(parameter.stored_name)
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


def energy_trace(model: Model, state: Tensor, steps: int, block: int = 0) -> Tensor:
    """The energy of a block along `steps` of its own updates, [steps + 1, batch]. Raises HopgraphError where there is none."""
    energies: list[Tensor] = [model.energy(state, block).detach()]
    with torch.no_grad():
        for _ in range(steps):
            state = model.update(state, block)
            energies.append(model.energy(state, block).detach())
    return torch.stack(energies)
