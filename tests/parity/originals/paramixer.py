"""The four mixers of arXiv:2406.12220 as their authors' code computes them: no biases, the norm over tokens and channels together
with a gain and a bias for every element. With g = LN(x), W over tokens and U over channels:

    SymMixer    x <- x + W1^T gelu(W1 g) + U1^T gelu(U1 g)
    AsymMixer   x <- x + (W1^T + W2) gelu(W1 g) + (U1^T + U2) gelu(U1 g)
    ParaMixer   x <- x + W2 gelu(W1 g) + U2 gelu(U1 g)
    Mixer       x <- x + W2 gelu(W1 LN1(x)), then x <- x + U2 gelu(U1 LN2(x))

A block may be iterated on the same weights.
"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F  # noqa: N812 (the name that torch's own documentation uses)
from torch import Tensor, nn

from .case import Case
from .mlp_mixer import SETTINGS, TOKENS, Network, Perceptron

CHANNELS = 8
Mlp = Callable[[int, int], nn.Module]


class Tied(nn.Module):
    """One weight, used forth and, transposed, back; its published name is fc2."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.fc2 = nn.Linear(size, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.fc2(x)) @ self.fc2.weight


class Departing(Perceptron):
    """The way back departs from the transpose by fc2."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__(size, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = F.gelu(self.fc1(x))
        return h @ self.fc1.weight + self.fc2(h)


def free(size: int, hidden: int) -> Perceptron:
    """Two free weights."""
    return Perceptron(size, hidden, bias=False)


def joint_norm() -> nn.LayerNorm:
    return nn.LayerNorm([TOKENS, CHANNELS], eps=1e-6)


class ParallelBlock(nn.Module):
    """Tokens and channels at once, `turns` times."""

    def __init__(self, mlp: Mlp, turns: int = 1) -> None:
        super().__init__()
        self.turns = turns
        self.norm = joint_norm()
        self.mlp_tokens = mlp(TOKENS, CHANNELS // 2)
        self.mlp_channels = mlp(CHANNELS, 4 * CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.turns):
            g = self.norm(x)
            x = x + self.mlp_tokens(g.mT).mT + self.mlp_channels(g)
        return x


class SequentialBlock(nn.Module):
    """Tokens, then channels, a norm each, `turns` times."""

    def __init__(self, turns: int = 1) -> None:
        super().__init__()
        self.turns = turns
        self.norm1, self.norm2 = joint_norm(), joint_norm()
        self.mlp_tokens = free(TOKENS, CHANNELS // 2)
        self.mlp_channels = free(CHANNELS, 4 * CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.turns):
            x = x + self.mlp_tokens(self.norm1(x).mT).mT
            x = x + self.mlp_channels(self.norm2(x))
        return x


def case(name: str, symmetry: str, block: Callable[[], nn.Module], turns: int = 1) -> Case:
    """A mixer of the authors' against the variant `official` with that symmetry."""
    settings = {**SETTINGS, "dims.C": CHANNELS, "block.steps": turns}
    return Case(name, spec="paramixer", variant=f"official,{symmetry}", settings=settings, original=lambda: Network(CHANNELS, block))


CASES = (
    case("symmixer", "symmetric", lambda: ParallelBlock(Tied)),
    case("asymmixer", "asymmetric", lambda: ParallelBlock(Departing)),
    case("paramixer", "broken", lambda: ParallelBlock(free)),
    case("paramixer twice", "broken", lambda: ParallelBlock(free, turns=2), turns=2),
    case("vanilla mixer", "vanilla", SequentialBlock),
    case("vanilla mixer twice", "vanilla", lambda: SequentialBlock(turns=2), turns=2),
)
