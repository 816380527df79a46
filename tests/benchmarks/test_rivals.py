"""Each rival computes what the compiled model computes, and a rival that does not is found out before anything is timed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from benchmarks import descent, pairs
from benchmarks.compiling import LARGEST, SMALL, ours, parameters, theirs
from benchmarks.rivals import paramixer, timm
from benchmarks.rivals.energy_transformer import EnergyTransformer
from benchmarks.rivals.parts import Sizes
from hopgraph.lower.model import Model

TOYS = pairs.pairs(quick=True)
CASES = descent.cases(quick=True)


@pytest.mark.parametrize("pair", TOYS, ids=lambda pair: pair.name)
def test_a_rival_equals_the_model(pair: pairs.Pair) -> None:
    assert pairs.difference(pair) <= pairs.TOLERANCE


def test_a_rival_that_computes_something_else_is_found_out() -> None:
    pair = next(pair for pair in TOYS if pair.name == "paramixer own")

    class Doubled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = pair.rival()

        def state_dict(self) -> dict[str, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride] (of no arguments)
            return self.inner.state_dict()

        def forward(self, image: Tensor) -> Tensor:
            return 2 * self.inner(image)

    with pytest.raises(AssertionError, match="paramixer own computes something else"):
        pairs.difference(replace(pair, rival=Doubled))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_autograd_of_the_energy_steps_where_the_closed_form_does(case: descent.Case) -> None:
    assert descent.difference(case) <= pairs.TOLERANCE


def test_an_energy_that_steps_elsewhere_is_found_out() -> None:
    case = CASES[0]

    def further(model: Model) -> descent.Update:
        step = case.by_autograd(model)
        return lambda x: 2 * step(x)

    wrong = replace(case, by_autograd=further)
    with pytest.raises(AssertionError, match="autograd of the energy of paramixer, 4 tokens, 16 channels steps elsewhere"):
        descent.difference(wrong)


def test_the_closed_form_by_hand_is_the_gradient_of_its_energy() -> None:
    torch.manual_seed(0)
    rival = EnergyTransformer(Sizes(8, 4, 16, 1, 2)).double()
    x = torch.randn(3, 5, 16, dtype=torch.float64)
    g = rival.normalized(x).detach().requires_grad_()
    (slope,) = torch.autograd.grad(rival.energy(g), g)
    assert pairs.relative(rival.descended(x) - x, -0.1 * slope) < 1e-12


def test_the_two_that_are_compiled_have_as_many_parameters() -> None:
    assert parameters(ours(SMALL)) == parameters(theirs(SMALL))
    assert all(tensor.is_meta for make in (ours, theirs) for tensor in make(SMALL).parameters())


def test_the_sizes_of_the_largest_spec_are_those_of_its_rival() -> None:
    assert parameters(ours(LARGEST)) == parameters(theirs(LARGEST)) == 304_326_632


def test_timms_mixer_has_biases_and_norms_that_the_paramixer_lacks() -> None:
    sizes = Sizes(8, 4, 16, 1)
    counts = [parameters(make(sizes)) for make in (timm.mixer, paramixer.broken)]
    tokens, hidden, width = sizes.patches, 8, 16
    assert counts[0] - counts[1] == (hidden + tokens + 4 * width + width) + (4 * width - 1)
