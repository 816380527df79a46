"""The dynamics of a block, run from given states to a fixed point, with the energy along the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hopgraph.errors import HopgraphError
from hopgraph.lower.model import Model, States, require_energy
from hopgraph.recall.arrays import wrong
from hopgraph.recall.memory import only_memory, stored_patterns

TINY = 1e-300
"""The least norm that a cosine divides by."""


@dataclass(frozen=True)
class Recall:
    """What the dynamics did, in float64.

    `states` are the last ones by the names of the slow layers, [batch, *axes]. `updates` are how many it took each example until
    |x' - x| <= tolerance |x| over all slow layers, None where it had not settled. `energies` are those before the first update
    and after each, [updates + 1, batch], or None with the `reason`. `overlaps` are the cosines of the entry layer's activation, which
    is what the synapses see, with the stored patterns, [batch, patterns], or None where the spec stores none that are states.
    """

    states: dict[str, Tensor]
    updates: tuple[int | None, ...]
    energies: Tensor | None
    reason: str | None
    overlaps: Tensor | None

    @property
    def nearest(self) -> Tensor | None:
        """The index of the pattern of the greatest overlap, [batch]."""
        return None if self.overlaps is None else self.overlaps.argmax(1)

    @property
    def largest_rise(self) -> Tensor | None:
        """The largest rise of the energy in one update, [batch]; 0 where it never rose."""
        return None if self.energies is None else self.energies.diff(dim=0).amax(0).clamp(min=0)


def recall(model: Model, states: States, block: int = 0, steps: int = 100, tolerance: float = 1e-6) -> Recall:
    """Update the slow layers of a block, in evaluation and float64, until all examples are settled or `steps` are done.

    `states` are [batch, *axes]: a tensor where the block has one slow layer, else tensors by name. An example that has settled
    stays where it is, so that none depends on the others beside it. The model is left as it is. Raises HopgraphError for states
    of other sizes than the layers.
    """
    assert steps >= 1
    exact = in_float64(model)
    current = _by_name(exact, states, block)
    reason = why_no_energy(exact, block)
    energies = [] if reason else [_energy(exact, current, block)]
    settled: list[int | None] = [None] * len(next(iter(current.values())))
    for step in range(1, steps + 1):
        still = torch.tensor([done is None for done in settled])
        current, change = _updated(exact, current, block, still)
        settled = [step if done is None and near else done for done, near in zip(settled, change <= tolerance, strict=True)]
        if not reason:
            energies.append(_energy(exact, current, block))
        if None not in settled:
            break
    overlaps = _overlaps(exact, current, block)
    return Recall(current, tuple(settled), torch.stack(energies) if energies else None, reason, overlaps)


def in_float64(model: Model) -> Model:
    """A copy of a model in float64, for evaluation."""
    some = next(model.parameters(), None)
    copy = Model(model.spec, device=None if some is None else some.device, dtype=torch.float64)
    copy.load_state_dict(model.state_dict())
    return copy.eval()


def why_no_energy(model: Model, block: int) -> str | None:
    """Why the energy of a block cannot be followed, or None where it can."""
    try:
        require_energy(model.spec, block)
    except HopgraphError as error:
        return "; ".join(diagnostic.message for diagnostic in error.diagnostics)
    return None


def _by_name(model: Model, states: States, block: int) -> dict[str, Tensor]:
    """The states by layer in float64, each of its layer's shape."""
    here = model.ham.blocks[block]
    given = dict(states) if isinstance(states, Mapping) else {here.slow[0].name: states}
    wanted = {layer.name: layer.shape(here.axes) for layer in here.slow}
    if set(given) != set(wanted):
        raise wrong(f"there are states for {', '.join(given)}, and the slow layers are {', '.join(wanted)}")
    for name, shape in wanted.items():
        if tuple(given[name].shape[1:]) != shape:
            message = f"the states of layer `{name}` are {list(given[name].shape[1:])} each, and the layer is {list(shape)}"
            raise wrong(message)
    device = next(model.parameters(), next(iter(given.values()))).device
    return {name: given[name].to(device, torch.float64) for name in wanted}


def _updated(model: Model, states: dict[str, Tensor], block: int, still: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """One update of those examples that are `still` moving, and |x' - x| / |x| of each over all layers."""
    with torch.no_grad():
        after: dict[str, Tensor] = model.update(states, block)
    moved = sum((_squares(after[name] - state) for name, state in states.items()), torch.zeros(len(still)))
    size = sum((_squares(state) for state in states.values()), torch.zeros(len(still)))
    change = torch.where(moved == 0, 0.0, (moved / size).sqrt()).cpu()
    kept = {name: torch.where(_like(still, state), after[name], state) for name, state in states.items()}
    return kept, change


def _squares(x: Tensor) -> Tensor:
    return x.detach().cpu().flatten(1).square().sum(1)


def _like(still: Tensor, state: Tensor) -> Tensor:
    return still.to(state.device).reshape(-1, *[1] * (state.ndim - 1))


def _energy(model: Model, states: dict[str, Tensor], block: int) -> Tensor:
    with torch.no_grad():
        return model.energy(states, block).detach().cpu()


def _overlaps(model: Model, states: dict[str, Tensor], block: int) -> Tensor | None:
    """Cosines of the entry layer's activations with the stored patterns; 0 for a state or a pattern of zeros."""
    memory = only_memory(model.spec, block)
    if memory is None:
        return None
    entry = model.ham.blocks[block].entry
    with torch.no_grad():
        seen: dict[str, Tensor] = model.activation(states, block)
    g = seen.get(entry, states[entry]).flatten(1)
    return (normalize(g, dim=1, eps=TINY) @ normalize(stored_patterns(model, memory), dim=1, eps=TINY).T).cpu()


# --- first states -----------------------------------------------------------------------------------------------------


def corrupted(states: Tensor, share: float, noise: float, seed: int) -> Tensor:
    """States [batch, width] with the sign of a share of each one's elements flipped, and normal noise of deviation `noise` added.

    Exactly round(share * width) elements of each are flipped, at random places.
    """
    generator = torch.Generator().manual_seed(seed)
    places = torch.rand(states.shape, generator=generator, dtype=torch.float64).argsort(1)
    flipped = places < round(share * states.shape[1])
    normal = torch.randn(states.shape, generator=generator, dtype=torch.float64)
    return torch.where(flipped, -states, states) + noise * normal
