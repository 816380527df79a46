"""The certificate: what a block's energy is known to do along its updates, from the graph alone, without running it.

With every acting pull tied, every Lagrangian convex, fast layers that do not touch each other, no synapse of two factors that
one group moves, a positive step that is constant along what an activation couples, and all pulls of a layer in one group:

- residual, x + a u, never raises E_h (the energy without <x, g> - L of the layer) for any a > 0, because E_h is
  concave in g and <x' - x, g' - g> >= 0;
- decay, (1 - a) x + a u, never raises E_eff (the energy with it) for 0 < a <= 1, because dE <= -((1-a)/a) <x' - x, g' - g>.

Groups that move different layers in turn are steps of one descent: each is the case above, the other layers held. A clamped
layer is a constant, and a pull on it never acts.

Each condition that fails lowers the verdict and is named with the place in the spec that caused it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from hopgraph.energy.lagrangians import breaking_gain, over_axes
from hopgraph.energy.options import as_mapping
from hopgraph.errors import Path
from hopgraph.graph.contraction import contraction_rate
from hopgraph.graph.ham import Block, Group, Layer, chain_maps


class Verdict(Enum):
    """What is certified, from the strongest to the weakest.

    GUARANTEED: no update raises the energy at the spec's step. CONTINUOUS_TIME: the energy falls along the continuous
    dynamics; nothing is said of a finite step. SMALL_STEP: it falls for a small enough step, which need not be the spec's.
    SPLITTING: each group descends its own part; their total may rise. NONE: there is no energy, or nothing keeps it from
    rising.
    """

    GUARANTEED = "guaranteed"
    CONTINUOUS_TIME = "continuous-time"
    SMALL_STEP = "small-step"
    SPLITTING = "splitting"
    NONE = "none"

    @property
    def rank(self) -> int:
        """0 for the strongest."""
        return list(Verdict).index(self)


@dataclass(frozen=True)
class Reason:
    """Why the verdict is not stronger: what it lowers the verdict to, in words, and where in the spec."""

    verdict: Verdict
    text: str
    at: Path


@dataclass(frozen=True)
class Certificate:
    """The verdict on one block (all depths alike), the steps it holds for, which energy it is about, and its reasons.

    The energy holds `<x, g> - L` of the fast layers, and of the slow layers `relaxed`, those that decay moves: `energy` is its name,
    E_h where there are none. `has_energy` says whether the dynamics are those of an energy at all: every acting pull tied,
    every activation a gradient. `notes` lower nothing.
    """

    verdict: Verdict
    steps: str
    energy: str
    relaxed: tuple[str, ...]
    reasons: tuple[Reason, ...]
    notes: tuple[Reason, ...]
    has_energy: bool

    def __str__(self) -> str:
        return f"{self.verdict.value} ({self.steps})" if self.steps else self.verdict.value


def certify(block: Block) -> Certificate:
    """The certificate of a scheduled block."""
    breaking = [*_untied(block), *_no_gradient(block)]
    reasons = (*breaking, *_curvature(block), *_splitting(block), *_couplings(block), *_steps(block), *_circles(block))
    verdict = max((reason.verdict for reason in reasons), key=lambda v: v.rank, default=Verdict.GUARANTEED)
    decaying = [layer.name for group in block.schedule if group.form == "decay" for layer in block.moved(group)]
    relaxed = tuple(layer.name for layer in block.moving if layer.name in decaying)
    steps = ""
    if verdict is Verdict.GUARANTEED:
        steps = "any step 0 < a <= 1" if relaxed else "any step a > 0"
    energy = f"E_eff of {', '.join(relaxed)}" if 0 < len(relaxed) < len(block.moving) else "E_eff" if relaxed else "E_h"
    return Certificate(verdict, steps, energy, relaxed, reasons, tuple(_notes(block)), not breaking)


def weakest(certificates: Iterable[Certificate]) -> Certificate:
    """The certificate with the weakest verdict, the first of several."""
    return max(certificates, key=lambda certificate: certificate.verdict.rank)


def holds_its_pulls(block: Block, group: Group) -> bool:
    """Whether a group has every pull, on a layer that it moves, of the synapses in it and of those that touch its fast layers.

    Then its pulls, all tied, are the gradient of one energy; a pull of these that acts in another group is missing from it.
    """
    moved = {layer.name for layer in block.moved(group)}
    names = {name for name, _ in group.pulls}
    touching = [s for s in block.synapses if s.name in names or any(factor.layer in group.fast for factor in s.factors)]
    pulls = [(s, pull) for s in touching for pull in s.pulls if pull.symmetry != "off" and s.factor(pull.factor).layer in moved]
    return all((synapse.name, pull.factor) in group.pulls for synapse, pull in pulls)


# --- is there an energy -----------------------------------------------------------------------------------------------


def _untied(block: Block) -> Iterator[Reason]:
    clamped = {layer.name for layer in block.layers if layer.clamped}
    for synapse in block.synapses:
        for pull in synapse.pulls:
            if pull.symmetry != "tied" and synapse.factor(pull.factor).layer not in clamped:
                yield Reason(
                    Verdict.NONE,
                    f"the pull on `{pull.factor}` of synapse `{synapse.name}` is {pull.symmetry}: no energy has both pulls",
                    pull.at,
                )


def _no_gradient(block: Block) -> Iterator[Reason]:
    for layer in block.layers:
        along = breaking_gain(layer.options, layer.axes)
        if along:
            axes = ", ".join(along)
            text = f"the gain of layer `{layer.name}` varies along [{axes}], which it normalizes: no Lagrangian has this gradient"
            yield Reason(Verdict.NONE, text, (*layer.at, "lagrangian", layer.lagrangian, "gain"))


# --- does it fall -----------------------------------------------------------------------------------------------------


def _curvature(block: Block) -> Iterator[Reason]:
    for layer in block.layers:
        if layer.convex or layer.clamped:
            continue
        at = (*layer.at, "lagrangian")
        if not layer.fast:
            yield Reason(Verdict.NONE, f"the Lagrangian of the slow layer `{layer.name}`, {layer.lagrangian}, is not convex", at)
        else:
            text = f"the Lagrangian of the fast layer `{layer.name}`, {layer.lagrangian}, is not convex: the energy is not concave in g"
            yield Reason(_for_small_steps(block), text, at)


def _for_small_steps(block: Block) -> Verdict:
    """What curvature leaves: some step is small enough where every slow activation has a Lipschitz constant."""
    bounded = all((_slopes(layer) or (0.0, 0.0))[1] < float("inf") for layer in block.moving)
    return Verdict.SMALL_STEP if bounded else Verdict.CONTINUOUS_TIME


def _slopes(layer: Layer) -> tuple[float, float] | None:
    """The slopes of an activation for given weights: what is learned has some value, as good as its start."""
    starts = {name: (as_mapping(value) or {}).get("learned", value) for name, value in layer.options.items()}
    return layer.record.slopes(starts)


def _splitting(block: Block) -> Iterator[Reason]:
    for layer in block.moving:
        groups = [group for group in block.schedule if layer in block.moved(group)]
        if len(groups) > 1:
            text = f"the pulls on layer `{layer.name}` act in {len(groups)} groups in turn: each descends its own part of the energy"
            yield Reason(Verdict.SPLITTING, text, groups[1].at)
    for layer in block.slow if len(block.schedule) > 1 else ():
        owner = next((group for group in block.schedule if layer.name in group.own_norms), None)
        if owner is not None:
            text = f"layer `{layer.name}` has its own norm in a group: each group has another energy"
            yield Reason(Verdict.SPLITTING, text, (*owner.at, "norm"))


def _couplings(block: Block) -> Iterator[Reason]:
    for group in block.schedule:
        moved = {layer.name for layer in block.moved(group)}
        for synapse in block.synapses:
            factors = [factor for factor in synapse.factors if factor.layer in moved]
            if len(factors) > 1 and any(name == synapse.name for name, _ in group.pulls):
                text = f"synapse `{synapse.name}` couples slow factors with each other, and is not known to be positive semidefinite"
                yield Reason(_for_small_steps(block), text, synapse.at)


def _steps(block: Block) -> Iterator[Reason]:
    for group in block.schedule:
        for layer in block.moved(group):
            yield from _step(group, layer)


def _step(group: Group, layer: Layer) -> Iterator[Reason]:
    step = group.step
    over = ", ".join(axis for axis in step.axes if axis in over_axes(layer.options))
    if not step.learned:
        value = step.value / layer.tau
        if group.form == "decay" and value > 1:
            yield Reason(Verdict.SMALL_STEP, f"the decay step {value:g} is greater than 1", group.step_at)
        return
    if step.free:
        yield Reason(Verdict.NONE, "the learned step may become negative: the energy then rises", (*group.step_at, "sign"))
    elif over:
        text = f"the learned step varies along [{over}], which layer `{layer.name}` couples: the energy rises at any size of it"
        yield Reason(Verdict.NONE, text, (*group.step_at, "learned"))
    elif group.form == "decay":
        yield Reason(Verdict.SMALL_STEP, "the learned decay step may become greater than 1", group.step_at)


def _circles(block: Block) -> Iterator[Reason]:
    """A circle is solved by a number of iterations, so its pulls are not the exact gradient: no verdict holds, but for the limit."""
    for circle in block.circles:
        names, rate = ", ".join(circle.order), contraction_rate(block, circle)
        if rate is not None and rate < 1:
            text = (
                f"the circle [{names}] contracts by {rate:.3g} an iteration: what {circle.iterations} of them leave, its pulls are off by"
            )
        else:
            known = "its norms have no bound" if rate is None else f"its rate is {rate:.3g}, not less than 1"
            text = f"the circle [{names}] is not known to contract: {known}"
        yield Reason(Verdict.NONE, text, circle.at)


def _notes(block: Block) -> Iterator[Reason]:
    for synapse in block.synapses:
        for step in (step for factor in synapse.factors for step in chain_maps(factor.chain)):
            if step.kind == "batch_norm":
                yield Reason(Verdict.GUARANTEED, "batch norm is affine in evaluation only: the certificate is for evaluation", step.at)
    for group in block.schedule:
        if group.drop:
            yield Reason(Verdict.GUARANTEED, "stochastic depth acts in training only: the certificate is for evaluation", group.at)
