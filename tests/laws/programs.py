"""One record's program, run with given parameters; what the laws of Lagrangians and of linear maps are stated on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

import torch
from hypothesis import settings
from torch import Tensor, nn

from hopgraph.energy.lagrangians import LAGRANGIANS, Lagrangian, over_axes
from hopgraph.energy.options import OptionModel
from hopgraph.energy.records import Options, ParameterSpec, Value
from hopgraph.errors import Findings
from hopgraph.lower.model import compiled
from hopgraph.lower.parameters import register
from hopgraph.passes.resolve_dims import Resolver
from hopgraph.program.builder import Builder

from .specs import lagrangian

LAW = settings(deadline=None, derandomize=True, max_examples=25)
"""Repeatable: the same examples at every run."""

Weights = Mapping[str, Value]


def generator(rng: Random) -> torch.Generator:
    """A generator of torch, seeded by a random number."""
    return torch.Generator().manual_seed(rng.randrange(2**31))


def stored(specs: Mapping[str, ParameterSpec], source: torch.Generator) -> dict[str, Tensor]:
    """Random values for parameters, as they are stored: of a positive one the logarithm."""
    return {field: torch.randn(spec.shape, generator=source, dtype=torch.float64) for field, spec in specs.items()}


def run(
    axes: tuple[str, ...],
    sizes: Mapping[str, int],
    specs: Mapping[str, ParameterSpec],
    values: Mapping[str, Tensor],
    write: Callable[[Builder, Value, Weights], Value],
) -> tuple[Callable[[Tensor], Tensor], Value]:
    """The function of [batch, *axes] that `write` writes a program of, with its parameters set; and the program's result."""
    builder = Builder()
    x = builder.input("x", axes, tuple(sizes[axis] for axis in axes))
    result = write(builder, x, {field: builder.parameter(f"part.{field}", spec) for field, spec in specs.items()})
    program = builder.program("law", [result])
    module = nn.Module()
    for parameter, field in zip(program.parameters, specs, strict=True):
        tensor = values[field]
        assert tensor.shape == parameter.shape
        register(module, parameter.stored_name, nn.Parameter(tensor))
    function = compiled(program, "law")
    return lambda tensor: function(module, tensor), result


@dataclass(frozen=True)
class LayerCase:
    """A Lagrangian with options on some axes: L and g as functions of a state [batch, *axes]."""

    record: Lagrangian
    options: Options
    axes: tuple[str, ...]
    sizes: Mapping[str, int]
    values: Mapping[str, Tensor]

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the axes."""
        return tuple(self.sizes[axis] for axis in self.axes)

    @property
    def specs(self) -> dict[str, ParameterSpec]:
        """The layer's parameters."""
        return self.record.parameters(self.options, self.axes, self.sizes)

    def activation(self) -> Callable[[Tensor], Tensor]:
        """G, by the program."""

        def write(builder: Builder, x: Value, weights: Weights) -> Value:
            return self.record.activation(builder, x, self.options, weights, "g")

        return run(self.axes, self.sizes, self.specs, self.values, write)[0]

    def total(self, x: Tensor) -> Tensor:
        """L, [batch], by the formula."""
        dims = tuple(1 + self.axes.index(axis) for axis in over_axes(self.options))
        weights: dict[str, Tensor] = {}
        for field, spec in self.specs.items():
            value = self.values[field].exp() if spec.positive else self.values[field]
            weights[field] = value.to(x.dtype).reshape([self.sizes[axis] if axis in spec.axes else 1 for axis in self.axes])
        return self.record.value(x, dims, self.options, weights).flatten(1).sum(1)

    def gradient(self, x: Tensor) -> Tensor:
        """dL/dx by autograd."""
        leaf = x.detach().requires_grad_()
        (g,) = torch.autograd.grad(self.total(leaf).sum(), leaf)
        return g


def resolved(model: OptionModel) -> Options:
    """A record's options as the passes hand them to it, with every number evaluated."""
    return Resolver({}, Findings()).options(model, ())


def layer_case(rng: Random, kind: str, *, breaking: bool = False, **fixed: object) -> LayerCase:
    """A random case of one Lagrangian; `fixed` options are set last."""
    axes = rng.sample(["b", "n", "c"], rng.randint(1, 3))
    sizes = {axis: rng.randint(1, 4) for axis in axes}
    record = LAGRANGIANS[kind]
    given = {**lagrangian(rng, kind, axes, breaking=breaking)[kind], **fixed}
    options = resolved(record.options.model_validate(given))
    names = tuple(axes)
    return LayerCase(record, options, names, sizes, stored(record.parameters(options, names, sizes), generator(rng)))


def points(rng: Random, shape: tuple[int, ...], batch: int = 3) -> Tensor:
    """Random states [batch, *shape], some of their elements exactly 0."""
    source = generator(rng)
    x = 2 * torch.randn(batch, *shape, generator=source, dtype=torch.float64)
    return x * (torch.rand(x.shape, generator=source) > 0.1)


def jacobian(function: Callable[[Tensor], Tensor], point: Tensor) -> Tensor:
    """The matrix of derivatives of `function` of [1, *shape] at a point [*shape], row by row."""
    leaf = point.detach().requires_grad_()
    values = function(leaf.unsqueeze(0)).flatten()
    rows = [torch.autograd.grad(value, leaf, retain_graph=True)[0].flatten() for value in values]
    return torch.stack(rows)


def asymmetry(matrix: Tensor) -> float:
    """|J - J^T| / (2 |J|), Frobenius; 0 of a matrix of zeros."""
    size = matrix.square().sum().sqrt().item()
    return (matrix - matrix.mT).square().sum().sqrt().item() / (2 * size) if size > 0 else 0.0
