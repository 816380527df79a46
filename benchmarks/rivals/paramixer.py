"""The mixers of arXiv:2406.12220, with one gain in the norm over tokens and channels.

With g = gain (x - mean) / sqrt(variance + eps),

SymMixer   x <- x + W1^T gelu(W1 g) + U1^T gelu(U1 g)
ParaMixer  x <- x + W2 gelu(W1 g) + U2 gelu(U1 g)
Mixer      x <- x + W2 gelu(W1 g1(x)), then x <- x + U2 gelu(U1 g2(x))
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (the name that torch's own documentation uses)
from torch import Tensor, nn

from .parts import EPS, Network, Perceptron, Sizes

NORMS = {"norm": "x", "norm1": "norm_0_x", "norm2": "norm_1_x"}
"""Which of our norms each is."""


class JointNorm(nn.Module):
    """Over tokens and channels together, with one gain."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.shape = (sizes.patches, sizes.channels)
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Of a state of the same shape."""
        return F.layer_norm(x, self.shape, eps=EPS) * self.weight


class Tied(nn.Module):
    """One weight, used forth and, transposed, back; its published name is fc2."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.fc2 = nn.Linear(size, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Of a state of the same shape."""
        return F.gelu(self.fc2(x)) @ self.fc2.weight


class Block(nn.Module):
    """Tokens and channels at once."""

    def __init__(self, sizes: Sizes, *, tied: bool) -> None:
        super().__init__()
        tokens, channels = (sizes.patches, sizes.channels // 2), (sizes.channels, 4 * sizes.channels)
        self.norm = JointNorm(sizes)
        self.mlp_tokens = Tied(*tokens) if tied else Perceptron(*tokens, bias=False)
        self.mlp_channels = Tied(*channels) if tied else Perceptron(*channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Of a state of the same shape."""
        g = self.norm(x)
        return x + self.mlp_tokens(g.mT).mT + self.mlp_channels(g)


class Sequential(nn.Module):
    """Tokens, then channels, a norm each."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.norm1, self.norm2 = JointNorm(sizes), JointNorm(sizes)
        self.mlp_tokens = Perceptron(sizes.patches, sizes.channels // 2, bias=False)
        self.mlp_channels = Perceptron(sizes.channels, 4 * sizes.channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Of a state of the same shape."""
        x = x + self.mlp_tokens(self.norm1(x).mT).mT
        return x + self.mlp_channels(self.norm2(x))


def symmetric(sizes: Sizes) -> Network:
    """The SymMixer."""
    return Network(sizes, lambda sizes: Block(sizes, tied=True))


def broken(sizes: Sizes) -> Network:
    """The ParaMixer."""
    return Network(sizes, lambda sizes: Block(sizes, tied=False))


def vanilla(sizes: Sizes) -> Network:
    """The Mixer of the paper."""
    return Network(sizes, Sequential)


def weights(*, tied: bool) -> dict[str, Any]:
    """Where the tensors go: the spec's own table is of the authors' norm, which has a gain for each element."""
    perceptrons = (("tokens", "token", ["n", "k"]), ("channels", "channel", ["c", "m"]))
    ends = {"stem.proj": "encoder.patch_embed", "head": "readout.linear"}
    found: dict[str, Any] = {f"{name}.{leaf}": f"{ours}.{leaf}" for name, ours in ends.items() for leaf in ("weight", "bias")}
    found |= {"norm.weight": "readout.layernorm.gain", "norm.bias": "readout.layernorm.bias"}
    found |= {f"blocks.<block>.{name}.weight": f"blocks.<block>.{ours}.log_gain" for name, ours in NORMS.items()}
    for name, ours, axes in perceptrons:
        forth = "fc2" if tied else "fc1"
        found[f"blocks.<block>.mlp_{name}.{forth}.weight"] = f"blocks.<block>.{ours}.x.dense.weight"
        if not tied:
            found[f"blocks.<block>.mlp_{name}.fc2.weight"] = {"to": f"blocks.<block>.{ours}.own_x.x.dense.weight", "axes": axes}
    return found
