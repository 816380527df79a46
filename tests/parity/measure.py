"""A shipped spec against its original: random weights go into the original, are imported, and everything is compared."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hopgraph.lower.model import Model, compile_model
from hopgraph.passes.pipeline import CheckedSpec, load
from hopgraph.train import importing

from . import originals
from .originals.case import Case

BATCH = 3
LEAST = 1e-2
"""Gradients that are small beside the largest one of the model are compared at this share of it: some are exactly zero."""


@dataclass(frozen=True)
class Errors:
    """The largest errors, each relative to the largest value: in evaluation, and in training with batch norm's own statistics."""

    output: float
    gradient: float
    training_output: float
    training_gradient: float
    statistics: float

    @property
    def values(self) -> float:
        """Of all but gradients."""
        return max(self.output, self.training_output, self.statistics)

    @property
    def gradients(self) -> float:
        return max(self.gradient, self.training_gradient)

    @property
    def worst(self) -> float:
        return max(self.values, self.gradients)


def cases() -> list[Case]:
    """Every case of every file in `originals`."""
    found: list[Case] = []
    for module in sorted(info.name for info in pkgutil.iter_modules(originals.__path__)):
        found += getattr(importlib.import_module(f"{originals.__name__}.{module}"), "CASES", ())
    return found


def pair(case: Case, dtype: torch.dtype, seed: int = 0) -> tuple[nn.Module, Model]:
    """The original with random weights, and the compiled model that has imported them."""
    spec = load(case.spec, case.variant, dict(case.settings))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        original = case.original().double()
    randomise(original, positive(spec), seed)
    weights = importing.import_weights(spec, original.state_dict())
    model = compile_model(spec, dtype=torch.float64)
    model.load_state_dict(weights)
    return original.to(dtype), model.to(dtype)


def positive(spec: CheckedSpec) -> set[str]:
    """The tensors that go to parameters which are kept positive."""
    return {name for row in importing.rows(spec) if any(parameter.positive for parameter, _ in row.parts) for name in row.names}


def randomise(original: nn.Module, positive: set[str], seed: int) -> None:
    """Random values for everything, of a size that keeps states near one; nothing stays at its initial value."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in original.state_dict().items():
            if not tensor.is_floating_point():
                continue
            noise = torch.randn(tensor.shape, dtype=tensor.dtype, generator=generator)
            long = [size for size in tensor.shape if size > 1]
            if name.endswith("running_var"):
                tensor.copy_(0.5 + noise.abs())
            elif len(long) > 1:
                tensor.copy_(noise / (tensor.numel() / tensor.shape[0]) ** 0.5)
            else:
                tensor.add_(0.3 * noise)
            if name in positive:
                tensor.copy_(tensor.abs() + 0.1)


def measure(case: Case, dtype: torch.dtype) -> Errors:
    """Compare a case in evaluation and in training."""
    output, gradient = _compared(*pair(case, dtype), case, dtype, training=False)
    original, model = pair(case, dtype)
    training_output, training_gradient = _compared(original, model, case, dtype, training=True)
    buffers = importing.assign(model.spec, original.state_dict()).found
    statistics = [difference(buffer, buffers[name]) for name, buffer in model.named_buffers()]
    return Errors(output, gradient, training_output, training_gradient, max(statistics, default=0.0))


def _compared(original: nn.Module, model: Model, case: Case, dtype: torch.dtype, *, training: bool) -> tuple[float, float]:
    """The errors of the outputs, and of the gradients by the input and by every parameter."""
    ours, theirs = example(model, dtype), example(model, dtype)
    wanted, got = (_pulled_back(module.train(training), given) for module, given in ((original, theirs), (model, ours)))
    pairs = gradients(original, model)
    if ours.is_floating_point():
        assert ours.grad is not None
        assert theirs.grad is not None
        pairs["input"] = (ours.grad, theirs.grad)
    return difference(got, wanted), _worst(pairs)


def _pulled_back(module: nn.Module, given: Tensor) -> Tensor:
    """The output, after a gradient through it in a random direction."""
    output: Tensor = module(given)
    direction = torch.randn(output.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2)).to(output.dtype)
    (output * direction).sum().backward()
    return output.detach()


def _worst(pairs: Mapping[str, tuple[Tensor, Tensor]]) -> float:
    """The worst of some gradients, each beside what it should be."""
    floor = LEAST * max(there.abs().max().item() for _, there in pairs.values())
    return max(difference(here, there, floor) for here, there in pairs.values())


def rounding(case: Case) -> float:
    """How far the gradients of the original in float32 are from its own in float64, at worst: what rounding alone makes of them."""
    found: list[float] = []
    for training in (False, True):
        (single, model), (exact, _) = pair(case, torch.float32), pair(case, torch.float64)
        for module, dtype in ((single, torch.float32), (exact, torch.float64)):
            _pulled_back(module.train(training), example(model, dtype))
        known = {name: _gradient(tensor) for name, tensor in _floats(exact)}
        found.append(_worst({name: (_gradient(tensor).double(), known[name]) for name, tensor in _floats(single)}))
    return max(found)


def gradients(original: nn.Module, model: Model) -> dict[str, tuple[Tensor, Tensor]]:
    """By parameter of ours, its gradient and the original's; of a logarithm, d/d log w = w d/dw."""
    wanted = importing.assign(model.spec, {name: _gradient(tensor) for name, tensor in _floats(original)}).found
    values = importing.assign(model.spec, dict(_floats(original))).found
    found: dict[str, tuple[Tensor, Tensor]] = {}
    for parameter in model.program.parameters:
        name = parameter.stored_name
        tensor = model.stored(name)
        if not parameter.trainable:
            continue
        assert tensor.grad is not None, f"{name} has no gradient"
        found[name] = (tensor.grad, wanted[name] * values[name] if parameter.positive else wanted[name])
    return found


def _floats(original: nn.Module) -> list[tuple[str, Tensor]]:
    """Parameters and buffers, those that are not learned with no gradient."""
    return [*original.named_parameters(), *((name, tensor) for name, tensor in original.named_buffers() if tensor.is_floating_point())]


def _gradient(tensor: Tensor) -> Tensor:
    return torch.zeros_like(tensor) if tensor.grad is None else tensor.grad


def example(model: Model, dtype: torch.dtype) -> Tensor:
    """A random batch of what the model reads."""
    generator = torch.Generator().manual_seed(1)
    given = model.ham.input
    if given.vocabulary is not None:
        return torch.randint(given.vocabulary, (BATCH, *given.shape), generator=generator)
    return torch.randn((BATCH, *given.shape), dtype=torch.float64, generator=generator).to(dtype).requires_grad_()


def difference(got: Tensor, wanted: Tensor, least: float = 0.0) -> float:
    """Relative to the largest value, or to `least` where that is larger."""
    assert got.shape == wanted.shape, f"{tuple(got.shape)} is not {tuple(wanted.shape)}"
    scale = max(wanted.abs().max().item(), least)
    return (got - wanted).abs().max().item() / scale if scale else got.abs().max().item()
