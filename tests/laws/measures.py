"""The laws over random specs: each measures by how much one seed breaks it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
import yaml
from torch import Tensor

from hopgraph.graph.certificate import Verdict, holds_its_pulls
from hopgraph.graph.ham import Group
from hopgraph.lower.ledger import pull_asymmetry
from hopgraph.lower.model import Model
from hopgraph.lower.oracle import Oracle

from .drawing import random_spec
from .drawing.recipe import CIRCLES, EVERYTHING, GUARANTEED, ONE_GROUP, SOLVED, TAME, TIED, WHOLE, without_powers
from .energies import States, energies, hidden_energy, rises
from .specs import build, check, images, relative, slow_states
from .whole import oracle_forward

CALM = without_powers(SOLVED)
PENALIZED: dict[str, Any] = {"block.symmetry": {"penalized": 1e-3}}
OWN: dict[str, Any] = {"block.symmetry": "own"}


def apart(got: States, wanted: States) -> float:
    """The largest relative difference over some layers."""
    assert list(got) == list(wanted)
    return max((relative(got[name].detach(), wanted[name].detach()) for name in wanted), default=0.0)


# --- pulls and updates ------------------------------------------------------------------------------------------------


def update(seed: int) -> float:
    """The compiled update against the oracle's, of every block."""
    model = build(random_spec(seed, EVERYTHING), seed)
    found: list[float] = []
    for block in range(len(model.ham.blocks)):
        x = slow_states(model, seed=seed, block=block)
        found.append(apart(model.update(x, block), model.oracle(block).update(x)))
    return max(found)


def first_states(seed: int) -> float:
    """The compiled first states against the oracle's."""
    model = build(random_spec(seed, EVERYTHING), seed)
    entry = model.encode(images(model, seed=seed))
    return apart(model.states(0, model.start(entry)), {**slow_states(model), **model.oracle().started(entry)})


def activations(seed: int) -> float:
    """The compiled activations of each group against dL/dx by autograd."""
    model = build(random_spec(seed, EVERYTHING), seed)
    x, oracle = slow_states(model, seed=seed), model.oracle()
    found: list[float] = []
    for number, group in enumerate(model.ham.block.schedule):
        got = model.activation(x, 0, number)
        wanted = oracle.activations(x, group)
        found.append(apart(got, {name: wanted[name] for name in got}))
    return max(found)


def pull(seed: int) -> float:
    """The compiled pulls of each synapse in each group against -dE_s/dg by autograd."""
    model = build(random_spec(seed, EVERYTHING), seed)
    found: list[float] = []
    for block, here in enumerate(model.ham.blocks):
        oracle, g = model.oracle(block), slow_states(model, seed=seed, block=block)
        for number, group in enumerate(here.schedule):
            for synapse in dict.fromkeys(name for name, _ in group.pulls):
                got = model.pull(g, block, number, synapse)
                found += [relative(got[name].detach(), value) for name, value in _oracle_pulls(oracle, group, synapse, g).items()]
    return max(found)


def _oracle_pulls(oracle: Oracle, group: Group, synapse: str, g: States) -> dict[str, Tensor]:
    """By layer, the sum of a synapse's pulls in a group, or zeros."""
    _, settled = oracle.settled(g, group.fast)
    found: dict[str, Tensor] = {}
    for layer in oracle.block.moved(group):
        pulls = [(name, factor) for name, factor in group.pulls if name == synapse and _on(oracle, name, factor) == layer.name]
        value = oracle.field(layer, settled, pulls).detach() if pulls else torch.zeros_like(g[layer.name])
        found[layer.name] = value.expand_as(g[layer.name])
    return found


def _on(oracle: Oracle, synapse: str, factor: str) -> str:
    return oracle.block.synapse(synapse).factor(factor).layer


def gradient_of_the_total(seed: int) -> float:
    """All compiled pulls on a layer against -dE_h/dg of the whole energy: by the envelope theorem fast layers are at rest."""
    model = build(random_spec(seed, SOLVED), seed)
    g = {name: tensor.requires_grad_() for name, tensor in slow_states(model, seed=seed).items()}
    names = [layer.name for layer in model.ham.block.moving]
    slopes = torch.autograd.grad(hidden_energy(model.oracle(), g).sum(), [g[name] for name in names])
    total = {name: torch.zeros_like(g[name]) for name in names}
    for number in range(len(model.ham.block.schedule)):
        for name, value in model.pull(g, 0, number).items():
            total[name] = total[name] + value
    return apart(total, {name: -slope for name, slope in zip(names, slopes, strict=True)})


def slope(seed: int) -> float | None:
    """dE_h/dx = -H u, and dE_eff/dx = H (x - u), with H = dg/dx, of a block whose pulls act in one group; None where nothing is read."""
    model = build(random_spec(seed, ONE_GROUP), seed)
    x = {name: tensor.requires_grad_() for name, tensor in slow_states(model, seed=seed).items()}
    names = [layer.name for layer in model.ham.block.moving]
    read = [name for name, tensor in model.activation(x).items() if name in names and tensor.requires_grad]
    if not read:
        return None
    slopes = torch.autograd.grad(model.energy(x).sum(), [x[name] for name in read])
    u = model.pull({**x, **model.activation(x)})
    found: list[float] = []
    for name, got in zip(read, slopes, strict=True):
        along = x[name] - u[name] if name in model.certificate.relaxed else -u[name]
        (wanted,) = torch.autograd.grad(
            model.activation(x)[name], x[name], along.detach()
        )  # H is symmetric: a product with H^T is one with H
        found.append(relative(got, wanted))
    return max(found, default=0.0)


def asymmetry(seed: int) -> float | None:
    """The index of J = du/dg of a tied block, over all layers that a group moves; None where a synapse acts in two groups."""
    model = build(random_spec(seed, SOLVED), seed)
    if not all(holds_its_pulls(model.ham.block, group) for group in model.ham.block.schedule):
        return None
    return pull_asymmetry(model, slow_states(model, 2, seed))


# --- symmetries -------------------------------------------------------------------------------------------------------


def base_name(name: str) -> str:
    """The stored name of the weight that a copy or a departure belongs to."""
    return re.sub(r"\.(own|penalized)_[^.]+", "", name)


def copied(model: Model, tied: Model) -> None:
    """Give a model the weights of a tied one: its copies those of the base, its departures 0.

    A bias that only a copy has is read by that pull alone; it is 0 in both.
    """
    weights: dict[str, Tensor] = tied.state_dict()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            base = weights.get(base_name(name), torch.zeros_like(tensor))
            tensor.copy_(torch.zeros_like(base) if ".penalized_" in name and "running" not in name else base)


def copies(seed: int, overrides: Mapping[str, Any]) -> float:
    """Own pulls with the tied weights, or penalized ones with V = 0, against the tied ones."""
    text = random_spec(seed, TIED)
    tied, other = build(text, seed), build(text, seed, dict(overrides))
    copied(other, tied)
    x = slow_states(tied, seed=seed)
    return apart(other.update(x), tied.update(x))


def own_copies(seed: int) -> float:
    """Own pulls with the tied weights against the tied ones."""
    return copies(seed, OWN)


def no_departure(seed: int) -> float:
    """Penalized pulls with V = 0 against the tied ones."""
    return copies(seed, PENALIZED)


def coordinates(seed: int) -> float:
    """Penalized pulls against own ones with W + V."""
    text = random_spec(seed, TIED)
    penalized, own = build(text, seed, PENALIZED), build(text, seed, OWN)
    weights: dict[str, Tensor] = penalized.state_dict()
    with torch.no_grad():
        for name, tensor in own.state_dict().items():
            departure = weights[name.replace(".own_", ".penalized_")] if ".own_" in name else torch.zeros(())
            kept = "running" in name and ".own_" in name
            tensor.copy_(departure if kept else weights.get(base_name(name), torch.zeros(())) + departure)
    x = slow_states(own, seed=seed)
    return apart(own.update(x), penalized.update(x))


# --- whole models -----------------------------------------------------------------------------------------------------


def forward(seed: int) -> float | None:
    """The compiled forward against one driven by the oracle; None where products of three activations leave the range of numbers."""
    model = build(random_spec(seed, WHOLE), seed)
    x = images(model, seed=seed)
    got = model(x).detach()
    return relative(got, oracle_forward(model, x).detach()) if _in_range(got) else None


def _in_range(x: Tensor) -> bool:
    return bool((x.abs() < 1e100).all())


def gradients(seed: int) -> float | None:
    """The gradient of every parameter, and of the input, through both forwards, relative to the largest of all; None out of range."""
    model = build(random_spec(seed, WHOLE), seed)
    x = images(model, seed=seed)
    if not _in_range(model(x)):
        return None
    leaves = [*model.parameters(), *([x.requires_grad_()] if x.is_floating_point() else [])]
    found: list[list[Tensor]] = []
    for output in (model(x), oracle_forward(model, x)):
        direction = torch.randn(output.shape, generator=torch.Generator().manual_seed(seed), dtype=output.dtype)
        found.append(list(torch.autograd.grad((output * direction).sum(), leaves, allow_unused=True, materialize_grads=True)))
    size = max(tensor.abs().max().item() for tensor in found[1])
    return max((got - wanted).abs().max().item() for got, wanted in zip(*found, strict=True)) / (size or 1.0)


def steps_and_depth(seed: int) -> float | None:
    """The forward against updates one after the other; None out of range."""
    model = build(random_spec(seed, TAME), seed, {"readout": []})
    block, x = model.ham.block, images(model, seed=seed)
    state = model.encode(x)
    for index in range(block.depth):
        states = model.states(index, model.start(state, index))
        for _ in range(block.steps):
            states = model.update(states, index)
        state = states[block.exit]
    return relative(model(x).detach(), state.detach()) if _in_range(state) else None


# --- energy -----------------------------------------------------------------------------------------------------------


def descent(seed: int) -> float:
    """The largest relative rise of a guaranteed energy in 200 updates from 100 states, at the largest step."""
    model = build(random_spec(seed, GUARANTEED), seed)
    return max(0.0, rises(energies(model, slow_states(model, 100, seed, 3.0), 200)).max().item())


def descent_of_any(seed: int) -> float | None:
    """The same of a tied spec that was not made to be guaranteed, at its own step; None where it is not."""
    model = build(random_spec(seed, CALM), seed)
    if model.certificate.verdict is not Verdict.GUARANTEED:
        return None
    return max(0.0, rises(energies(model, slow_states(model, 100, seed, 3.0), 200)).max().item())


def circle_text(seed: int, iterations: int) -> str:
    """A tied spec with circles that are solved by so many iterations."""
    spec: dict[str, Any] = yaml.safe_load(random_spec(seed, CIRCLES))
    solve: Any = spec["block"].get("solve", [])
    circles: list[dict[str, Any]] = [solve] if isinstance(solve, dict) else solve
    for circle in circles:
        circle["iterations"] = iterations
    return yaml.safe_dump(spec, sort_keys=False)


def solved_circle(seed: int) -> float | None:
    """The asymmetry of a tied circle after 30 iterations; None where there is no circle or it does not converge by then."""
    if not check(random_spec(seed, CIRCLES)).ham.block.circles:
        return None
    model = build(circle_text(seed, 30), seed)
    x = slow_states(model, 2, seed)
    residuals = [residual.max().item() for residual in model.residual(x).values()]
    return pull_asymmetry(model, x) if max(residuals) < 1e-12 else None
