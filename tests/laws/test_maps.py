"""<y, A x> = <A* y, x>, the program's map is the reference's, and its parameters have the shapes stated."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from hopgraph.energy.maps import MAPS, LinearMap, Signature
from hopgraph.energy.records import Axes, Options, Value
from hopgraph.errors import Source
from hopgraph.lower.model import compile_model, compiled
from hopgraph.passes.pipeline import load
from hopgraph.program.builder import Builder

from .programs import LAW, Weights, generator, points, resolved, stored, written
from .specs import relative

randoms = st.randoms(use_true_random=False)

Written = Any
"""What a spec writes behind the name of a map."""


@dataclass(frozen=True)
class MapCase:
    """A linear map with options on some axes, its sizes, and the shapes that its parameters should have."""

    record: LinearMap
    options: Options
    source: Axes
    sizes: dict[str, int]
    shapes: dict[str, tuple[int, ...]]

    @property
    def target(self) -> Axes:
        return self.record.target(self.options, self.source, self.sizes)

    @property
    def signature(self) -> Signature:
        return Signature(self.source, self.target, self.sizes)

    def shape(self, axes: Axes) -> tuple[int, ...]:
        return tuple(self.sizes[axis] for axis in axes)

    def values(self, rng: Random) -> dict[str, Tensor]:
        """Random parameters; a variance is positive."""
        found = stored(self.record.parameters(self.options, self.signature), generator(rng))
        return {name: value.exp() if name == "running_var" else value for name, value in found.items()}


def options_of(kind: str, given: Written) -> Options:
    """A map's options as the passes hand them to it, from what a spec writes."""
    record = MAPS[kind]
    return resolved(record.options.model_validate(record.shorthand(given)))


def case(kind: str, given: Written, source: list[str], sizes: dict[str, int], shapes: dict[str, tuple[int, ...]] | None = None) -> MapCase:
    """A map as a spec writes it."""
    return MapCase(MAPS[kind], options_of(kind, given), tuple(source), sizes, shapes or {})


# --- random cases -----------------------------------------------------------------------------------------------------


def dense_case(rng: Random) -> MapCase:
    """A dense map from one or more of up to four axes to one or more, per position on others or not."""
    if rng.random() < 0.4:
        return square_case(rng)
    source = rng.sample(["b", "n", "c", "e"], rng.randint(1, 4))
    sizes = {axis: rng.randint(1, 4) for axis in (*source, "h", "y", "z")}
    roles = rng.sample(source, len(source))
    old = roles[: rng.choice([1, 1, min(2, len(roles)), len(roles)])]
    others = roles[len(old) :]
    per = others[: rng.choice([0, 0, len(others), min(1, len(others))])]
    new = rng.sample(["h", "y", "z"], rng.randint(0, 2))
    if not new or rng.random() < 0.4:
        new.insert(rng.randint(0, len(new)), rng.choice(old))
    target: Any = new[0] if len(new) == 1 else new
    given: dict[str, Any] = {old[0]: target} if len(old) == 1 and rng.random() < 0.5 else {"from": old, "to": target}
    apart, out, inputs = (tuple(sizes[axis] for axis in axes) for axes in (per, new, old))
    given |= {"per": per} if per else {}
    shapes: dict[str, tuple[int, ...]] = {"weight": (*apart, *out, *inputs)}
    if rng.random() < 0.3:
        given["rank"] = rank = rng.randint(1, 3)
        shapes = {"left": (*apart, *out, rank), "right": (*apart, rank, *inputs)}
    else:
        given |= {"spectral": rng.choice([0.5, 1, 2.0])} if rng.random() < 0.3 else {}
    if rng.random() < 0.5:
        given["bias"] = True
        shapes["bias"] = (*apart, *out)
    return case("dense", given, source, sizes, shapes)


def square_case(rng: Random) -> MapCase:
    """A square dense map that is masked, Toeplitz, or both."""
    source = rng.sample(["b", "n", "c"], rng.randint(1, 3))
    old, *others = rng.sample(source, len(source))
    per = others[: rng.randint(0, len(others))]
    sizes = {axis: rng.randint(1, 4) for axis in source}
    sizes["k"] = size = sizes[old]
    new = rng.choice([old, "k"])
    given: dict[str, Any] = {old: new, **({"per": per} if per else {})}
    mask = rng.choice([None, "causal", "strict", "off_diagonal", {"band": rng.randint(1, 2)}])
    given |= {"mask": mask} if mask else {}
    toeplitz = not mask or rng.random() < 0.5
    given |= {"toeplitz": True} if toeplitz else {}
    given |= {"spectral": 0.9} if rng.random() < 0.3 else {}
    apart = tuple(sizes[axis] for axis in per)
    length = size if mask in ("causal", "strict") else 2 * size - 1
    shapes: dict[str, tuple[int, ...]] = {"diagonals": (*apart, length)} if toeplitz else {"weight": (*apart, size, size)}
    if rng.random() < 0.5:
        given["bias"] = True
        shapes["bias"] = (*apart, size)
    return case("dense", given, source, sizes, shapes)


@dataclass(frozen=True)
class Drawn:
    """Windows along some axes, as a spec writes them."""

    source: list[str]
    sizes: dict[str, int]
    given: dict[str, Any]
    kernel: list[int]
    others: list[str]


def windowed(rng: Random, dilated: bool, most: int) -> Drawn:
    """Random windows on one axis to three, whose result has the same axes or others of the sizes that it should have."""
    spatial = rng.sample(["r", "w", "d"], rng.choice([1, 1, 2, 2, 3]))
    others = rng.sample(["n", "c"], rng.randint(0, 2))
    source = rng.sample([*spatial, *others], len(spatial) + len(others))
    sizes = {axis: rng.randint(2, 5) for axis in source} | {"m": rng.randint(1, 3)}
    kernel = [rng.randint(1, min(4, 2 * sizes[axis] - 1)) for axis in spatial]
    same = rng.random() < 0.4
    stride = [1 if same else rng.randint(1, 3) for _ in spatial]
    dilation = [rng.randint(1, 2) if dilated else 1 for _ in spatial]
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    padding: list[Any] = []
    for axis, k, s, span in zip(spatial, kernel, stride, spans, strict=True):
        words = ["same", *(["causal"] if s == 1 else []), *(["valid"] if sizes[axis] >= span and not same else [])]
        least = max(0, span - sizes[axis])
        pairs = [] if same or least > most or least >= k else [[rng.randint(least, max(least, min(most, k - 1))), rng.randint(0, k - 1)]]
        padding.append(rng.choice([*words, *pairs]))
    given: dict[str, Any] = {"kernel": kernel, "stride": stride, "padding": padding, **({"dilation": dilation} if dilated else {})}
    counts = [count(sizes[a], k, s, d, p) for a, k, s, d, p in zip(spatial, kernel, stride, dilation, padding, strict=True)]
    equal = all(sizes[axis] == found for axis, found in zip(spatial, counts, strict=True))
    given["over"] = spatial if equal and rng.random() < 0.7 else {axis: f"{axis}2" for axis in spatial}
    sizes |= {f"{axis}2": found for axis, found in zip(spatial, counts, strict=True)}
    if len({*kernel}) == 1 and rng.random() < 0.5:
        given["kernel"] = kernel[0]
    return Drawn(source, sizes, given, kernel, others)


def count(size: int, kernel: int, stride: int, dilation: int, padding: Any) -> int:
    """How many windows there are, one after the other."""
    reach = dilation * (kernel - 1)
    before, after = {"same": (reach // 2, -(-reach // 2)), "causal": (reach, 0), "valid": (0, 0)}.get(str(padding)) or padding
    return len(range(-before, size + after - reach, stride))


def conv_case(rng: Random) -> MapCase:
    """A convolution: dense, depthwise, grouped or shared."""
    drawn = windowed(rng, dilated=True, most=3)
    given, sizes, others = dict(drawn.given), drawn.sizes, rng.sample(drawn.others, len(drawn.others))
    shape: tuple[int, ...] = ()
    apart: tuple[int, ...] = ()
    if others and rng.random() < 0.6:
        old = others.pop()
        new = rng.choice([old, "m"])
        given["map"] = {old: new}
        shape = (sizes[new], sizes[old])
        if new == old and rng.random() < 0.6:
            given["mask"] = rng.choice(["causal", "strict", "off_diagonal"])
    if others and rng.random() < 0.6:
        given["per"] = others if len(others) > 1 else others[0]
        apart = tuple(sizes[axis] for axis in others)
    shapes: dict[str, tuple[int, ...]] = {"weight": (*apart, *shape, *drawn.kernel)}
    if rng.random() < 0.5:
        given["bias"] = True
        shapes["bias"] = (*apart, *shape[:1])
    return case("conv", given, drawn.source, sizes, shapes)


def pool_case(rng: Random) -> MapCase:
    drawn = windowed(rng, dilated=False, most=3)
    return case("pool", {**drawn.given, "count_include_pad": rng.random() < 0.4}, drawn.source, drawn.sizes)


def plain_axes(rng: Random, least: int = 1) -> tuple[list[str], dict[str, int]]:
    source = rng.sample(["b", "n", "c"], rng.randint(least, 3))
    return source, {axis: rng.randint(1, 4) for axis in source}


def scale_case(rng: Random) -> MapCase:
    source, sizes = plain_axes(rng)
    if rng.random() < 0.4:
        return case("scale", rng.choice([0.5, -2, 3.0]), source, sizes)
    gain = rng.sample(source, rng.randint(1, len(source))) if rng.random() < 0.7 else "scalar"
    shape = tuple(sizes[axis] for axis in source if axis in gain) if isinstance(gain, list) else ()
    return case("scale", {"gain": gain}, source, sizes, {"gain": shape})


def mask_case(rng: Random) -> MapCase:
    source, sizes = plain_axes(rng, least=2)
    pattern = rng.choice(["causal", "strict", "off_diagonal", "band"])
    width = {"width": rng.randint(1, 2)} if pattern == "band" else {}
    return case("mask", {pattern: rng.sample(source, 2), **width}, source, sizes)


def rename_case(rng: Random) -> MapCase:
    source, sizes = plain_axes(rng)
    given = {axis: f"{axis}2" for axis in rng.sample(source, rng.randint(1, len(source)))}
    return case("rename", given, source, {**sizes, **{new: sizes[old] for old, new in given.items()}})


def batch_norm_case(rng: Random) -> MapCase:
    source, sizes = plain_axes(rng)
    per = rng.choice(source)
    names = ("weight", "bias", "running_mean", "running_var")
    return case("batch_norm", {"per": per, "eps": 1e-3}, source, sizes, dict.fromkeys(names, (sizes[per],)))


CASES: dict[str, Callable[[Random], MapCase]] = {
    "dense": dense_case,
    "conv": conv_case,
    "pool": pool_case,
    "scale": scale_case,
    "mask": mask_case,
    "rename": rename_case,
    "batch_norm": batch_norm_case,
}
"""How a random case of each map is drawn."""


def test_every_map_has_cases() -> None:
    assert set(CASES) == set(MAPS)


# --- laws -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lowered:
    """A x + b and A* y by their programs, and the module that holds the parameters of the first."""

    forward: Callable[[Tensor], Tensor]
    adjoint: Callable[[Tensor], Tensor]
    module: nn.Module


def lowered(case: MapCase, values: dict[str, Tensor]) -> Lowered:
    specs = case.record.parameters(case.options, case.signature)
    linear = {name: spec for name, spec in specs.items() if not spec.offset}

    def forward(builder: Builder, x: Value, weights: Weights) -> Value:
        return case.record.forward(builder, x, case.signature, case.options, weights, "y")

    def adjoint(builder: Builder, y: Value, weights: Weights) -> Value:
        return case.record.adjoint(builder, y, case.signature, case.options, weights, "x")

    program, module, image = written(case.source, case.sizes, specs, values, forward)
    linear_program, linear_module, preimage = written(case.target, case.sizes, linear, values, adjoint)
    assert (image.axes, image.shape) == (case.target, case.shape(case.target))
    assert (preimage.axes, preimage.shape) == (case.source, case.shape(case.source))
    module.eval()
    linear_module.eval()
    there, back = compiled(program, "law"), compiled(linear_program, "law")
    return Lowered(lambda x: there(module, x), lambda y: back(linear_module, y), module)


@pytest.mark.parametrize("kind", MAPS)
@LAW
@given(rng=randoms)
def test_the_adjoint_is_the_adjoint(kind: str, rng: Random) -> None:
    case = CASES[kind](rng)
    run = lowered(case, case.values(rng))
    x, y = points(rng, case.shape(case.source)), points(rng, case.shape(case.target))
    image, preimage = run.forward(x) - run.forward(torch.zeros_like(x)), run.adjoint(y)
    there, back = (y * image).flatten(1).sum(1), (preimage * x).flatten(1).sum(1)
    size = (y * image).abs().flatten(1).sum(1) + (preimage * x).abs().flatten(1).sum(1) + 1e-300
    assert ((there - back).abs() <= 1e-10 * size).all()


@pytest.mark.parametrize("kind", MAPS)
@LAW
@given(rng=randoms)
def test_the_program_computes_the_reference(kind: str, rng: Random) -> None:
    case = CASES[kind](rng)
    values = case.values(rng)
    x = points(rng, case.shape(case.source))
    given = {**copy.deepcopy(values), "x": x.clone()}
    y = lowered(case, values).forward(x).detach()
    assert y.shape == (len(x), *case.shape(case.target))
    assert relative(y, case.record.reference(x, case.signature, case.options, values)) < 1e-10
    assert all(torch.equal(given[name], tensor) for name, tensor in {**values, "x": x}.items())  # nothing is changed in place


@pytest.mark.parametrize("kind", MAPS)
@LAW
@given(rng=randoms)
def test_the_reference_leaves_out_the_offsets_that_it_is_not_given(kind: str, rng: Random) -> None:
    case = CASES[kind](rng)
    specs = case.record.parameters(case.options, case.signature)
    values = case.values(rng)
    x = points(rng, case.shape(case.source))
    linear = {name: value for name, value in values.items() if not specs[name].offset}
    zero = {name: value * 0 if specs[name].offset else value for name, value in values.items()}
    without, zeros = (case.record.reference(x, case.signature, case.options, weights) for weights in (linear, zero))
    assert torch.equal(without, zeros)
    assert not case.record.reference(torch.zeros_like(x), case.signature, case.options, linear).any()


@pytest.mark.parametrize("kind", MAPS)
@LAW
@given(rng=randoms)
def test_parameters_have_the_shapes_of_the_axes(kind: str, rng: Random) -> None:
    case = CASES[kind](rng)
    specs = case.record.parameters(case.options, case.signature)
    assert {name: spec.shape for name, spec in specs.items()} == case.shapes
    assert all(len(spec.axes) == len(set(spec.axes)) == len(spec.shape) for spec in specs.values())
    builder = Builder()
    for name, spec in specs.items():
        builder.parameter(f"part.{name}", spec)
    learned = [case.shapes[name] for name, spec in specs.items() if spec.trainable]
    assert builder.program("law", []).parameter_count == sum(map(math.prod, learned))


@pytest.mark.parametrize("kind", MAPS)
@LAW
@given(rng=randoms)
def test_weights_have_gradients(kind: str, rng: Random) -> None:
    """Of both programs, the same as through the reference for the forward one."""
    case = CASES[kind](rng)
    specs = case.record.parameters(case.options, case.signature)
    values = case.values(rng)
    run = lowered(case, values)
    x, y = points(rng, case.shape(case.source)), points(rng, case.shape(case.target))
    leaves = {name: value.clone().requires_grad_() for name, value in values.items()}
    names = [name for name, spec in specs.items() if spec.trainable]
    (run.forward(x) * y).sum().backward() if names else None
    expected = (case.record.reference(x, case.signature, case.options, leaves) * y).sum()
    wanted = torch.autograd.grad(expected, [leaves[name] for name in names]) if names else ()
    for name, gradient in zip(names, wanted, strict=True):
        found = run.module.get_parameter(f"part.{name}").grad
        assert found is not None
        assert relative(found, gradient) < 1e-9 or (found - gradient).abs().max() < 1e-12
    if any(not specs[name].offset for name in names):
        (run.adjoint(y) * x).sum().backward()


@pytest.mark.parametrize("kind", [kind for kind in MAPS if kind in ("dense", "conv", "pool")])
@LAW
@given(rng=randoms)
def test_a_causal_map_reads_nothing_later(kind: str, rng: Random) -> None:
    case = CASES[kind](rng)
    run = lowered(case, case.values(rng))
    x = points(rng, case.shape(case.source))
    for axis in case.record.causal(case.options):
        dim = 1 + case.source.index(axis)
        place = rng.randrange(case.sizes[axis])
        other = x.clone()
        other.select(dim, place).add_(torch.randn(other.select(dim, place).shape, generator=generator(rng), dtype=x.dtype))
        before = [run.forward(given).narrow(dim, 0, place) for given in (x, other)]
        assert torch.equal(*before)


@pytest.mark.parametrize(
    ("kind", "given", "axes"),
    [
        ("dense", {"n": "n", "mask": "causal"}, ("n",)),
        ("dense", {"n": "n", "mask": "strict", "toeplitz": True}, ("n",)),
        ("dense", {"n": "n", "mask": "off_diagonal"}, ()),
        ("dense", {"n": "n"}, ()),
        ("conv", {"over": "n", "kernel": 3, "padding": "causal"}, ("n",)),
        ("conv", {"over": "n", "kernel": 3, "padding": [[2, 0]]}, ("n",)),
        ("conv", {"over": ["n", "c"], "kernel": 3, "padding": ["causal", "same"]}, ("n",)),
        ("conv", {"over": "n", "kernel": 3}, ()),
        ("conv", {"over": "n", "kernel": 1}, ()),
        ("conv", {"over": "c", "kernel": 3, "map": {"n": "k"}, "mask": "causal"}, ("n",)),
        ("conv", {"over": "c", "kernel": 3, "map": {"n": "n"}, "mask": "strict", "padding": "causal"}, ("c", "n")),
        ("conv", {"over": "c", "kernel": 3, "map": {"n": "n"}, "mask": "off_diagonal"}, ()),
        ("pool", {"over": "n", "kernel": 2, "padding": "causal"}, ("n",)),
        ("scale", 2, ()),
        ("mask", {"causal": ["n", "c"]}, ()),
    ],
)
def test_what_is_causal(kind: str, given: Written, axes: Axes) -> None:
    assert MAPS[kind].causal(options_of(kind, given)) == axes


@pytest.mark.parametrize("kind", MAPS)
@LAW
@given(rng=randoms)
def test_the_norm_is_within_the_bound(kind: str, rng: Random) -> None:
    case = CASES[kind](rng)
    bound = case.record.bound(case.options)
    if bound is None:
        return
    specs = case.record.parameters(case.options, case.signature)
    values = {name: value for name, value in case.values(rng).items() if not specs[name].offset}
    size = math.prod(case.shape(case.source))
    basis = torch.eye(size, dtype=torch.float64).reshape(size, *case.shape(case.source))
    columns = case.record.reference(basis, case.signature, case.options, values).flatten(1)
    assert torch.linalg.matrix_norm(columns, ord=2) <= bound * (1 + 1e-10)


def test_a_spectral_limit_is_reached_only_from_above() -> None:
    """Weights within the limit are left as they are; greater ones come to it."""
    spectral = case("dense", {"c": "c", "spectral": 0.9}, ["c"], {"c": 3})
    x = torch.eye(3, dtype=torch.float64)
    small, large = (lowered(spectral, {"weight": x * size}).forward(x) for size in (0.5, 4.0))
    assert torch.allclose(small, 0.5 * x, rtol=0, atol=1e-15)
    assert torch.allclose(large, 0.9 * x, rtol=0, atol=1e-15)


def test_a_dense_map_starts_as_it_says() -> None:
    spec = """
hopgraph: 1
name: start
input: {tensor: {c: 200}}
block:
  axes: {c: 200, m: 300}
  layers: {x: {axes: [c], lagrangian: tanh}, h: {axes: [m], lagrangian: relu, fast: true}}
  synapses: {s: {factors: {h: h, x: {layer: x, through: [{dense: {c: m, bias: true, start: {weight: 0.01, bias: -0.5}}}]}}}}
"""
    model = compile_model(load(Source("start.yaml", spec)))
    weight, bias = (model.stored(f"blocks.0.s.x.dense.{name}") for name in ("weight", "bias"))
    assert weight.std().item() == pytest.approx(0.01 * 0.8796, rel=0.02)  # cut at two deviations
    assert weight.abs().max() <= 0.02
    assert (bias == -0.5).all()
