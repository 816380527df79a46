"""MLP-Mixer (arXiv:2105.01601), written out plainly. A block is

    x <- x + W2 gelu(W1 LN1(x) + b1) + b2   over tokens, then   x <- x + W4 gelu(W3 LN2(x) + b3) + b4   over channels

with both norms over channels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F  # noqa: N812 (the name that torch's own documentation uses)
from torch import Tensor, nn

from .case import Case

COLORS, HEIGHT, WIDTH, PATCH, DEPTH, CLASSES = 3, 4, 6, 2, 2, 5
TOKENS = (HEIGHT // PATCH) * (WIDTH // PATCH)
SETTINGS = {
    "input.image": [COLORS, HEIGHT, WIDTH],
    "dims.N": TOKENS,
    "dims.patch": PATCH,
    "dims.depth": DEPTH,
    "dims.classes": CLASSES,
}
"""The spec at the sizes of `Network`, but for the channels."""


class Stem(nn.Module):
    """Patches, each mapped to the channels: [batch, tokens, channels]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(COLORS, channels, PATCH, stride=PATCH)

    def forward(self, image: Tensor) -> Tensor:
        return self.proj(image).flatten(2).transpose(1, 2)


class Network(nn.Module):
    """A stem, blocks, a norm, the mean over tokens, a linear head."""

    def __init__(self, channels: int, block: Callable[[], nn.Module], norm: nn.Module | None = None) -> None:
        super().__init__()
        self.stem = Stem(channels)
        self.blocks = nn.Sequential(*(block() for _ in range(DEPTH)))
        self.norm = norm or nn.LayerNorm(channels, eps=1e-6)
        self.head = nn.Linear(channels, CLASSES)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.norm(self.blocks(self.stem(image))).mean(dim=1))


class Perceptron(nn.Module):
    """Two linear maps over the last axis, gelu between."""

    def __init__(self, size: int, hidden: int, bias: bool = True) -> None:
        super().__init__()
        self.fc1 = nn.Linear(size, hidden, bias=bias)
        self.fc2 = nn.Linear(hidden, size, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """Tokens are mixed, then channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=1e-6)
        self.mlp_tokens = Perceptron(TOKENS, channels // 2)
        self.norm2 = nn.LayerNorm(channels, eps=1e-6)
        self.mlp_channels = Perceptron(channels, 4 * channels)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.mlp_tokens(self.norm1(x).mT).mT
        return x + self.mlp_channels(self.norm2(x))


CASES = (Case("mlp_mixer", spec="mlp_mixer", settings={**SETTINGS, "dims.C": 8}, original=lambda: Network(8, lambda: Block(8))),)
