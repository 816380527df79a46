"""The four mixers of arXiv:2406.12220, written out plainly in PyTorch, against the compiled ones: outputs and gradients.

A block of the hierarchical associative memory, with g = LN(x) over tokens and channels together:

    SymMixer    x <- x + W1^T gelu(W1 g) + gelu(g W2^T) W2
    AsymMixer   x <- x + (W1^T + V1) gelu(W1 g) + gelu(g W2^T) (W2 + V2)
    ParaMixer   x <- x + W1' gelu(W1 g) + gelu(g W2^T) W2'
    Mixer       x <- x + W1' gelu(W1 g), then x <- x + gelu(g W2^T) W2', each with its own norm
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (the name that torch's own documentation uses)
from torch import Tensor, nn

from hopgraph.lower.model import Model, compile_model
from hopgraph.passes.pipeline import load

from ..laws.specs import randomise

IMAGE, COLORS, PATCH, CHANNELS, DEPTH, CLASSES = 8, 3, 2, 12, 3, 7
TOKENS, TOKEN_HIDDEN, CHANNEL_HIDDEN = 16, 6, 48
SIZES = {"dims.image": IMAGE, "dims.colors": COLORS, "dims.patch": PATCH, "dims.C": CHANNELS, "dims.depth": DEPTH, "dims.classes": CLASSES}


class JointNorm(nn.Module):
    """gain * (x - mean) / sqrt(var + eps) over tokens and channels together, with one gain."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(dim=(1, 2), keepdim=True)
        variance = ((x - mean) ** 2).mean(dim=(1, 2), keepdim=True)
        return self.gain * (x - mean) / torch.sqrt(variance + 1e-6)


class SymmetricBlock(nn.Module):
    """Both weights are used forth and, transposed, back."""

    # parameter here: (parameter of the compiled block, whether it is transposed there)
    names: ClassVar[dict[str, tuple[str, bool]]] = {
        "norm.gain": ("x.log_gain", False),
        "token": ("token.x.dense.weight", False),
        "channel": ("channel.x.dense.weight", False),
    }

    def __init__(self) -> None:
        super().__init__()
        self.norm = JointNorm()
        self.token = nn.Parameter(torch.zeros(TOKEN_HIDDEN, TOKENS))
        self.channel = nn.Parameter(torch.zeros(CHANNEL_HIDDEN, CHANNELS))

    def forward(self, x: Tensor) -> Tensor:
        g = self.norm(x)
        tokens = self.token.T @ F.gelu(self.token @ g)
        channels = F.gelu(g @ self.channel.T) @ self.channel
        return x + tokens + channels


class PenalizedBlock(SymmetricBlock):
    """The way back departs from the transpose by V."""

    names: ClassVar[dict[str, tuple[str, bool]]] = {
        **SymmetricBlock.names,
        "token_departure": ("token.penalized_x.x.dense.weight", True),
        "channel_departure": ("channel.penalized_x.x.dense.weight", True),
    }

    def __init__(self) -> None:
        super().__init__()
        self.token_departure = nn.Parameter(torch.zeros(TOKENS, TOKEN_HIDDEN))
        self.channel_departure = nn.Parameter(torch.zeros(CHANNELS, CHANNEL_HIDDEN))

    def forward(self, x: Tensor) -> Tensor:
        g = self.norm(x)
        tokens = (self.token.T + self.token_departure) @ F.gelu(self.token @ g)
        channels = F.gelu(g @ self.channel.T) @ (self.channel.T + self.channel_departure).T
        return x + tokens + channels


class Mlp(nn.Module):
    """Two linear maps without biases, gelu between, over the last axis."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(size, hidden, bias=False)
        self.fc2 = nn.Linear(hidden, size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


MLPS = {
    "token.fc1.weight": ("token.x.dense.weight", False),
    "token.fc2.weight": ("token.own_x.x.dense.weight", True),
    "channel.fc1.weight": ("channel.x.dense.weight", False),
    "channel.fc2.weight": ("channel.own_x.x.dense.weight", True),
}


class ParallelBlock(nn.Module):
    """Token and channel perceptrons side by side, each with four free matrices."""

    names: ClassVar[dict[str, tuple[str, bool]]] = {"norm.gain": ("x.log_gain", False), **MLPS}

    def __init__(self) -> None:
        super().__init__()
        self.norm = JointNorm()
        self.token = Mlp(TOKENS, TOKEN_HIDDEN)
        self.channel = Mlp(CHANNELS, CHANNEL_HIDDEN)

    def forward(self, x: Tensor) -> Tensor:
        g = self.norm(x)
        return x + self.token(g.transpose(1, 2)).transpose(1, 2) + self.channel(g)


class SequentialBlock(nn.Module):
    """The MLP-Mixer's: one after the other, a norm each."""

    names: ClassVar[dict[str, tuple[str, bool]]] = {
        "norm1.gain": ("norm_0_x.log_gain", False),
        "norm2.gain": ("norm_1_x.log_gain", False),
        **MLPS,
    }

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = JointNorm(), JointNorm()
        self.token = Mlp(TOKENS, TOKEN_HIDDEN)
        self.channel = Mlp(CHANNELS, CHANNEL_HIDDEN)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.token(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channel(self.norm2(x))


Block = SymmetricBlock | ParallelBlock | SequentialBlock


class Mixer(nn.Module):
    """Patches, blocks, a norm over channels, the mean over tokens, a linear head."""

    def __init__(self, block: Callable[[], Block]) -> None:
        super().__init__()
        self.patches = nn.Conv2d(COLORS, CHANNELS, PATCH, stride=PATCH)
        self.blocks = nn.ModuleList(block() for _ in range(DEPTH))
        self.norm = nn.LayerNorm(CHANNELS, eps=1e-6)
        self.head = nn.Linear(CHANNELS, CLASSES)

    def forward(self, image: Tensor) -> Tensor:
        x = self.patches(image).flatten(2).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x).mean(dim=1))


ENDS = {
    "patches.weight": ("encoder.patch_embed.weight", False),
    "patches.bias": ("encoder.patch_embed.bias", False),
    "norm.weight": ("readout.layernorm.gain", False),
    "norm.bias": ("readout.layernorm.bias", False),
    "head.weight": ("readout.linear.weight", False),
    "head.bias": ("readout.linear.bias", False),
}
BLOCKS: dict[str, type[Block]] = {
    "symmetric": SymmetricBlock,
    "asymmetric": PenalizedBlock,
    "broken": ParallelBlock,
    "vanilla": SequentialBlock,
}


def correspondence(block: type[Block]) -> dict[str, tuple[str, bool]]:
    """Each parameter of the hand-written model, with the compiled model's name for it."""
    inner = {
        f"blocks.{index}.{ours}": (f"blocks.{index}.{theirs}", turned)
        for index in range(DEPTH)
        for ours, (theirs, turned) in block.names.items()
    }
    return {**ENDS, **inner}


def pair(variant: str, dtype: torch.dtype) -> tuple[Mixer, Model, dict[str, tuple[str, bool]]]:
    """The hand-written and the compiled model with the same random weights."""
    model = compile_model(load("paramixer", variant, SIZES), dtype=torch.float64)
    randomise(model, 11)
    hand = Mixer(BLOCKS[variant]).double()
    names = correspondence(BLOCKS[variant])
    weights = dict(model.named_parameters())
    assert sorted(name for name, _ in hand.named_parameters()) == sorted(names)
    assert sorted(weights) == sorted(name for name, _ in names.values())
    with torch.no_grad():
        for ours, parameter in hand.named_parameters():
            theirs, turned = names[ours]
            value = weights[theirs].exp() if "log_" in theirs else weights[theirs]
            initial = parameter.clone()
            parameter.copy_(value.T if turned else value)
            assert not torch.equal(parameter, initial)
    return hand.to(dtype), model.to(dtype), names


def difference(got: Tensor, wanted: Tensor) -> float:
    """Relative to the largest value."""
    assert got.shape == wanted.shape
    return ((got - wanted).abs().max() / wanted.abs().max()).item()


@pytest.mark.parametrize("variant", BLOCKS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_outputs_and_gradients_are_those_of_the_paper_written_by_hand(variant: str, dtype: torch.dtype, tolerance: float) -> None:
    hand, model, names = pair(variant, dtype)
    source = torch.Generator().manual_seed(5)
    ours = torch.randn(3, COLORS, IMAGE, IMAGE, generator=source, dtype=torch.float64).to(dtype).requires_grad_()
    theirs = ours.detach().clone().requires_grad_()
    direction = torch.randn(3, CLASSES, generator=source, dtype=torch.float64).to(dtype)

    by_hand, compiled = hand(ours), model(theirs)
    assert difference(compiled.detach(), by_hand.detach()) < tolerance

    (by_hand * direction).sum().backward()
    (compiled * direction).sum().backward()
    assert ours.grad is not None
    assert theirs.grad is not None
    assert difference(theirs.grad, ours.grad) < tolerance
    weights = dict(model.named_parameters())
    for name, parameter in hand.named_parameters():
        other, turned = names[name]
        got = weights[other].grad
        assert parameter.grad is not None
        assert got is not None
        wanted = parameter.grad.T if turned else parameter.grad
        wanted = wanted * parameter.detach() if "log_" in other else wanted  # d/d log g = g d/dg
        assert difference(got, wanted) < tolerance


def test_symmetry_halves_the_weights_of_a_block() -> None:
    counts = {variant: load("paramixer", variant, SIZES).program.parameter_count for variant in BLOCKS}
    matrices = TOKENS * TOKEN_HIDDEN + CHANNELS * CHANNEL_HIDDEN
    assert counts["broken"] - counts["symmetric"] == DEPTH * matrices
    assert counts["asymmetric"] == counts["broken"]
    assert counts["vanilla"] - counts["broken"] == DEPTH
    assert counts["symmetric"] == DEPTH * (matrices + 1) + CHANNELS * (COLORS * PATCH**2 + 1) + 2 * CHANNELS + CLASSES * (CHANNELS + 1)
