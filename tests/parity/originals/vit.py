"""The Vision Transformer (arXiv:2010.11929) and its parallel blocks (ViT-22B, arXiv:2302.05442), written out plainly:

    x <- x + W_O attention(LN1(x)) + b_O,   then   x <- x + W2 gelu(W1 LN2(x) + b1) + b2
    x <- x + W_O attention(LN(x)) + b_O + W2 gelu(W1 LN(x) + b1) + b2   in parallel blocks, where W1, W_Q, W_K and W_V are one matrix

with attention = softmax(Q K^T / sqrt(width of a head)) V, a class token in front of the patches, and positions.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812 (the name that torch's own documentation uses)
from torch import Tensor, nn

from .case import Case

COLORS, HEIGHT, WIDTH, PATCH, CHANNELS, HEADS, DEPTH, CLASSES = 3, 4, 6, 2, 12, 3, 2, 5
TOKENS = (HEIGHT // PATCH) * (WIDTH // PATCH) + 1
EPS = 1e-6


def norm(size: int = CHANNELS) -> nn.LayerNorm:
    return nn.LayerNorm(size, eps=EPS)


def heads(x: Tensor) -> Tensor:
    """[batch, tokens, channels] as [batch, heads, tokens, width]."""
    return x.view(*x.shape[:2], HEADS, -1).transpose(1, 2)


def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Of [batch, heads, tokens, width], the heads side by side again."""
    weights = (query @ key.mT / query.size(-1) ** 0.5).softmax(-1)
    return (weights @ value).transpose(1, 2).flatten(2)


class PatchEmbed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(COLORS, CHANNELS, PATCH, stride=PATCH)

    def forward(self, image: Tensor) -> Tensor:
        return self.proj(image).flatten(2).mT


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(CHANNELS, 3 * CHANNELS)
        self.proj = nn.Linear(CHANNELS, CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = map(heads, self.qkv(x).chunk(3, dim=2))
        return self.proj(attention(query, key, value))


class Perceptron(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(CHANNELS, 4 * CHANNELS)
        self.fc2 = nn.Linear(4 * CHANNELS, CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """Attention, then the perceptron."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.attn = norm(), Attention()
        self.norm2, self.mlp = norm(), Perceptron()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ParallelBlock(nn.Module):
    """Both at once, from one norm and one matrix: its rows are those of the perceptron, then of queries, keys and values."""

    def __init__(self) -> None:
        super().__init__()
        self.in_norm = norm()
        self.in_proj = nn.Linear(CHANNELS, 7 * CHANNELS)
        self.attn_out_proj = nn.Linear(CHANNELS, CHANNELS)
        self.mlp_out_proj = nn.Linear(4 * CHANNELS, CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        hidden, *others = self.in_proj(self.in_norm(x)).split([4 * CHANNELS, CHANNELS, CHANNELS, CHANNELS], dim=2)
        query, key, value = map(heads, others)
        return x + self.attn_out_proj(attention(query, key, value)) + self.mlp_out_proj(F.gelu(hidden))


class NormalizedBlock(nn.Module):
    """The same with normalized queries and keys, and no bias in the one matrix but for the perceptron's."""

    def __init__(self) -> None:
        super().__init__()
        self.in_norm = norm()
        self.in_proj = nn.Linear(CHANNELS, 7 * CHANNELS, bias=False)
        self.mlp_bias = nn.Parameter(torch.zeros(4 * CHANNELS))
        self.q_norm, self.k_norm = norm(CHANNELS // HEADS), norm(CHANNELS // HEADS)
        self.attn_out_proj = nn.Linear(CHANNELS, CHANNELS)
        self.mlp_out_proj = nn.Linear(4 * CHANNELS, CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        hidden, *others = self.in_proj(self.in_norm(x)).split([4 * CHANNELS, CHANNELS, CHANNELS, CHANNELS], dim=2)
        query, key, value = map(heads, others)
        attended = attention(self.q_norm(query), self.k_norm(key), value)
        return x + self.attn_out_proj(attended) + self.mlp_out_proj(F.gelu(hidden + self.mlp_bias))


class Network(nn.Module):
    """Patches, class token and positions, blocks, a norm, a linear head on the class token."""

    def __init__(self, block: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, CHANNELS))
        self.pos_embed = nn.Parameter(torch.zeros(1, TOKENS, CHANNELS))
        self.blocks = nn.Sequential(*(block() for _ in range(DEPTH)))
        self.norm = norm()
        self.head = nn.Linear(CHANNELS, CLASSES)

    def forward(self, image: Tensor) -> Tensor:
        patches = self.patch_embed(image)
        x = torch.cat([self.cls_token.expand(len(patches), 1, CHANNELS), patches], dim=1) + self.pos_embed
        return self.head(self.norm(self.blocks(x))[:, 0])


SETTINGS = {
    "input.image": [COLORS, HEIGHT, WIDTH],
    "dims.N": TOKENS,
    "dims.patch": PATCH,
    "dims.C": CHANNELS,
    "dims.heads": HEADS,
    "dims.depth": DEPTH,
    "dims.classes": CLASSES,
}


def case(name: str, variant: str | None, block: Callable[[], nn.Module]) -> Case:
    return Case(name, spec="vit", variant=variant, settings=SETTINGS, original=lambda: Network(block))


CASES = (
    case("vit", None, Block),
    case("vit_parallel", "parallel", ParallelBlock),
    case("vit_qk_norm", "qk_norm", NormalizedBlock),
)
