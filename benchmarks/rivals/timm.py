"""timm's MLP-Mixer (timm/models/mlp_mixer.py, version 1.0), with the modules and operations of its MixerBlock and Mlp.

Its dropouts, at their default of 0, and its identities are kept: a step of training calls them.
"""

from __future__ import annotations

from torch import Tensor, nn

from .parts import EPS, Network, Sizes


class Mlp(nn.Module):
    """Two linear maps over the last axis, as timm's layer has them."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(size, hidden)
        self.act = nn.GELU()
        self.drop1 = nn.Dropout(0.0)
        self.norm = nn.Identity()
        self.fc2 = nn.Linear(hidden, size)
        self.drop2 = nn.Dropout(0.0)

    def forward(self, x: Tensor) -> Tensor:
        """Of a state of the same shape."""
        x = self.drop1(self.act(self.fc1(x)))
        return self.drop2(self.fc2(self.norm(x)))


class MixerBlock(nn.Module):
    """Tokens, then channels, a norm each."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(sizes.channels, eps=EPS)
        self.mlp_tokens = Mlp(sizes.patches, sizes.channels // 2)
        self.drop_path = nn.Identity()
        self.norm2 = nn.LayerNorm(sizes.channels, eps=EPS)
        self.mlp_channels = Mlp(sizes.channels, 4 * sizes.channels)

    def forward(self, x: Tensor) -> Tensor:
        """Of a state of the same shape."""
        x = x + self.drop_path(self.mlp_tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2))
        return x + self.drop_path(self.mlp_channels(self.norm2(x)))


def mixer(sizes: Sizes) -> Network:
    """MLP-Mixer (arXiv:2105.01601)."""
    return Network(sizes, MixerBlock)
