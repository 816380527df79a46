"""`verify`: the compiled model held against the oracle, its asymmetry, and its energy along its own updates."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch

from hopgraph.energy.lagrangians import breaking_gain
from hopgraph.graph.certificate import Verdict, holds_its_pulls
from hopgraph.lower.ledger import activation_asymmetry, energy_trace, pull_asymmetry, synapse_asymmetry
from hopgraph.lower.model import Model, block_certificate, compile_model, single_energy
from hopgraph.passes.pipeline import CheckedSpec

UPDATE_TOLERANCE = 1e-10
"""Compiled update against autograd of the energy, float64, relative."""
TIED_ASYMMETRY = 1e-12
"""The largest asymmetry index that rounding may give a block whose pulls are all tied."""
ROUNDING = 1e-12
"""A rise of the energy by less than this fraction of its size is rounding."""


@dataclass(frozen=True)
class Verification:
    """What was measured on one variant, in float64, with random weights; of several stages the worst.

    `circle_residual` is what the solutions of circles are off by, |g' - g| / |g| after one more iteration; None without any.
    """

    variant: str
    update_error: float
    asymmetry: float
    synapse_asymmetry: dict[str, float]
    activation_asymmetry: float
    tied: bool
    verdict: str
    energy_steps: int
    energy_rise: float | None
    energy_fall: float | None
    circle_residual: float | None
    problems: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {**asdict(self), "passed": not self.problems}


def verify(spec: CheckedSpec, variant: str, *, batch: int = 3, steps: int = 50, seed: int = 0, allow_large: bool = False) -> Verification:
    """Check the first block of each stage of a spec in float64 with random weights and states.

    - the compiled update against autograd of the energy, relative to the size of the update x' - x;
    - the asymmetry index of du/dg and of dg/dx, and of du/dg of each synapse alone;
    - for a spec with an energy, its largest relative rise in one of `steps` updates, and its fall over all of them;
    - the residual of its circles.

    `problems` holds what contradicts the spec: an update that is off, a tied block that is asymmetric, a guaranteed energy
    that rises.
    """
    generator = torch.Generator().manual_seed(seed)
    model = compile_model(spec, dtype=torch.float64, allow_large=allow_large).eval()
    randomise(model, generator)
    first = [sum(stage.block.depth for stage in spec.ham.stages[:index]) for index in range(len(spec.ham.stages))]
    found = [_verify_block(model, block, random_states(model, block, batch, generator), steps, variant) for block in first]
    return found[0] if len(found) == 1 else _worst(found)


def _worst(found: list[Verification]) -> Verification:
    """The worst of what was measured on several stages."""
    rises = [item.energy_rise for item in found if item.energy_rise is not None]
    falls = [item.energy_fall for item in found if item.energy_fall is not None]
    residuals = [item.circle_residual for item in found if item.circle_residual is not None]
    by_stage = enumerate(found)
    return Verification(
        found[0].variant,
        max(item.update_error for item in found),
        max(item.asymmetry for item in found),
        {f"{index}.{name}": value for index, item in by_stage for name, value in item.synapse_asymmetry.items()},
        max(item.activation_asymmetry for item in found),
        all(item.tied for item in found),
        max((Verdict(item.verdict) for item in found), key=lambda verdict: verdict.rank).value,
        max(item.energy_steps for item in found),
        max(rises, default=None),
        min(falls, default=None),
        max(residuals, default=None),
        tuple(f"stage {index}: {problem}" for index, item in enumerate(found) for problem in item.problems),
    )


def random_states(model: Model, block: int, batch: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Normal states of a block's slow layers."""
    here = model.ham.blocks[block]
    return {layer.name: torch.randn((batch, *layer.shape(here.axes)), dtype=torch.float64, generator=generator) for layer in here.slow}


def _verify_block(model: Model, block: int, states: dict[str, torch.Tensor], steps: int, variant: str) -> Verification:
    here, certificate = model.ham.blocks[block], block_certificate(model.spec, block)
    error = _update_error(model, block, states)
    tied = all(pull.symmetry == "tied" for synapse in here.synapses for pull in synapse.pulls)
    pulls = pull_asymmetry(model, states, block)
    rise, fall = _energy(model, block, states, steps)
    residuals = model.residual(states, block)
    problems: list[str] = []
    if not error <= UPDATE_TOLERANCE:
        problems.append(f"the compiled update differs from the energy's by {error:.1e}")
    gradients = not any(breaking_gain(layer.options, layer.axes) for layer in here.layers if layer.fast)
    whole = all(holds_its_pulls(here, group) for group in here.schedule)
    if tied and whole and gradients and not here.circles and not pulls <= TIED_ASYMMETRY:
        problems.append(f"all pulls are tied, yet the asymmetry is {pulls:.1e}")
    if certificate.verdict is Verdict.GUARANTEED and rise is not None and not rise <= ROUNDING:
        problems.append(f"the energy is guaranteed not to rise, yet rises by {rise:.1e}")
    return Verification(
        variant,
        error,
        pulls,
        synapse_asymmetry(model, states, block),
        activation_asymmetry(model, states, block),
        tied,
        certificate.verdict.value,
        steps if rise is not None else 0,
        rise,
        fall,
        max((residual.max().item() for residual in residuals.values()), default=None),
        tuple(problems),
    )


def _update_error(model: Model, block: int, states: dict[str, torch.Tensor]) -> float:
    """|compiled - oracle| / |oracle - x| over all layers; an update that moves x by less than a thousandth counts as that."""
    with torch.no_grad():
        compiled = model.update(states, block)
    wanted = {name: tensor.detach() for name, tensor in model.oracle(block).update(states).items()}
    apart = sum(((compiled[name] - wanted[name]).square().sum().item() for name in states), 0.0)
    moved = sum(((wanted[name] - states[name]).square().sum().item() for name in states), 0.0)
    size = sum((states[name].square().sum().item() for name in states), 0.0)
    return math.sqrt(apart / max(moved, 1e-6 * size))


def _energy(model: Model, block: int, states: dict[str, torch.Tensor], steps: int) -> tuple[float | None, float | None]:
    """The largest rise in one step and the least fall over all, relative to the energy's size; None without an energy."""
    if not single_energy(model.spec, block):
        return None, None
    energies = energy_trace(model, states, steps, block)
    size = energies.abs().amax(0).clamp(min=torch.finfo(energies.dtype).tiny)
    rise = ((energies[1:] - energies[:-1]) / size).max().item()
    return max(rise, 0.0), ((energies[0] - energies[-1]) / size).min().item()


def randomise(model: Model, generator: torch.Generator) -> None:
    """Random values for every parameter, so that nothing is checked at a special value such as 0 or 1; variances stay positive."""
    model.reset_parameters(generator)
    with torch.no_grad():
        for parameter in model.program.parameters:
            tensor = model.stored(parameter.stored_name)
            if parameter.init[0] == "constant":
                tensor.add_(0.3 * torch.randn(tensor.shape, dtype=tensor.dtype, generator=generator))
            if parameter.name.endswith(".running_var"):
                tensor.abs_().add_(0.1)
