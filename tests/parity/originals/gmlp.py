"""gMLP (arXiv:2105.08050), written out plainly. A block is

    [u, v] = gelu(W1 LN(x) + b1),   x <- x + W2 (u * (S LN'(v) + b)) + b2

with u and v the halves of the hidden channels, both norms over channels, and S over tokens.
"""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812 (the name that torch's own documentation uses)
from torch import Tensor, nn

from .case import Case
from .mlp_mixer import SETTINGS, TOKENS, Network


class Gate(nn.Module):
    """One half of the channels times the other, mixed over tokens."""

    def __init__(self, half: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(half, eps=1e-5)
        self.proj = nn.Linear(TOKENS, TOKENS)

    def forward(self, x: Tensor) -> Tensor:
        u, v = x.chunk(2, dim=-1)
        return u * self.proj(self.norm(v).mT).mT


class GatedPerceptron(nn.Module):
    """A perceptron with a gate behind its activation, which halves the hidden channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, 6 * channels)
        self.gate = Gate(3 * channels)
        self.fc2 = nn.Linear(3 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.gate(F.gelu(self.fc1(x))))


class Block(nn.Module):
    """Channels and tokens in one gated perceptron."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.mlp_channels = GatedPerceptron(channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mlp_channels(self.norm(x))


CASES = (Case("gmlp", spec="gmlp", settings={**SETTINGS, "dims.C": 4}, original=lambda: Network(4, lambda: Block(4))),)
