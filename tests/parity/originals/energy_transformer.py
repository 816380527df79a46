"""The Energy Transformer (arXiv:2302.07253), written out as its energy, whose gradient is left to autograd:

    g = gamma (x - mean) / sqrt(variance + eps) + delta
    E(g) = - 1 / beta sum over heads and queries of logsumexp over keys (beta K Q) - 1/2 sum relu(Xi g)^2,   x <- x - alpha dE/dg

from patches, a class token and positions to the pixels of each patch. A key that is the query itself is left out in the paper.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .case import Case

COLORS, HEIGHT, WIDTH, PATCH, CHANNELS, HEADS, WIDE, MEMORIES, STEPS = 3, 4, 6, 2, 10, 3, 4, 14, 4
PATCHES = (HEIGHT // PATCH) * (WIDTH // PATCH)
PIXELS = COLORS * PATCH**2
ALPHA, EPS = 0.1, 1e-5


def zeros(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(shape))


class EnergyTransformer(nn.Module):
    """`diagonal`: whether a token attends to itself; `norms`: how often the last state is normalized before it is decoded."""

    def __init__(self, *, diagonal: bool, norms: int) -> None:
        super().__init__()
        self.diagonal, self.norms = diagonal, norms
        self.Wenc, self.Benc = zeros(PIXELS, CHANNELS), zeros(CHANNELS)
        self.CLS_token, self.MASK_token = zeros(CHANNELS), zeros(CHANNELS)
        self.POS_embed = zeros(1 + PATCHES, CHANNELS)
        self.LNORM_gamma, self.LNORM_bias = nn.Parameter(torch.ones(())), zeros(CHANNELS)
        self.Wq, self.Wk = zeros(HEADS, WIDE, CHANNELS), zeros(HEADS, WIDE, CHANNELS)
        self.Xi = zeros(CHANNELS, MEMORIES)
        self.Wdec, self.Bdec = zeros(CHANNELS, PIXELS), zeros(PIXELS)

    def normalized(self, x: Tensor) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        return self.LNORM_gamma * centred / (centred.square().mean(-1, keepdim=True) + EPS).sqrt() + self.LNORM_bias

    def energy(self, g: Tensor) -> Tensor:
        beta = WIDE**-0.5
        queries, keys = torch.einsum("bqd,hzd->bhqz", g, self.Wq), torch.einsum("bkd,hzd->bhkz", g, self.Wk)
        scores = beta * queries @ keys.mT
        if not self.diagonal:
            scores = scores.masked_fill(torch.eye(scores.size(-1), dtype=torch.bool), -torch.inf)
        return -scores.logsumexp(-1).sum() / beta - (g @ self.Xi).relu().square().sum() / 2

    def descended(self, x: Tensor) -> Tensor:
        g = self.normalized(x)
        (slope,) = torch.autograd.grad(self.energy(g), g, create_graph=True)
        return x - ALPHA * slope

    def forward(self, image: Tensor) -> Tensor:
        cut = image.unfold(2, PATCH, PATCH).unfold(3, PATCH, PATCH)  # [batch, colors, row, column, row in it, column in it]
        patches = cut.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
        tokens = patches @ self.Wenc + self.Benc
        x = torch.cat([self.CLS_token.expand(len(tokens), 1, CHANNELS), tokens], dim=1) + self.POS_embed
        for _ in range(STEPS):
            x = self.descended(x)
        x = x[:, 1:]
        for _ in range(self.norms):
            x = self.normalized(x)
        return x @ self.Wdec + self.Bdec


SETTINGS: dict[str, Any] = {
    "input.image": [COLORS, HEIGHT, WIDTH],
    "dims.N": 1 + PATCHES,
    "dims.patch": PATCH,
    "dims.C": CHANNELS,
    "dims.heads": HEADS,
    "dims.Y": WIDE,
    "dims.M": MEMORIES,
    "dims.steps": STEPS,
}


def case(name: str, variant: str | None, *, diagonal: bool, norms: int) -> Case:
    return Case(
        name,
        spec="energy_transformer",
        variant=variant,
        settings=SETTINGS,
        original=lambda: EnergyTransformer(diagonal=diagonal, norms=norms),
    )


CASES = (
    case("energy_transformer", None, diagonal=False, norms=1),
    case("energy_transformer_diagonal", "diagonal", diagonal=True, norms=1),
    case("energy_transformer_official", "official", diagonal=True, norms=2),
)
