"""iMixer (arXiv:2304.13061), written out plainly. Over tokens, with u = W1 LN1(x) + b1 and W', W'' kept to a norm of 0.9:

    v <- u,   four times v <- u + W'' gelu(W' gelu(v) + b') + b'',   x <- x + W2 gelu(v) + b2

and then the perceptron of MLP-Mixer over channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 (the name that torch's own documentation uses)
from torch import Tensor, nn

from .case import Case
from .mlp_mixer import SETTINGS, TOKENS, Network, Perceptron

CHANNELS, HIDDEN, INNER, ITERATIONS, MOST = 8, 4, 8, 4, 0.9


def leading(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The left and the right singular vector of the greatest singular value."""
    left, _, right = torch.linalg.svd(matrix)  # pyright: ignore[reportUnknownVariableType]
    return left[:, 0], right[0]  # pyright: ignore[reportUnknownVariableType]


class SpectralLinear(nn.Module):
    """A linear map with its matrix divided by max(1, sigma / 0.9).

    The authors take u and v from a power iteration that goes on from one training step to the next, and sigma = u W v. What that
    converges to is compared here: the leading singular vectors themselves, through which no gradient flows, as in theirs.
    """

    weight_u: Tensor
    weight_v: Tensor
    weight_sigma: Tensor

    def __init__(self, size: int, out: int) -> None:
        super().__init__()
        self.weight_orig = nn.Parameter(torch.zeros(out, size))
        self.bias = nn.Parameter(torch.zeros(out))
        self.register_buffer("weight_u", torch.zeros(out))
        self.register_buffer("weight_v", torch.zeros(size))
        self.register_buffer("weight_sigma", torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        left, right = leading(self.weight_orig.detach())
        self.weight_u.copy_(left)
        self.weight_v.copy_(right)
        sigma = self.weight_u.clone() @ self.weight_orig @ self.weight_v.clone()
        self.weight_sigma.copy_(sigma.detach())
        return F.linear(x, self.weight_orig / (sigma / MOST).clamp(min=1.0), self.bias)


class IterativePerceptron(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(TOKENS, HIDDEN)
        self.fc_sn1 = SpectralLinear(HIDDEN, INNER)
        self.fc_sn2 = SpectralLinear(INNER, HIDDEN)
        self.fc2 = nn.Linear(HIDDEN, TOKENS)

    def forward(self, x: Tensor) -> Tensor:
        given = state = self.fc1(x)
        for _ in range(ITERATIONS):
            state = given + self.fc_sn2(F.gelu(self.fc_sn1(F.gelu(state))))
        return self.fc2(F.gelu(state))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(CHANNELS, eps=1e-6)
        self.mlp_tokens = IterativePerceptron()
        self.norm2 = nn.LayerNorm(CHANNELS, eps=1e-6)
        self.mlp_channels = Perceptron(CHANNELS, 4 * CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.mlp_tokens(self.norm1(x).mT).mT
        return x + self.mlp_channels(self.norm2(x))


CASES = (
    Case(
        "imixer",
        spec="imixer",
        settings={**SETTINGS, "dims.C": CHANNELS, "dims.ratio": INNER // HIDDEN, "dims.iterations": ITERATIONS},
        original=lambda: Network(CHANNELS, Block),
    ),
)
