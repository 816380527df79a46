"""What one step down an energy costs: in closed form, as the compiled model has it, against autograd of the energy, as HAMUX has it.

    python -m benchmarks.descent [--quick] [--out FOLDER]

The rivals are in benchmarks/rivals: the energy with its hidden layers at their values, by torch.autograd.grad, with activations in closed
form and weights that take no gradient, which is the cheapest form of it. One step of both is equal, in float64, before anything is timed.
The target is 1.7x faster at least on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (the name that torch's own documentation uses)
from torch import Tensor

from benchmarks.base import Effort, Result, Step, Target, compared, effort, interleaved
from benchmarks.pairs import TOLERANCE, relative
from benchmarks.rivals.energies import Energy, descend, gelu_lagrangian, mixer_energy, modern_energy, relu_lagrangian
from benchmarks.rivals.energy_transformer import EnergyTransformer
from benchmarks.rivals.energy_transformer import settings as transformer_settings
from benchmarks.rivals.parts import EPS, Sizes
from benchmarks.tables import Table, command
from hopgraph.lower.model import Model, compile_model
from hopgraph.passes.pipeline import load
from hopgraph.train.importing import import_weights

BATCH = 16
TARGETS = {"cpu": Target(1.7, "at least"), "cuda": Target(2.0, "at least")}
"""By device."""

Update = Callable[[Tensor], Tensor]
"""One step of a state."""


@dataclass(frozen=True)
class Case:
    """A spec whose block has an energy, and the step by autograd with a model's weights."""

    name: str
    spec: str
    variant: str
    settings: dict[str, Any]
    by_autograd: Callable[[Model], Update]


def mixer(lagrangian: Callable[[Tensor], Tensor], model: Model) -> Update:
    """The step of a SymMixer."""
    token, channel = (model.stored(f"blocks.0.{name}.x.dense.weight").detach() for name in ("token", "channel"))
    gain = model.stored("blocks.0.x.log_gain").detach().exp()
    energy = mixer_energy(token, channel, lagrangian)

    def step(x: Tensor) -> Tensor:
        return descend(x, F.layer_norm(x, x.shape[1:], eps=EPS) * gain, energy, 1.0)

    return step


def hopfield(model: Model) -> Update:
    """The step of a modern Hopfield network, whose activation is the state itself."""
    energy: Energy = modern_energy(model.stored("blocks.0.memory.x.dense.weight").detach())
    return lambda x: descend(x, x, energy, 1.0)


def transformer(sizes: Sizes, model: Model) -> Update:
    """The step of the Energy Transformer."""
    rival = EnergyTransformer(sizes).to(next(model.parameters())).requires_grad_(False)
    model.load_state_dict(import_weights(model.spec, rival.state_dict()))
    return lambda x: descend(x, rival.normalized(x), rival.energy, 0.1)


TOY = (Sizes(image=8, patch=4, channels=16, depth=1, heads=2), (12, 4))
SMALL = (Sizes(image=16, patch=4, channels=64, depth=1, heads=4), (64, 10))
LARGE = (Sizes(image=32, patch=4, channels=256, depth=1, heads=8), (3072, 1024))
"""The sizes of the networks of images, and neurons and patterns of the Hopfield network."""


def cases(quick: bool) -> tuple[Case, ...]:
    """All that are measured: both sizes, since what autograd adds is fixed for each operation, and large products hide it."""
    return tuple(case for size in ((TOY,) if quick else (SMALL, LARGE)) for case in sized(*size))


def sized(sizes: Sizes, memory: tuple[int, int]) -> tuple[Case, ...]:
    """The cases of one size."""
    neurons, patterns = memory
    told = f"{sizes.patches} tokens, {sizes.channels} channels"
    return (
        Case(f"paramixer, {told}", "paramixer", "symmetric", sizes.settings, partial(mixer, gelu_lagrangian)),
        Case(f"paramixer relu, {told}", "paramixer", "symmetric,relu", sizes.settings, partial(mixer, relu_lagrangian)),
        Case(f"energy_transformer, {told}", "energy_transformer", "symmetric", transformer_settings(sizes), partial(transformer, sizes)),
        Case(
            f"hopfield modern, {neurons} neurons, {patterns} patterns",
            "hopfield",
            "modern",
            {"dims.N": neurons, "dims.M": patterns},
            hopfield,
        ),
    )


def made(case: Case, dtype: torch.dtype, device: str = "cpu") -> tuple[Update, Update, Tensor]:
    """Both steps with the same weights, and a state."""
    model = compile_model(load(case.spec, case.variant, case.settings), dtype=dtype).to(device)
    other = case.by_autograd(model)
    block = model.ham.blocks[0]
    (slow,) = block.slow
    state = torch.randn(BATCH, *slow.shape(block.axes), dtype=dtype, generator=torch.Generator().manual_seed(0))

    def ours(x: Tensor) -> Tensor:
        with torch.no_grad():
            return model.update(x)

    return ours, other, state.to(device)


def difference(case: Case) -> float:
    """The relative difference of what a step changes, in float64; an AssertionError where the two steps are not the same."""
    ours, other, state = made(case, torch.float64)
    found = relative(ours(state) - state, other(state) - state)
    assert found <= TOLERANCE, f"autograd of the energy of {case.name} steps elsewhere: {found:.1e}"
    return found


def row(case: Case, given: Effort, device: str = "cpu", wait: Step | None = None) -> Result:
    """One case."""
    equal, target = difference(case), TARGETS[device]
    ours, other, state = made(case, torch.float32, device)
    steps: dict[str, Step] = {"ours": partial(ours, state), "theirs": partial(other, state)}
    found = interleaved(steps, given, wait)
    return compared(
        "one energy-descent step", "autograd of the energy", found["ours"], found["theirs"], name=case.name, target=target, equal=equal
    )


def measure(quick: bool) -> Table:
    """Every case."""
    return Table(tuple(row(case, effort(quick)) for case in cases(quick)))


def main() -> None:
    """Print the table."""
    command("descent", __doc__ or "", measure)


if __name__ == "__main__":
    main()
