"""The generator of random specs: they load, and together they use the whole language."""

from __future__ import annotations

from collections import Counter

import pytest

from hopgraph.energy.lagrangians import breaking_gain
from hopgraph.errors import HopgraphError
from hopgraph.passes.pipeline import CheckedSpec

from .specs import ALL, EVERYTHING, GUARANTEED, ONE_GROUP, TIED, Recipe, check, random_spec


def features(spec: CheckedSpec) -> set[str]:
    """What of the language a spec uses."""
    block = spec.ham.block
    found = {f"{'fast' if layer.fast else 'slow'} {layer.lagrangian}" for layer in block.layers}
    found |= {pull.symmetry for synapse in block.synapses for pull in synapse.pulls}
    found |= {f"{len(synapse.factors)} factors" for synapse in block.synapses}
    found |= {f"chain of {len(factor.chain)}" for synapse in block.synapses for factor in synapse.factors}
    found |= {group.form for group in block.schedule} | {f"{len(block.schedule)} groups"}
    found |= {"own norm" for group in block.schedule if group.own_norms}
    found |= {"breaking gain" for layer in block.layers if breaking_gain(layer.options, layer.axes)}
    found |= {"rename" for synapse in block.synapses for factor in synapse.factors if factor.rename}
    found |= {f"depth {block.depth}", f"{block.steps} steps", f"{len(block.slow[0].axes)} slow axes", spec.certificate.verdict.value}
    return found


@pytest.mark.parametrize("recipe", [EVERYTHING, TIED, ONE_GROUP, GUARANTEED], ids=["everything", "tied", "one group", "guaranteed"])
def test_nearly_all_random_specs_load(recipe: Recipe) -> None:
    loaded = 0
    for seed in range(40):
        try:
            check(random_spec(seed, recipe))
        except HopgraphError:
            continue
        loaded += 1
    assert loaded >= 38


def test_random_specs_use_the_whole_language() -> None:
    seen = Counter(feature for seed in range(200) for feature in features(check(random_spec(seed))))
    wanted = {f"{speed} {kind}" for speed in ("slow", "fast") for kind in ALL}
    wanted |= {"tied", "own", "penalized", "off", "2 factors", "3 factors", "chain of 0", "chain of 1", "chain of 2"}
    wanted |= {"residual", "decay", "1 groups", "2 groups", "own norm", "breaking gain", "rename", "depth 1", "depth 2"}
    wanted |= {"1 steps", "2 steps", "3 steps", "1 slow axes", "2 slow axes", "3 slow axes", "none"}
    assert {feature for feature in wanted if seen[feature] < 3} == set()


def test_a_seed_always_gives_the_same_spec() -> None:
    assert random_spec(7) == random_spec(7)
    assert len({random_spec(seed) for seed in range(50)}) == 50
