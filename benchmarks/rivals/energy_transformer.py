"""The Energy Transformer (arXiv:2302.07253): its energy, and its update in closed form as one writes it by hand.

g = gamma (x - mean) / sqrt(variance + eps) + delta,   A = softmax over keys (beta Q K^T), without the diagonal
E(g) = - 1/beta sum logsumexp over keys (beta Q K^T) - 1/2 sum relu(Xi g)^2
x <- x + alpha (W_Q^T (A K) + W_K^T (A^T Q) + Xi relu(Xi^T g))
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (the name that torch's own documentation uses)
from torch import Tensor, nn

from .parts import Sizes

ALPHA, EPS = 0.1, 1e-5


def drawn(*shape: int) -> nn.Parameter:
    """A weight of about the size of torch's own."""
    return nn.Parameter(torch.randn(shape) / shape[-1] ** 0.5)


def settings(sizes: Sizes) -> dict[str, Any]:
    """The dims of the spec; `sizes.depth` is the number of steps."""
    found = {**sizes.settings, "dims.heads": sizes.heads, "dims.Y": sizes.channels // sizes.heads, "dims.steps": sizes.depth}
    del found["dims.depth"]
    return found


class EnergyTransformer(nn.Module):
    """From patches, a class token and positions to the pixels of each patch."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        pixels, width, tokens = 3 * sizes.patch**2, sizes.channels, 1 + sizes.patches
        self.Wenc, self.Benc = nn.Parameter(drawn(width, pixels).T.contiguous()), nn.Parameter(torch.zeros(width))
        self.CLS_token, self.POS_embed = drawn(width), drawn(tokens, width)
        self.LNORM_gamma, self.LNORM_bias = nn.Parameter(torch.ones(())), nn.Parameter(torch.zeros(width))
        self.Wq, self.Wk = (drawn(sizes.heads, width // sizes.heads, width) for _ in range(2))
        self.Xi = drawn(width, 4 * width)
        self.Wdec, self.Bdec = drawn(width, pixels), nn.Parameter(torch.zeros(pixels))
        self.register_buffer("diagonal", torch.eye(tokens, dtype=torch.bool), persistent=False)

    def normalized(self, x: Tensor) -> Tensor:
        """G of x."""
        return F.layer_norm(x, x.shape[-1:], eps=EPS) * self.LNORM_gamma + self.LNORM_bias

    def scores(self, g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Beta Q K^T without the diagonal, Q and K, [batch, heads, tokens, ...]."""
        query, key = (self._heads(F.linear(g, weight.flatten(0, 1))) for weight in (self.Wq, self.Wk))
        return ((query * self.beta) @ key.mT).masked_fill(self.get_buffer("diagonal"), -torch.inf), query, key

    def _heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.sizes.heads, -1).transpose(1, 2)

    @property
    def beta(self) -> float:
        """One over the root of a head's width."""
        return (self.sizes.channels // self.sizes.heads) ** -0.5

    def energy(self, g: Tensor) -> Tensor:
        """E(g), summed over the batch."""
        return -self.scores(g)[0].logsumexp(-1).sum() / self.beta - (g @ self.Xi).relu().square().sum() / 2

    def descended(self, x: Tensor) -> Tensor:
        """One step in closed form."""
        g = self.normalized(x)
        scores, query, key = self.scores(g)
        weights = scores.softmax(-1)
        back = [(part.transpose(1, 2).flatten(2)) for part in (weights @ key, weights.mT @ query)]
        attention = back[0] @ self.Wq.flatten(0, 1) + back[1] @ self.Wk.flatten(0, 1)
        return x + ALPHA * (attention + (g @ self.Xi).relu() @ self.Xi.T)

    def forward(self, image: Tensor) -> Tensor:
        """The readout of images [batch, colors, height, width]."""
        patch = self.sizes.patch
        cut = image.unfold(2, patch, patch).unfold(3, patch, patch)  # [batch, colors, row, column, row in it, column in it]
        tokens = cut.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2) @ self.Wenc + self.Benc
        x = torch.cat([self.CLS_token.expand(tokens.shape[0], 1, -1), tokens], dim=1) + self.POS_embed
        for _ in range(self.sizes.depth):
            x = self.descended(x)
        return self.normalized(x[:, 1:]) @ self.Wdec + self.Bdec
