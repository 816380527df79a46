"""g = dL/dx, L convex as declared, slopes within their bounds, no overflow, dg/dx symmetric where L exists."""

from __future__ import annotations

import math
from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hopgraph.energy.lagrangians import GELU_MAX_SLOPE, GELU_MIN_SLOPE, LAGRANGIANS, breaking_gain

from .programs import LAW, asymmetry, generator, jacobian, layer_case, points
from .specs import ALL, CONVEX, NORMS, numbers, relative

ELEMENTWISE = tuple(name for name, record in LAGRANGIANS.items() if record.slopes({}) is not None)
TEMPERED = tuple(name for name, record in LAGRANGIANS.items() if "beta" in record.options.model_fields)
randoms = st.randoms(use_true_random=False)


@pytest.mark.parametrize("kind", ALL)
@LAW
@given(rng=randoms)
def test_the_activation_is_the_gradient_of_the_lagrangian(kind: str, rng: Random) -> None:
    case = layer_case(rng, kind)
    x = points(rng, case.shape)
    assert relative(case.activation()(x).detach(), case.gradient(x)) < 1e-10


@pytest.mark.parametrize("kind", CONVEX)
@LAW
@given(rng=randoms)
def test_convex_lagrangians_lie_below_their_chords(kind: str, rng: Random) -> None:
    case = layer_case(rng, kind)
    left, right = points(rng, case.shape, 50), points(rng, case.shape, 50)
    chord = (case.total(left) + case.total(right)) / 2
    assert (case.total((left + right) / 2) <= chord + 1e-12 * (1 + chord.abs())).all()


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind not in CONVEX])
def test_the_others_rise_above_a_chord(kind: str) -> None:
    case = layer_case(numbers(0), kind)
    left, right = points(numbers(1), case.shape, 1000), points(numbers(2), case.shape, 1000)
    assert (case.total((left + right) / 2) > (case.total(left) + case.total(right)) / 2 + 1e-3).any()


def test_gelu_is_concave_on_a_chord_left_of_its_turning_point() -> None:
    case = layer_case(numbers(0), "gelu")
    left, middle, right = (case.total(torch.full((1, *case.shape), x, dtype=torch.float64)) for x in (-3.0, -2.0, -1.0))
    assert middle > (left + right) / 2


def slopes(kind: str, grid: torch.Tensor, **options: float) -> torch.Tensor:
    """dg/dx on a grid, by autograd of the program."""
    case = layer_case(numbers(0), kind, breaking=False, **options)
    x = grid.reshape(-1, *[1] * len(case.axes)).expand(-1, *case.shape).clone().requires_grad_()
    (slope,) = torch.autograd.grad(case.activation()(x).sum(), x)
    return slope.flatten(1)[:, 0]


@pytest.mark.parametrize("kind", ELEMENTWISE)
@pytest.mark.parametrize("beta", [1.0, 0.25, 3.0])
def test_slopes_stay_within_their_bounds_and_reach_them(kind: str, beta: float) -> None:
    options = {"beta": beta} if kind in TEMPERED else {}
    found = slopes(kind, torch.linspace(-40, 40, 80001, dtype=torch.float64), **options)
    low, high = LAGRANGIANS[kind].slopes(options) or (math.nan, math.nan)
    assert low - 1e-12 <= found.min()
    assert found.max() <= high + 1e-12
    assert found.min() == pytest.approx(low, abs=1e-3)
    if math.isfinite(high):
        assert found.max() == pytest.approx(high, abs=1e-3)
    else:
        assert slopes(kind, torch.tensor([1e9], dtype=torch.float64), n=3).item() > 1e8


def test_the_slope_of_gelu_is_least_and_greatest_at_the_root_of_two() -> None:
    root = math.sqrt(2)
    found = slopes("gelu", torch.tensor([-root, root], dtype=torch.float64))
    assert found.tolist() == pytest.approx([GELU_MIN_SLOPE, GELU_MAX_SLOPE], abs=1e-12)
    around = slopes("gelu", torch.tensor([-root - 1e-3, -root + 1e-3, root - 1e-3, root + 1e-3], dtype=torch.float64))
    assert (around[:2] > GELU_MIN_SLOPE).all()
    assert (around[2:] < GELU_MAX_SLOPE).all()


@pytest.mark.parametrize("kind", TEMPERED)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("beta", [0.5, 1.0, 10.0])
def test_nothing_overflows(kind: str, dtype: torch.dtype, beta: float) -> None:
    rng = numbers(3)
    case = layer_case(rng, kind, beta=beta)
    signs = points(rng, case.shape, 64).sign().to(dtype)
    for size in (1e4, 90.0):  # exp(90) is infinite in float32
        x = size * signs
        assert case.total(x).isfinite().all()
        assert case.gradient(x).isfinite().all()
        g = case.activation()(x)
        assert g.isfinite().all()
        assert relative(g.double(), case.gradient(x.double())) < 1e-6


@pytest.mark.parametrize("kind", ALL)
@LAW
@given(rng=randoms)
def test_the_jacobian_of_an_activation_is_symmetric(kind: str, rng: Random) -> None:
    case = layer_case(rng, kind)
    (x,) = points(rng, case.shape, 1)
    assert asymmetry(jacobian(case.activation(), x)) < 1e-10


@pytest.mark.parametrize("kind", NORMS)
@pytest.mark.parametrize("seed", range(10))
def test_a_gain_along_a_normalized_axis_breaks_the_symmetry(kind: str, seed: int) -> None:
    rng = numbers(seed)
    case = layer_case(rng, kind, gain="vector")
    while max(case.sizes[axis] for axis in breaking_gain(case.options, case.axes)) < 2:
        case = layer_case(rng, kind, gain="vector")
    x = torch.randn(case.shape, generator=generator(rng), dtype=torch.float64)
    assert asymmetry(jacobian(case.activation(), x)) > 0.01
