"""The generator of random specs: they load, and together they use the whole language."""

from __future__ import annotations

from collections import Counter

import pytest

from hopgraph.energy.maps import MAPS
from hopgraph.errors import HopgraphError

from .drawing.recipe import CIRCLES, SOLVED, WHOLE
from .features import features
from .specs import ALL, EVERYTHING, GUARANTEED, ONE_GROUP, TIED, Recipe, check, random_spec

RECIPES = {"everything": EVERYTHING, "whole": WHOLE, "tied": TIED, "solved": SOLVED, "one group": ONE_GROUP, "circles": CIRCLES}
WANTED = {
    *(f"{speed} {kind}" for speed in ("slow", "fast") for kind in ALL),
    *(f"map {kind}" for kind in (*MAPS, "sum")),
    *(f"dense {field}" for field in ("bias", "per", "mask", "toeplitz", "rank", "spectral", "of one", "of several")),
    *(f"conv {field}" for field in ("map", "per", "bias", "mask")),
    *(f"chain of {length}" for length in range(4)),
    *(f"input {kind}" for kind in ("image", "tensor", "tokens")),
    *(f"penalty {kind}" for kind in ("constant", "linear", "cosine", "geometric", "learned")),
    *(f"learned step {kind}" for kind in ("scalar", "vector", "free")),
    *("drop per group", "drop per pull", "drop constant", "drop linear"),
    *("tied", "own", "penalized", "off", "return chain", "1 factors", "2 factors", "3 factors", "bias", "rename"),
    *("residual", "decay", "1 groups", "2 groups", "3 groups", "synapse.factor", "several layers in a group", "own norm"),
    *("1 slow layers", "2 slow layers", "3 slow layers", "clamped", "tau", "exit", "circle of 2", "circle of 3"),
    *("breaking gain", "softmax mask", "learned beta", "depth 1", "depth 2", "1 steps", "2 steps", "3 steps"),
    *("1 axes", "2 axes", "3 axes", "1 stages", "2 stages", "down conv", "down linear", "none", "readout", "no readout"),
}
"""Every construct of the language, by the names of :func:`features`."""
CANNOT = ("breaking", "own norm", "penal", "own", "off", "return", "gelu", "squared", "star", "repu", "3 factors", "free", "none", "circle")
"""Constructs that no certificate guarantees, and those that long runs leave out."""


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
def test_nearly_all_random_specs_load(recipe: Recipe) -> None:
    loaded = 0
    for seed in range(40):
        try:
            check(random_spec(seed, recipe))
        except HopgraphError:
            continue
        loaded += 1
    assert loaded >= 39


def test_random_specs_use_the_whole_language() -> None:
    seen = Counter(feature for seed in range(300) for feature in features(check(random_spec(seed))))
    assert {feature for feature in WANTED if seen[feature] < 3} == set()


def test_guaranteed_specs_are_guaranteed_and_use_all_that_can_be() -> None:
    """Stages aside: a certificate is of one block."""
    specs = [check(random_spec(seed, GUARANTEED)) for seed in range(300)]
    assert {spec.certificate.verdict.value for spec in specs} == {"guaranteed"}
    seen = Counter(feature for spec in specs for feature in features(spec))
    wanted = {feature for feature in WANTED if not any(part in feature for part in CANNOT)} - {"2 stages", "down conv", "down linear"}
    assert {feature for feature in wanted | {"no readout"} if seen[feature] < 3} == set()


def test_a_seed_always_gives_the_same_spec() -> None:
    assert random_spec(7) == random_spec(7)
    assert len({random_spec(seed) for seed in range(50)}) == 50
