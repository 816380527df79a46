"""<y, A x> = <A* y, x>, the program's map is the reference's, and its parameters have the shapes stated."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hopgraph.energy.maps import MAPS, LinearMap, Signature
from hopgraph.energy.records import Axes, Options, Value
from hopgraph.program.builder import Builder

from .programs import LAW, Weights, generator, points, resolved, run, stored
from .specs import relative

randoms = st.randoms(use_true_random=False)


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


def dense_case(rng: Random) -> MapCase:
    """A dense map from one of one to three axes: to a new one, to itself, to several, to itself and others."""
    source = rng.sample(["b", "n", "c"], rng.randint(1, 3))
    sizes = {axis: rng.randint(1, 4) for axis in (*source, "h", "y", "z")}
    old = rng.choice(source)
    new = rng.sample(["h", "y", "z"], rng.randint(0, 3))
    if not new or rng.random() < 0.4:
        new.insert(rng.randint(0, len(new)), old)
    bias = rng.random() < 0.5
    out = tuple(sizes[axis] for axis in new)
    shapes = {"weight": (*out, sizes[old]), **({"bias": out} if bias else {})}
    given = {old: new[0] if len(new) == 1 else new, **({"bias": True} if bias else {})}
    record = MAPS["dense"]
    model = record.options.model_validate(record.shorthand(given))
    return MapCase(record, resolved(model), tuple(source), sizes, shapes)


CASES: dict[str, Callable[[Random], MapCase]] = {"dense": dense_case}
"""How a random case of each map is drawn."""


def test_every_map_has_cases() -> None:
    assert set(CASES) == set(MAPS)


def lowered(case: MapCase, values: dict[str, Tensor]) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """A x + b and A* y, by their programs."""
    specs = case.record.parameters(case.options, case.signature)
    linear = {field: spec for field, spec in specs.items() if not spec.offset}

    def forward(builder: Builder, x: Value, weights: Weights) -> Value:
        return case.record.forward(builder, x, case.signature, case.options, weights, "y")

    def adjoint(builder: Builder, y: Value, weights: Weights) -> Value:
        return case.record.adjoint(builder, y, case.signature, case.options, weights, "x")

    there, image = run(case.source, case.sizes, specs, values, forward)
    back, preimage = run(case.target, case.sizes, linear, values, adjoint)
    assert (image.axes, image.shape) == (case.target, case.shape(case.target))
    assert (preimage.axes, preimage.shape) == (case.source, case.shape(case.source))
    return there, back


@pytest.mark.parametrize("kind", MAPS)
@LAW
@given(rng=randoms)
def test_the_adjoint_is_the_adjoint(kind: str, rng: Random) -> None:
    case = CASES[kind](rng)
    values = stored(case.record.parameters(case.options, case.signature), generator(rng))
    forward, adjoint = lowered(case, values)
    x, y = points(rng, case.shape(case.source)), points(rng, case.shape(case.target))
    image = forward(x) - forward(torch.zeros_like(x))
    there, back = (y * image).flatten(1).sum(1), (adjoint(y) * x).flatten(1).sum(1)
    size = (y * image).abs().flatten(1).sum(1) + 1e-300
    assert ((there - back).abs() <= 1e-10 * size).all()


@pytest.mark.parametrize("kind", MAPS)
@LAW
@given(rng=randoms)
def test_the_program_computes_the_reference(kind: str, rng: Random) -> None:
    case = CASES[kind](rng)
    values = stored(case.record.parameters(case.options, case.signature), generator(rng))
    forward, _ = lowered(case, values)
    x = points(rng, case.shape(case.source))
    assert relative(forward(x).detach(), case.record.reference(x, case.signature, case.options, values)) < 1e-10


@pytest.mark.parametrize("kind", MAPS)
@LAW
@given(rng=randoms)
def test_parameters_have_the_shapes_of_the_axes(kind: str, rng: Random) -> None:
    case = CASES[kind](rng)
    specs = case.record.parameters(case.options, case.signature)
    assert {field: spec.shape for field, spec in specs.items()} == case.shapes
    assert all(len(spec.axes) == len(spec.shape) for spec in specs.values())
    builder = Builder()
    for field, spec in specs.items():
        builder.parameter(f"part.{field}", spec)
    assert builder.program("law", []).parameter_count == sum(map(math.prod, case.shapes.values()))
