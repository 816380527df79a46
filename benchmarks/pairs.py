"""The architectures that are measured, each beside the same one written by hand, with the same weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.rivals import energy_transformer, paramixer, timm, transformers
from benchmarks.rivals.parts import Sizes
from benchmarks.rivals.transformers import TextSizes
from hopgraph.lower.model import Model, compile_model
from hopgraph.passes.pipeline import CheckedSpec, load
from hopgraph.train.importing import import_weights

TOLERANCE = 1e-10
"""The largest relative difference of the outputs in float64."""
NOISE = 0.1
"""Of gains and biases, which would else be ones and zeros that hide what they do."""


@dataclass(frozen=True)
class Pair:
    """A spec, and the same network by hand, whose tensors have the published names."""

    name: str
    spec: str
    variant: str | None
    settings: Mapping[str, Any]
    rival: Callable[[], nn.Module]

    def load(self) -> CheckedSpec:
        """The checked spec."""
        return load(self.spec, self.variant, dict(self.settings))

    def made(self, dtype: torch.dtype = torch.float32) -> tuple[Model, nn.Module]:
        """Both, with the same random weights."""
        rival, spec = drawn(self.rival).to(dtype), self.load()
        model = compile_model(spec, dtype=dtype)
        model.load_state_dict(import_weights(spec, rival.state_dict()))
        return model, rival


def drawn(rival: Callable[[], nn.Module]) -> nn.Module:
    """A rival with random weights, the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        found = rival()
        with torch.no_grad():
            for tensor in found.parameters():
                if tensor.ndim < 2:
                    tensor.add_(NOISE * torch.randn(tensor.shape))
    return found


def pairs(quick: bool) -> tuple[Pair, ...]:
    """Those that are measured, small: half as wide as S and as deep, on images of 32x32 in patches of 4, or 128 tokens."""
    small = Sizes(image=8, patch=4, channels=16, depth=2, heads=2)
    sizes = small if quick else Sizes(image=32, patch=4, channels=256, depth=8, heads=8)
    text = TextSizes(8, 11, 16, 2, 2) if quick else TextSizes(128, 256, 256, 6, 8)
    tied, free = ({**sizes.settings, "weights": paramixer.weights(tied=tied)} for tied in (True, False))
    attention = {**sizes.settings, "dims.heads": sizes.heads}
    return (
        Pair("paramixer symmetric", "paramixer", "symmetric", tied, lambda: paramixer.symmetric(sizes)),
        Pair("paramixer own", "paramixer", "broken", free, lambda: paramixer.broken(sizes)),
        Pair("paramixer vanilla", "paramixer", "vanilla", free, lambda: paramixer.vanilla(sizes)),
        Pair("mlp_mixer", "mlp_mixer", None, sizes.settings, lambda: timm.mixer(sizes)),
        Pair("vit", "vit", None, attention, lambda: transformers.Vit(sizes)),
        Pair("transformer", "masked_mixer", "transformer,positions", text.settings, lambda: transformers.LanguageModel(text)),
        Pair(
            "energy_transformer",
            "energy_transformer",
            None,
            energy_transformer.settings(sizes),
            lambda: energy_transformer.EnergyTransformer(sizes),
        ),
    )


def example(model: Model, batch: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """A random batch of what the model reads."""
    generator, given = torch.Generator().manual_seed(1), model.ham.input
    if given.vocabulary is not None:
        return torch.randint(given.vocabulary, (batch, *given.shape), generator=generator)
    return torch.randn((batch, *given.shape), generator=generator, dtype=dtype)


def difference(pair: Pair) -> float:
    """The relative difference of the outputs in float64; an AssertionError where the two are not the same function."""
    model, rival = pair.made(torch.float64)
    given = example(model, 2, torch.float64)
    with torch.no_grad():
        found = relative(model(given), rival(given))
    assert found <= TOLERANCE, f"the rival of {pair.name} computes something else: {found:.1e}"
    return found


def relative(got: Tensor, wanted: Tensor) -> float:
    """|got - wanted| / |wanted|, Frobenius."""
    assert got.shape == wanted.shape, f"{tuple(got.shape)} is not {tuple(wanted.shape)}"
    return ((got - wanted).square().sum() / wanted.square().sum()).sqrt().item()
