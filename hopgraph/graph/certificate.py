"""The certificate: what a block's energy is known to do along its updates, from the graph alone, without running it.

With every pull tied, every Lagrangian convex, fast layers that do not touch each
other, one scalar step per layer and all pulls of a layer in one group:

- residual, x + a u, never raises E_h (the energy without <x, g> - L of the slow layers) for any a > 0, because E_h is
  concave in g and <x' - x, g' - g> >= 0;
- decay, (1 - a) x + a u, never raises E_eff (the energy with it) for 0 < a <= 1, because dE <= -((1-a)/a) <x' - x, g' - g>.

Each condition that fails lowers the verdict and is named with the place in the spec that caused it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from hopgraph.energy.lagrangians import breaking_gain
from hopgraph.errors import Path
from hopgraph.graph.ham import Block, Ham, Layer


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

    `has_energy` says whether the dynamics are those of an energy at all: every pull tied, every activation a gradient.
    """

    verdict: Verdict
    steps: str
    energy: str
    reasons: tuple[Reason, ...]
    has_energy: bool

    def __str__(self) -> str:
        return f"{self.verdict.value} ({self.steps})" if self.steps else self.verdict.value


def certify(ham: Ham) -> Certificate:
    """The certificate of a scheduled graph's block."""
    block = ham.block
    breaking = [*_untied(block), *_no_gradient(block)]
    reasons = (*breaking, *_curvature(block), *_splitting(block), *_couplings(block), *_steps(block))
    verdict = max((reason.verdict for reason in reasons), key=lambda v: v.rank, default=Verdict.GUARANTEED)
    forms = {group.form for group in block.schedule}
    steps = ""
    if verdict is Verdict.GUARANTEED:
        steps = "any step a > 0" if forms == {"residual"} else "any step 0 < a <= 1"
    energy = "E_h" if forms == {"residual"} else "E_eff"
    return Certificate(verdict, steps, energy, reasons, not breaking)


def _untied(block: Block) -> Iterator[Reason]:
    for synapse in block.synapses:
        for pull in synapse.pulls:
            if pull.symmetry != "tied":
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


def _curvature(block: Block) -> Iterator[Reason]:
    for layer in block.layers:
        if layer.convex:
            continue
        at = (*layer.at, "lagrangian")
        if not layer.fast:
            yield Reason(Verdict.NONE, f"the Lagrangian of the slow layer `{layer.name}`, {layer.lagrangian}, is not convex", at)
        else:
            text = f"the Lagrangian of the fast layer `{layer.name}`, {layer.lagrangian}, is not convex: the energy is not concave in g"
            yield Reason(Verdict.SMALL_STEP if _bounded_slopes(block) else Verdict.CONTINUOUS_TIME, text, at)


def _bounded_slopes(block: Block) -> bool:
    """Whether every slow activation has a Lipschitz constant, without which no step is small enough."""
    return all((layer.record.slopes(layer.options) or (0, 0))[1] < float("inf") for layer in block.slow)


def _splitting(block: Block) -> Iterator[Reason]:
    for layer in block.slow:
        groups = [group for group in block.schedule if any(_pulls_on(block, pull, layer) for pull in group.pulls)]
        if len(groups) > 1:
            text = f"the pulls on layer `{layer.name}` act in {len(groups)} groups in turn: each descends its own part of the energy"
            yield Reason(Verdict.SPLITTING, text, groups[1].at)
        if len(groups) > 1 and any(layer.name in group.own_norms for group in groups):
            owner = next(group for group in groups if layer.name in group.own_norms)
            text = f"layer `{layer.name}` has its own norm in a group: each group has another energy"
            yield Reason(Verdict.SPLITTING, text, (*owner.at, "norm"))


def _pulls_on(block: Block, pull: tuple[str, str], layer: Layer) -> bool:
    synapse, factor = pull
    return block.synapse(synapse).factor(factor).layer == layer.name


def _couplings(block: Block) -> Iterator[Reason]:
    fast = {layer.name for layer in block.layers if layer.fast}
    for synapse in block.synapses:
        slow = [factor for factor in synapse.factors if factor.layer not in fast]
        if len(slow) > 1:
            text = f"synapse `{synapse.name}` couples slow factors with each other, and is not known to be positive semidefinite"
            yield Reason(Verdict.SMALL_STEP, text, synapse.at)


def _steps(block: Block) -> Iterator[Reason]:
    for group in block.schedule:
        if group.form == "decay" and group.step > 1:
            at = (*group.at, "step") if group.step != block.step else ("block", "update", "step")
            yield Reason(Verdict.SMALL_STEP, f"the decay step {group.step:g} is greater than 1", at)
