"""ResMLP (arXiv:2105.03404), written out plainly. A block is

    x <- x + s1 (W A1(x) + b)   over tokens, then   x <- x + s2 (W2 gelu(W1 A2(x) + b1) + b2)   over channels

with A1 and A2 affine for each channel, and s1 and s2 the layer scales.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .case import Case
from .mlp_mixer import SETTINGS, TOKENS, Network, Perceptron


class Affine(nn.Module):
    """alpha x + beta, for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, 1, channels))
        self.beta = nn.Parameter(torch.zeros(1, 1, channels))

    def forward(self, x: Tensor) -> Tensor:
        return self.alpha * x + self.beta


class Block(nn.Module):
    """A linear map of the tokens, then a perceptron of the channels, each scaled."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = Affine(channels)
        self.linear_tokens = nn.Linear(TOKENS, TOKENS)
        self.norm2 = Affine(channels)
        self.mlp_channels = Perceptron(channels, 4 * channels)
        self.ls1 = nn.Parameter(torch.full((channels,), 1e-4))
        self.ls2 = nn.Parameter(torch.full((channels,), 1e-4))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1 * self.linear_tokens(self.norm1(x).mT).mT
        return x + self.ls2 * self.mlp_channels(self.norm2(x))


CASES = (Case("resmlp", spec="resmlp", settings={**SETTINGS, "dims.C": 10}, original=lambda: Network(10, lambda: Block(10), Affine(10))),)
