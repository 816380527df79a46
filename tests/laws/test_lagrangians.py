"""g = dL/dx, L convex as declared, slopes within their bounds, no overflow, dg/dx symmetric where L exists, masks kept."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from random import Random
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hopgraph.energy.lagrangians import GELU_MAX_SLOPE, GELU_MIN_SLOPE, LAGRANGIANS, breaking_gain
from hopgraph.energy.lagrangians.record import no_parameters
from hopgraph.energy.records import RecordError

from .programs import LAW, LayerCase, asymmetry, generator, jacobian, layer_case, onnx_function, points, resolved
from .specs import ALL, CONVEX, numbers, relative

PAIR = ["q", "k"]
ELEMENTWISE = tuple(name for name, record in LAGRANGIANS.items() if record.slopes({}) is not None)
TEMPERED = tuple(name for name, record in LAGRANGIANS.items() if "beta" in record.options.model_fields)
LEARNED = tuple(name for name, record in LAGRANGIANS.items() if record.parameters is not no_parameters)
NORMS = tuple(name for name, record in LAGRANGIANS.items() if {"gain", "over"} <= set(record.options.model_fields))
MASKS = ({"causal": PAIR}, {"strict": PAIR}, {"off_diagonal": PAIR}, {"band": PAIR, "width": 1}, {"band": PAIR, "width": 2})
randoms = st.randoms(use_true_random=False)


@pytest.mark.parametrize("kind", ALL)
@LAW
@given(rng=randoms)
def test_the_activation_is_the_gradient_of_the_lagrangian(kind: str, rng: Random) -> None:
    case = layer_case(rng, kind)
    x = points(rng, case.shape)
    assert relative(case.activation()(x).detach(), case.gradient(x)) < 1e-10


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("seed", range(6))
def test_onnx_runtime_computes_the_activation(kind: str, seed: int) -> None:
    case = layer_case(numbers(seed), kind)
    program, module = case.program()
    module.float()
    run = onnx_function(program, module)
    for batch in (1, 4):
        x = points(numbers(seed), case.shape, batch).float()
        wanted = case.module()[0](module, x).detach()
        assert (run(x) - wanted).abs().max() <= 1e-5 * (1 + wanted.abs().max())


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
    fixed: dict[str, Any] = {"gain": "scalar", "positive": False} if kind == "affine" else {}
    case = layer_case(numbers(0), kind, **fixed)
    left, right = points(numbers(1), case.shape, 1000), points(numbers(2), case.shape, 1000)
    assert (case.total((left + right) / 2) > (case.total(left) + case.total(right)) / 2 + 1e-3).any()


def test_gelu_is_concave_on_a_chord_left_of_its_turning_point() -> None:
    case = layer_case(numbers(0), "gelu")
    left, middle, right = (case.total(torch.full((1, *case.shape), x, dtype=torch.float64)) for x in (-3.0, -2.0, -1.0))
    assert middle > (left + right) / 2


def slopes(kind: str, grid: torch.Tensor, **options: object) -> tuple[torch.Tensor, tuple[float, float]]:
    """dg/dx on a grid, by autograd of the program; and the bounds that the record states."""
    case = layer_case(numbers(0), kind, breaking=False, **options)
    x = grid.reshape(-1, *[1] * len(case.axes)).expand(-1, *case.shape).clone().requires_grad_()
    (slope,) = torch.autograd.grad(case.activation()(x).sum(), x)
    return slope.flatten(1)[:, 0], case.record.slopes(case.options) or (math.nan, math.nan)


PLAIN: dict[str, dict[str, object]] = {"repu": {"n": 3}, "star_relu": {"learned": False}, "affine": {"gain": "none"}}
"""Options under which the slopes of a Lagrangian depend on no parameter."""


@pytest.mark.parametrize("kind", ELEMENTWISE)
@pytest.mark.parametrize("beta", [1.0, 0.25, 3.0])
def test_slopes_stay_within_their_bounds_and_reach_them(kind: str, beta: float) -> None:
    options = {"beta": beta} if kind in TEMPERED else PLAIN.get(kind, {})
    found, (low, high) = slopes(kind, torch.linspace(-40, 40, 80001, dtype=torch.float64), **options)
    assert low - 1e-12 <= found.min()
    assert found.max() <= high + 1e-12
    assert found.min() == pytest.approx(low, abs=1e-3)
    if math.isfinite(high):
        assert found.max() == pytest.approx(high, abs=1e-3)
    else:
        assert slopes(kind, torch.tensor([1e9], dtype=torch.float64), **options)[0].item() > 1e8


@pytest.mark.parametrize("positive", [True, False])
def test_the_slope_of_affine_is_its_gain_which_is_positive_where_it_is_kept_so(positive: bool) -> None:
    rng = numbers(5)
    for _ in range(20):
        case = layer_case(rng, "affine", gain="scalar", positive=positive)
        gain = case.values["gain"].exp() if positive else case.values["gain"]
        (x,) = points(rng, case.shape, 1)
        slope = jacobian(case.activation(), x)
        assert relative(slope, gain * torch.eye(x.numel(), dtype=torch.float64)) < 1e-12
        assert case.record.convex(case.options) == positive
        assert case.record.slopes(case.options) == (0.0 if positive else -math.inf, math.inf)
        assert case.record.lipschitz(case.options) == math.inf


@pytest.mark.parametrize("kind", TEMPERED)
def test_a_learned_temperature_starts_where_it_should_and_has_no_bound(kind: str) -> None:
    for given_beta, start in (("learned", 1.0), ({"learned": 0.5}, 0.5)):
        case = layer_case(numbers(0), kind, beta=given_beta)
        (spec,) = case.specs.values()
        assert (spec.shape, spec.positive, spec.init[0]) == ((), True, "constant")
        assert math.exp(spec.init[1]) == pytest.approx(start)
        assert case.record.lipschitz(case.options) == math.inf
        assert case.record.slopes(case.options) in (None, (0.0, math.inf))


@pytest.mark.parametrize("kind", LEARNED)
@LAW
@given(rng=randoms)
def test_the_gradients_of_parameters_are_those_of_the_formula(kind: str, rng: Random) -> None:
    fixed: dict[str, Any] = {"beta": {"learned": 2.0}} if kind in TEMPERED else {}
    case = layer_case(rng, kind, **fixed)
    if not case.values:
        return
    x, weight = points(rng, case.shape), points(rng, case.shape)
    function, module = case.module()
    (function(module, x) * weight).sum().backward()
    leaves = {name: tensor.detach().clone().requires_grad_() for name, tensor in case.values.items()}
    state = x.clone().requires_grad_()
    (g,) = torch.autograd.grad(replace(case, values=leaves).total(state).sum(), state, create_graph=True)
    wanted = torch.autograd.grad((g * weight).sum(), list(leaves.values()))
    for parameter, gradient in zip(module.parameters(), wanted, strict=True):
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
        assert (parameter.grad - gradient).abs().max() <= 1e-10 * (1 + gradient.abs().max())


def test_the_slope_of_gelu_is_least_and_greatest_at_the_root_of_two() -> None:
    root = math.sqrt(2)
    found, _ = slopes("gelu", torch.tensor([-root, root], dtype=torch.float64))
    assert found.tolist() == pytest.approx([GELU_MIN_SLOPE, GELU_MAX_SLOPE], abs=1e-12)
    around, _ = slopes("gelu", torch.tensor([-root - 1e-3, -root + 1e-3, root - 1e-3, root + 1e-3], dtype=torch.float64))
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


# --- masks ------------------------------------------------------------------------------------------------------------


def masked_case(mask: dict[str, object], axes: str, over: str, rows: int, columns: int, beta: object = 0.7) -> LayerCase:
    """A masked softmax on axes named by letters, q and k among them; h has size 2."""
    record = LAGRANGIANS["softmax"]
    options = resolved(record.options.model_validate({"over": list(over), "beta": beta, "mask": mask}))
    sizes = {"q": rows, "k": columns, "h": 2}
    values = {"beta": torch.tensor(0.3, dtype=torch.float64)} if beta == "learned" else {}
    return LayerCase(record, options, tuple(axes), sizes, values)


def keeps(mask: dict[str, object], q: int, k: int) -> bool:
    """The definition."""
    if "band" in mask:
        return abs(k - q) <= int(str(mask["width"]))
    return {"causal": k <= q, "strict": k < q, "off_diagonal": k != q}[next(iter(mask))]


def by_hand(case: LayerCase, mask: dict[str, object], x: torch.Tensor, beta: float) -> torch.Tensor:
    """The softmax one group of positions at a time, over those that the mask keeps."""
    g = torch.zeros_like(x)
    groups: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    over = [1 + case.axes.index(axis) for axis in case.options["over"]]
    q, k = 1 + case.axes.index("q"), 1 + case.axes.index("k")
    for place in product(*map(range, x.shape)):
        apart = tuple(index for dim, index in enumerate(place) if dim not in over)
        groups.setdefault(apart, []).extend([place] if keeps(mask, place[q], place[k]) else [])
    for places in groups.values():
        if places:
            weights = torch.softmax(torch.stack([beta * x[place] for place in places]), 0)
            for place, weight in zip(places, weights, strict=True):
                g[place] = weight
    return g


@pytest.mark.parametrize("mask", MASKS, ids=lambda mask: "-".join(map(str, mask)))
@pytest.mark.parametrize(
    ("axes", "over"), [("qk", "k"), ("hqk", "k"), ("kq", "k"), ("kqh", "k"), ("qhk", "kh"), ("khq", "k"), ("qk", "qk")]
)
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (4, 4), (3, 5), (6, 2)])
def test_a_masked_softmax_is_that_of_the_positions_kept(mask: dict[str, object], axes: str, over: str, rows: int, columns: int) -> None:
    case = masked_case(mask, axes, over, rows, columns)
    x = points(numbers(rows), case.shape)
    wanted = by_hand(case, mask, x, 0.7)
    g = case.activation()(x)
    assert (g - wanted).abs().max() < 1e-14
    assert (case.gradient(x) - wanted).abs().max() < 1e-14
    assert (g[wanted == 0] == 0).all()
    program, module = case.program()
    assert relative(onnx_function(program, module.float())(x.float()).double(), wanted) < 1e-5


@pytest.mark.parametrize("mask", MASKS, ids=lambda mask: "-".join(map(str, mask)))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (4, 4), (6, 2)])
@pytest.mark.parametrize("size", [1.0, 1e4])
def test_a_row_without_positions_makes_nothing_infinite(
    mask: dict[str, object], dtype: torch.dtype, rows: int, columns: int, size: float
) -> None:
    case = masked_case(mask, "hqk", "k", rows, columns, "learned")
    x = (size * points(numbers(7), case.shape)).to(dtype).requires_grad_()
    function, module = case.module()
    module.to(dtype)
    g = function(module, x)
    gradients = torch.autograd.grad((g * torch.rand_like(g)).sum(), [x, *module.parameters()])
    value = case.total(x)
    (slope,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    (second,) = torch.autograd.grad((slope * torch.rand_like(slope)).sum(), x)
    for tensor in (g, *gradients, value, slope, second):
        assert tensor.dtype == dtype
        assert tensor.isfinite().all()
    kept = [any(keeps(mask, row, column) for column in range(columns)) for row in range(rows)]
    assert torch.allclose(g.detach().sum(-1).double(), torch.tensor(kept).double().expand(3, 2, rows), atol=1e-2)


@pytest.mark.parametrize(
    ("mask", "over", "word"),
    [({"causal": ["q", "z"]}, ["k"], "z"), ({"strict": ["q", "k"]}, ["q"], ""), ({"band": ["p", "k"], "width": 1}, ["k"], "p")],
)
def test_a_mask_that_does_not_fit_its_layer_is_refused(mask: dict[str, object], over: list[str], word: str) -> None:
    record = LAGRANGIANS["softmax"]
    options = resolved(record.options.model_validate({"over": over, "mask": mask}))
    with pytest.raises(RecordError) as raised:
        record.check(options, ("h", "q", "k"))
    assert (raised.value.field, raised.value.word) == ("mask", word)


@pytest.mark.parametrize(
    "mask",
    [
        {},
        {"causal": ["q"]},
        {"causal": ["q", "q"]},
        {"causal": PAIR, "strict": PAIR},
        {"band": PAIR},
        {"strict": PAIR, "width": 1},
        "causal",
    ],
)
def test_a_mask_is_one_pattern_of_two_axes(mask: object) -> None:
    with pytest.raises(ValidationError):
        LAGRANGIANS["softmax"].options.model_validate({"over": ["k"], "mask": mask})


def test_formulas_and_latex_name_the_state() -> None:
    assert [name for name, record in LAGRANGIANS.items() if "@" not in record.formula or "@" not in record.latex] == []
