"""`verify`: the compiled model held against the oracle, its asymmetry, and its energy along its own updates."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch

from hopgraph.energy.lagrangians import breaking_gain
from hopgraph.graph.certificate import Verdict
from hopgraph.lower.ledger import activation_asymmetry, energy_trace, pull_asymmetry
from hopgraph.lower.model import Model, compile_model
from hopgraph.passes.pipeline import CheckedSpec

UPDATE_TOLERANCE = 1e-10
"""Compiled update against autograd of the energy, float64, relative."""
TIED_ASYMMETRY = 1e-12
"""The largest asymmetry index that rounding may give a block whose pulls are all tied."""
ROUNDING = 1e-12
"""A rise of the energy by less than this fraction of its size is rounding."""


@dataclass(frozen=True)
class Verification:
    """What was measured on one variant, in float64, with random weights."""

    variant: str
    update_error: float
    asymmetry: float
    activation_asymmetry: float
    tied: bool
    verdict: str
    energy_steps: int
    energy_rise: float | None
    energy_fall: float | None
    problems: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {**asdict(self), "passed": not self.problems}


def verify(spec: CheckedSpec, variant: str, *, batch: int = 3, steps: int = 50, seed: int = 0) -> Verification:
    """Check one block of a spec in float64 with random weights and states.

    - the compiled update against autograd of the energy, relative to the size of the update x' - x;
    - the asymmetry index of du/dg and of dg/dx;
    - for a spec with an energy, its largest relative rise in one of `steps` updates, and its fall over all of them.

    `problems` holds what contradicts the spec: an update that is off, a tied block that is asymmetric, a guaranteed energy
    that rises.
    """
    generator = torch.Generator().manual_seed(seed)
    model = compile_model(spec, dtype=torch.float64)
    randomise(model, generator)
    layer = spec.ham.block.slow[0]
    shape = [spec.ham.block.axes[axis] for axis in layer.axes]
    state = torch.randn((batch, *shape), dtype=torch.float64, generator=generator)

    with torch.no_grad():
        compiled = model.update(state) - state
    wanted = model.oracle().update(state).detach() - state
    error = ((compiled - wanted).square().sum() / wanted.square().sum()).sqrt().item()
    tied = all(pull.symmetry == "tied" for synapse in spec.ham.block.synapses for pull in synapse.pulls)
    pulls = pull_asymmetry(model, state)
    rise, fall = _energy(model, state, steps)
    guaranteed = spec.certificate.verdict is Verdict.GUARANTEED
    problems: list[str] = []
    if not error <= UPDATE_TOLERANCE:
        problems.append(f"the compiled update differs from the energy's by {error:.1e}")
    gradients = not any(breaking_gain(layer.options, layer.axes) for layer in spec.ham.block.layers if layer.fast)
    if tied and gradients and not pulls <= TIED_ASYMMETRY:
        problems.append(f"all pulls are tied, yet the asymmetry is {pulls:.1e}")
    if guaranteed and rise is not None and not rise <= ROUNDING:
        problems.append(f"the energy is guaranteed not to rise, yet rises by {rise:.1e}")
    return Verification(
        variant,
        error,
        pulls,
        activation_asymmetry(model, state),
        tied,
        spec.certificate.verdict.value,
        steps if rise is not None else 0,
        rise,
        fall,
        tuple(problems),
    )


def _energy(model: Model, state: torch.Tensor, steps: int) -> tuple[float | None, float | None]:
    """The largest rise in one step and the least fall over all, relative to the energy's size; None without an energy."""
    if not model.has_energy:
        return None, None
    energies = energy_trace(model, state, steps)
    size = energies.abs().amax(0).clamp(min=torch.finfo(energies.dtype).tiny)
    rise = ((energies[1:] - energies[:-1]) / size).max().item()
    return max(rise, 0.0), ((energies[0] - energies[-1]) / size).min().item()


def randomise(model: Model, generator: torch.Generator) -> None:
    """Random values for every parameter, so that nothing is checked at a special value such as 0 or 1."""
    model.reset_parameters(generator)
    with torch.no_grad():
        for parameter in model.program.parameters:
            tensor = model.get_parameter(parameter.stored_name)
            if parameter.init[0] == "constant":
                tensor.add_(0.3 * torch.randn(tensor.shape, dtype=tensor.dtype, generator=generator))
