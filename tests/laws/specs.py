"""Models of random specs: built with random weights, with states and inputs to run them on."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from hopgraph.errors import Source
from hopgraph.lower.model import Model, compile_model
from hopgraph.passes.pipeline import CheckedSpec, load

from .drawing import numbers, random_spec
from .drawing.lagrangians import lagrangian
from .drawing.recipe import ALL, CONVEX, EVERYTHING, GUARANTEED, ONE_GROUP, TAME, TIED, Recipe

__all__ = ["ALL", "CONVEX", "EVERYTHING", "GUARANTEED", "ONE_GROUP", "TAME", "TIED", "Recipe", "lagrangian", "numbers", "random_spec"]

States = dict[str, Tensor]
"""States by the names of layers."""


def seeds(fast: int, slow: int) -> list[Any]:
    """Parameters for a test: the first seeds at every run, the others where slow tests run."""
    return [*range(fast), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(fast, slow))]


def check(text: str, overrides: dict[str, Any] | None = None) -> CheckedSpec:
    """The checked spec of a text."""
    return load(Source("law.yaml", text), overrides=overrides)


def build(text: str | CheckedSpec, seed: int = 0, overrides: dict[str, Any] | None = None, dtype: torch.dtype = torch.float64) -> Model:
    """A model with random weights, no parameter left at its initial value, in evaluation."""
    spec = check(text, overrides) if isinstance(text, str) else text
    model = compile_model(spec, dtype=dtype)
    randomise(model, seed)
    return model.eval()


def randomise(model: torch.nn.Module, seed: int) -> None:
    """Normal weights of deviation 1 / sqrt(fan in), biases 0.5, gains about 1; steps and lambdas about their starts, variances positive."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            leaf = name.rpartition(".")[2]
            fan_in = math.prod(parameter.shape[1:])
            about = {
                "log_gain": 0.3 * noise,
                "gain": 1 + 0.5 * noise,
                "bias": 0.5 * noise,
                "log_beta": 0.3 * noise,
                "log_scale": 0.3 * noise,
            }
            about |= dict.fromkeys(("log_step", "step", "log_lambda"), parameter + 0.3 * noise)
            parameter.copy_(about.get(leaf, noise / math.sqrt(fan_in)))
        for name, buffer in model.named_buffers():
            noise = torch.randn(buffer.shape, generator=generator, dtype=torch.float64)
            buffer.copy_(noise.abs() + 0.2 if name.endswith("running_var") else 0.5 * noise)


def slow_states(model: Model, batch: int = 3, seed: int = 0, scale: float = 1.0, block: int = 0) -> States:
    """Random states of a block's slow layers, each [batch, *axes]."""
    generator = torch.Generator().manual_seed(seed)
    here = model.ham.blocks[block]
    return {
        layer.name: scale * torch.randn(batch, *layer.shape(here.axes), generator=generator, dtype=torch.float64) for layer in here.slow
    }


def states(model: Model, batch: int = 3, seed: int = 0, scale: float = 1.0) -> Tensor:
    """Random states of the only slow layer, [batch, *axes]."""
    (state,) = slow_states(model, batch, seed, scale).values()
    return state


def images(model: Model, batch: int = 3, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Random inputs: numbers, or tokens."""
    generator = torch.Generator().manual_seed(seed)
    given = model.ham.input
    if given.vocabulary is not None:
        return torch.randint(given.vocabulary, (batch, *given.shape), generator=generator)
    return torch.randn(batch, *given.shape, generator=generator, dtype=torch.float64).to(dtype)


def relative(got: Tensor, wanted: Tensor) -> float:
    """The largest difference over the largest value wanted."""
    assert got.shape == wanted.shape, f"{tuple(got.shape)} is not {tuple(wanted.shape)}"
    scale = wanted.abs().max().item()
    return (got - wanted).abs().max().item() / (scale if scale > 0 else 1.0)
