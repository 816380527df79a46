"""What the ledger measures: 0 where a block is tied, the stated formulas elsewhere, and no false alarm of `verify`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor

from hopgraph.lower.ledger import activation_asymmetry, asymmetry, pull_asymmetry, weight_asymmetry
from hopgraph.lower.verify import verify

from .drawing.recipe import SOLVED
from .programs import asymmetry as index
from .programs import jacobian
from .specs import TIED, build, check, random_spec, seeds, slow_states, states

PLAIN = replace(SOLVED, groups="one", slow_layers=1)
"""One slow layer, whose states are tensors."""


@pytest.mark.parametrize("seed", seeds(25, 300))
def test_a_random_spec_passes_verify(seed: int) -> None:
    spec = check(random_spec(seed))
    assert verify(spec, "", steps=3, seed=seed).problems == ()


@pytest.mark.parametrize("seed", seeds(15, 60))
def test_tied_blocks_measure_as_symmetric(seed: int) -> None:
    model = build(random_spec(seed, SOLVED), seed)
    x = slow_states(model, seed=seed)
    assert activation_asymmetry(model, x) < 1e-10
    assert set(weight_asymmetry(model).values()) == {0.0}


def applied(matrix: Tensor, row: Tensor) -> Tensor:
    """The matrix times a row."""
    return row @ matrix.mT


@pytest.mark.parametrize("seed", range(5))
def test_the_index_is_exact_where_it_can_be_and_estimated_elsewhere(seed: int) -> None:
    source = torch.Generator().manual_seed(seed)
    for size, tolerance in ((20, 1e-12), (600, 0.05)):
        matrix = torch.randn(size, size, generator=source, dtype=torch.float64) + 10 * torch.eye(size)
        found = asymmetry(partial(applied, matrix), torch.ones(1, size, dtype=torch.float64), probes=64)
        assert found == pytest.approx(index(matrix), rel=tolerance)


@pytest.mark.parametrize("seed", range(10))
def test_pull_asymmetry_is_that_of_the_jacobian(seed: int) -> None:
    model = build(random_spec(seed, PLAIN), seed, {"block.symmetry": "own"})
    x = states(model, 1, seed)
    wanted = index(jacobian(model.pull, model.activation(x)[0]))
    assert pull_asymmetry(model, x) == pytest.approx(wanted, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_weight_asymmetry_is_the_stated_ratio(seed: int) -> None:
    text = random_spec(seed, TIED)
    for overrides, mark in (({"block.symmetry": "own"}, ".own_"), ({"block.symmetry": {"penalized": 0.1}}, ".penalized_")):
        model = build(text, seed, overrides)
        weights = dict(model.named_parameters())
        for synapse, found in weight_asymmetry(model).items():
            apart = back = forth = 0.0
            for name, other in weights.items():
                if f".{synapse}{mark}" not in name:
                    continue
                head, _, rest = name.partition(mark)
                base = weights.get(f"{head}.{rest.partition('.')[2]}")
                if base is None:
                    continue
                returned = other if mark == ".own_" else base + other
                apart += (returned - base).square().sum().item()
                back += returned.square().sum().item()
                forth += base.square().sum().item()
            wanted = apart**0.5 / (back**0.5 + forth**0.5) if back + forth else 0.0
            assert found == pytest.approx(wanted, rel=1e-12)
