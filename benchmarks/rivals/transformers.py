"""The Vision Transformer (arXiv:2010.11929), and the causal transformer of arXiv:2409.01482, with torch's fused attention.

x <- x + W_O attention(LN1(x)) + b_O,   then   x <- x + W2 gelu(W1 LN2(x) + b1) + b2
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 (the name that torch's own documentation uses)
from torch import Tensor, nn

from .parts import EPS, Perceptron, Sizes, Stem


def attended(qkv: Tensor, heads: int, *, causal: bool = False) -> Tensor:
    """Attention of [batch, tokens, 3 channels], the heads side by side again."""
    batch, tokens, width = qkv.shape
    query, key, value = qkv.view(batch, tokens, 3, heads, width // (3 * heads)).permute(2, 0, 3, 1, 4).unbind(0)
    return F.scaled_dot_product_attention(query, key, value, is_causal=causal).transpose(1, 2).flatten(2)


class Attention(nn.Module):
    """One matrix for queries, keys and values."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.heads = sizes.heads
        self.qkv = nn.Linear(sizes.channels, 3 * sizes.channels)
        self.proj = nn.Linear(sizes.channels, sizes.channels)

    def forward(self, x: Tensor) -> Tensor:
        """Of a state of the same shape."""
        return self.proj(attended(self.qkv(x), self.heads))


class Block(nn.Module):
    """Attention, then the perceptron."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(sizes.channels, eps=EPS), Attention(sizes)
        self.norm2, self.mlp = nn.LayerNorm(sizes.channels, eps=EPS), Perceptron(sizes.channels, 4 * sizes.channels)

    def forward(self, x: Tensor) -> Tensor:
        """Of a state of the same shape."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Vit(nn.Module):
    """Patches, class token and positions, blocks, a norm and a linear head on the class token."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.patch_embed = Stem(sizes)
        self.cls_token = nn.Parameter(torch.randn(1, 1, sizes.channels) / 50)
        self.pos_embed = nn.Parameter(torch.randn(1, 1 + sizes.patches, sizes.channels) / 50)
        self.blocks = nn.Sequential(*(Block(sizes) for _ in range(sizes.depth)))
        self.norm = nn.LayerNorm(sizes.channels, eps=EPS)
        self.head = nn.Linear(sizes.channels, sizes.classes)

    def forward(self, image: Tensor) -> Tensor:
        """The readout of images [batch, colors, height, width]."""
        patches = self.patch_embed(image)
        x = torch.cat([self.cls_token.expand(patches.shape[0], -1, -1), patches], dim=1) + self.pos_embed
        return self.head(self.norm(self.blocks(x)[:, 0]))


@dataclass(frozen=True)
class TextSizes:
    """The sizes of a language model."""

    tokens: int
    vocabulary: int
    channels: int
    depth: int
    heads: int

    @property
    def settings(self) -> dict[str, int]:
        """The dims of a spec of these sizes."""
        sizes = {"T": self.tokens, "V": self.vocabulary, "C": self.channels, "depth": self.depth, "heads": self.heads}
        return {f"dims.{name}": size for name, size in sizes.items()}


class CausalAttention(nn.Module):
    """Of each token to itself and those before it, under the names of torch's MultiheadAttention."""

    def __init__(self, sizes: TextSizes) -> None:
        super().__init__()
        self.heads = sizes.heads
        self.in_proj_weight = nn.Parameter(torch.randn(3 * sizes.channels, sizes.channels) / sizes.channels**0.5)
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * sizes.channels))
        self.out_proj = nn.Linear(sizes.channels, sizes.channels)

    def forward(self, x: Tensor) -> Tensor:
        """Of a state of the same shape."""
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        return self.out_proj(attended(qkv, self.heads, causal=True))


class CausalBlock(nn.Module):
    """Attention, then the perceptron."""

    def __init__(self, sizes: TextSizes) -> None:
        super().__init__()
        width = sizes.channels
        self.seq_layernorm = nn.LayerNorm(width)
        self.attention = CausalAttention(sizes)
        self.patch_layernorm = nn.LayerNorm(width)
        self.patch_ff = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Of a state of the same shape."""
        x = x + self.attention(self.seq_layernorm(x))
        return x + self.patch_ff(self.patch_layernorm(x))


class LanguageModel(nn.Module):
    """Embedding and positions, blocks, a head with weights of its own."""

    def __init__(self, sizes: TextSizes) -> None:
        super().__init__()
        self.wte = nn.Embedding(sizes.vocabulary, sizes.channels)
        self.wpe = nn.Embedding(sizes.tokens, sizes.channels)
        self.mixerblocks = nn.Sequential(*(CausalBlock(sizes) for _ in range(sizes.depth)))
        self.lm_head = nn.Linear(sizes.channels, sizes.vocabulary, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """The scores of every next token, of tokens [batch, length]."""
        return self.lm_head(self.mixerblocks(self.wte(tokens) + self.wpe.weight))
