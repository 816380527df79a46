"""One record's program, run with given parameters; what the laws of Lagrangians and of linear maps are stated on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from random import Random
from typing import Any

import onnx
import torch
from hypothesis import settings
from torch import Tensor, nn

from exporters.onnx import emit
from hopgraph.energy.lagrangians import LAGRANGIANS, Lagrangian
from hopgraph.energy.options import OptionModel
from hopgraph.energy.records import Options, ParameterSpec, Value
from hopgraph.errors import Findings
from hopgraph.lower.model import compiled
from hopgraph.lower.parameters import register
from hopgraph.passes.resolve_dims import Resolver
from hopgraph.program.builder import Builder
from hopgraph.program.program import Program

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


def written(
    axes: tuple[str, ...],
    sizes: Mapping[str, int],
    specs: Mapping[str, ParameterSpec],
    values: Mapping[str, Tensor],
    write: Callable[[Builder, Value, Weights], Value],
) -> tuple[Program, nn.Module, Value]:
    """A program of [batch, *axes] that `write` writes, the module that holds its parameters, and its result."""
    builder = Builder()
    x = builder.input("x", axes, tuple(sizes[axis] for axis in axes))
    result = write(builder, x, {field: builder.parameter(f"part.{field}", spec) for field, spec in specs.items()})
    program = builder.program("law", [result])
    module = nn.Module()
    for parameter, field in zip(program.parameters, specs, strict=True):
        tensor = values[field]
        assert tensor.shape == parameter.shape
        register(module, parameter.stored_name, tensor, specs[field].trainable)
    return program, module, result


def run(
    axes: tuple[str, ...],
    sizes: Mapping[str, int],
    specs: Mapping[str, ParameterSpec],
    values: Mapping[str, Tensor],
    write: Callable[[Builder, Value, Weights], Value],
) -> tuple[Callable[[Tensor], Tensor], Value]:
    """The function of [batch, *axes] that `write` writes a program of, with its parameters set; and the program's result."""
    program, module, result = written(axes, sizes, specs, values, write)
    function = compiled(program, "law")
    return lambda tensor: function(module, tensor), result


def onnx_function(program: Program, module: nn.Module) -> Callable[[Tensor], Tensor]:
    """A program of one input in ONNX Runtime, with the parameters of a module in float32."""
    model = emit(program, module.state_dict())
    onnx.checker.check_model(model, full_check=True)
    ort: Any = import_module("onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda x: torch.from_numpy(session.run(None, {program.inputs[0].name: x.numpy()})[0])


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

    def program(self) -> tuple[Program, nn.Module]:
        """The program of g, and the module that holds its parameters."""

        def write(builder: Builder, x: Value, weights: Weights) -> Value:
            return self.record.activation(builder, x, self.options, weights, "g")

        program, module, _ = written(self.axes, self.sizes, self.specs, self.values, write)
        return program, module

    def module(self) -> tuple[Callable[[nn.Module, Tensor], Tensor], nn.Module]:
        """G, by the program, as a function of the module that holds its parameters, and this module."""
        program, module = self.program()
        return compiled(program, "law"), module

    def activation(self) -> Callable[[Tensor], Tensor]:
        """G, by the program."""
        function, module = self.module()
        return lambda tensor: function(module, tensor)

    def total(self, x: Tensor) -> Tensor:
        """L, [batch], by the formula."""
        weights: dict[str, Tensor] = {}
        for field, spec in self.specs.items():
            value = self.values[field].exp() if spec.positive else self.values[field]
            weights[field] = value.to(x.dtype).reshape([self.sizes[axis] if axis in spec.axes else 1 for axis in self.axes])
        return self.record.value(x, self.axes, self.options, weights).flatten(1).sum(1)

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
    given = {**lagrangian(rng, kind, axes, breaking=breaking, masks=True)[kind], **fixed}
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
