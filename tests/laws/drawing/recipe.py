"""What a random spec may hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from hopgraph.energy.lagrangians import LAGRANGIANS
from hopgraph.energy.maps import MAPS

CONVEX = tuple(name for name, record in LAGRANGIANS.items() if (record.slopes({}) or (0,))[0] >= 0)
NORMS = tuple(name for name, record in LAGRANGIANS.items() if "gain" in record.options.model_fields)
ALL = tuple(LAGRANGIANS)
POWERS = ("repu", "squared_relu", "star_relu")
"""Lagrangians under which states leave the range of numbers in a few updates."""
ALL_MAPS = (*MAPS, "sum")

ENERGETIC = ("ordinary", "ordinary", "gate", "attention", "self", "pair", "pair", "shared", "triple", "circle")
"""Synapses that may be tied."""
BREAKING = ("relay", "product", "returned", "directed", "causal")
"""Synapses that no energy has."""


@dataclass(frozen=True)
class Recipe:
    """What a random spec may hold.

    `symmetry`: "tied"; "block" draws one for the whole block; "any" draws one for each synapse and pull too. `breaking`
    allows what no energy has: gains along normalized axes, norms of a group's own, free steps. `kinds` are those of
    :data:`tests.laws.drawing.kinds.KINDS`. `groups`: "one"; "descent" keeps all pulls of a layer together and layers that touch
    apart; "any" draws a partition of the pulls. `steps`: "any", or "largest", the largest that the certificate allows.
    """

    symmetry: str = "any"
    slow: tuple[str, ...] = ALL
    fast: tuple[str, ...] = ALL
    kinds: tuple[str, ...] = (*ENERGETIC, *BREAKING)
    maps: tuple[str, ...] = ALL_MAPS
    breaking: bool = True
    groups: str = "any"
    steps: str = "any"
    synapses: int = 3
    slow_layers: int = 3
    fields: bool = True
    drop: bool = True
    stages: bool = True
    forms: tuple[str, ...] = ("residual", "decay")


def without_powers(recipe: Recipe) -> Recipe:
    """The recipe for long runs."""
    slow, fast = (tuple(kind for kind in kinds if kind not in POWERS) for kinds in (recipe.slow, recipe.fast))
    return replace(recipe, slow=slow, fast=fast)


EVERYTHING = Recipe()
BLOCK = replace(EVERYTHING, stages=False)
"""One block, which overrides can reach."""
TAME = without_powers(BLOCK)
WHOLE = without_powers(EVERYTHING)
"""Whole models, run from the input to the readout."""
TIED = Recipe("tied", kinds=ENERGETIC, breaking=False, stages=False)
SOLVED = replace(TIED, kinds=tuple(kind for kind in ENERGETIC if kind != "circle"))
"""Without circles: all that has an exact gradient."""
ONE_GROUP = replace(SOLVED, groups="one")
CIRCLES = replace(without_powers(TIED), kinds=("ordinary", "circle"), groups="one", slow_layers=1)
GUARANTEED = without_powers(
    Recipe(
        "tied",
        (*CONVEX, "affine"),
        (*CONVEX, "affine"),
        ("ordinary", "ordinary", "pair", "pair", "shared"),
        breaking=False,
        groups="descent",
        steps="largest",
        stages=False,
    )
)


def numbers(seed: int) -> Random:
    """Random numbers that are the same at every run."""
    return Random(seed)  # noqa: S311 (nothing here is a secret)
