"""Masked Mixers (arXiv:2409.01482) and what they are compared with: blocks of one residual for tokens and one for channels.

A block, tril(W) being the lower triangle of a matrix over tokens:

    x <- x + tril(W) LN(x) + b,    x <- x + W2 gelu(W1 LN(x) + b1) + b2

The published code writes the masked weight back before it is used. Here the mask is a part of the product, which gives the same
output, and the gradient that training then follows. The names are those of the published language model.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812 (the name that torch's own documentation uses)
from torch import Tensor, nn

from .case import Case

TOKENS, VOCABULARY, CHANNELS, DEPTH = 5, 11, 6, 2
SETTINGS = {"dims.T": TOKENS, "dims.V": VOCABULARY, "dims.C": CHANNELS, "dims.depth": DEPTH}


class CausalConv(nn.Conv1d):
    """A convolution over the features whose channels are the tokens; at each place of the kernel a token reads none after it.

    As many features come out as go in; an even kernel reads one more after than before.
    """

    def __init__(self, tokens: int, kernel: int = 1) -> None:
        super().__init__(tokens, tokens, kernel)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch's own name)
        kept = torch.ones_like(self.weight[:, :, 0]).tril()[:, :, None]
        beyond = self.kernel_size[0] - 1
        return F.conv1d(F.pad(input, (beyond // 2, beyond - beyond // 2)), self.weight * kept, self.bias)


class Heads(nn.Module):
    """Each head projects the channels and mixes the tokens; all heads side by side are projected back."""

    def __init__(self, tokens: int, channels: int, heads: int) -> None:
        super().__init__()
        self.proj_head = nn.ModuleList(nn.Linear(channels, channels // heads) for _ in range(heads))
        self.convs = nn.ModuleList(CausalConv(tokens) for _ in range(heads))
        self.out_proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        mixed = [conv(project(x)) for project, conv in zip(self.proj_head, self.convs, strict=True)]
        return self.out_proj(torch.cat(mixed, dim=2))


class CausalAttention(nn.MultiheadAttention):
    """Attention of each token to itself and those before it."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__(channels, heads, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride] (of one input)
        later = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        return super().forward(x, x, x, attn_mask=later, need_weights=False)[0]


def perceptron(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels))


class MixerBlock(nn.Module):
    """Tokens by any module of [batch, tokens, channels], then channels."""

    def __init__(self, conv: nn.Module, channels: int) -> None:
        super().__init__()
        self.seq_layernorm = nn.LayerNorm(channels)
        self.conv = conv
        self.patch_layernorm = nn.LayerNorm(channels)
        self.patch_ff = perceptron(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.conv(self.seq_layernorm(x))
        return x + self.patch_ff(self.patch_layernorm(x))


class TransformerBlock(nn.Module):
    """The same with attention in place of the convolution."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.seq_layernorm = nn.LayerNorm(channels)
        self.attention = CausalAttention(channels, heads)
        self.patch_layernorm = nn.LayerNorm(channels)
        self.patch_ff = perceptron(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.seq_layernorm(x))
        return x + self.patch_ff(self.patch_layernorm(x))


class ParallelHybridBlock(TransformerBlock):
    """Attention and convolution read one norm and are added."""

    def __init__(self, tokens: int, channels: int, heads: int) -> None:
        super().__init__(channels, heads)
        self.conv = CausalConv(tokens)

    def forward(self, x: Tensor) -> Tensor:
        g = self.seq_layernorm(x)
        x = x + self.attention(g) + self.conv(g)
        return x + self.patch_ff(self.patch_layernorm(x))


class HybridBlock(nn.Module):
    """Attention, the convolution and the perceptron, one after the other."""

    def __init__(self, tokens: int, channels: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(channels) for _ in range(3))
        self.attention = CausalAttention(channels, heads)
        self.conv = CausalConv(tokens)
        self.patch_ff = perceptron(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        x = x + self.conv(self.norm2(x))
        return x + self.patch_ff(self.norm3(x))


class LanguageMixer(nn.Module):
    """The embedding, blocks, and a head with weights of its own; learned positions where they are asked for."""

    def __init__(self, block: Callable[[], nn.Module], channels: int = CHANNELS, positions: bool = False) -> None:
        super().__init__()
        self.wte = nn.Embedding(VOCABULARY, channels)
        self.wpe = nn.Embedding(TOKENS, channels) if positions else None
        self.mixerblocks = nn.Sequential(*(block() for _ in range(DEPTH)))
        self.lm_head = nn.Linear(channels, VOCABULARY, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.wte(tokens)
        x = x if self.wpe is None else x + self.wpe.weight
        return self.lm_head(self.mixerblocks(x))


class RetrievalMixer(nn.Module):
    """Embeddings in, a score for each; no mask. The published model leaves out the first score, that of the query."""

    def __init__(self) -> None:
        super().__init__()
        blocks = (MixerBlock(nn.Conv1d(TOKENS, TOKENS, 1), CHANNELS) for _ in range(DEPTH))
        self.mixerblocks = nn.Sequential(*blocks)
        self.retrieval_head = nn.Linear(CHANNELS, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.retrieval_head(self.mixerblocks(x))[:, 1:]


def flat() -> nn.Module:
    return MixerBlock(CausalConv(TOKENS), CHANNELS)


def expanded() -> nn.Module:
    return MixerBlock(nn.Sequential(CausalConv(TOKENS), nn.GELU(), CausalConv(TOKENS)), CHANNELS)


CASES = (
    Case("masked_mixer", spec="masked_mixer", settings=SETTINGS, original=lambda: LanguageMixer(flat)),
    Case("masked_mixer-expanded", spec="masked_mixer", variant="expanded", settings=SETTINGS, original=lambda: LanguageMixer(expanded)),
    *(
        Case(
            f"masked_mixer-kernel-{kernel}",
            spec="masked_mixer",
            variant="kernel",
            settings={**SETTINGS, "dims.kernel": kernel},
            original=lambda kernel=kernel: LanguageMixer(lambda: MixerBlock(CausalConv(TOKENS, kernel), CHANNELS)),
        )
        for kernel in (3, 4)
    ),
    Case(
        "masked_mixer-heads",
        spec="masked_mixer",
        variant="heads",
        settings=SETTINGS,
        original=lambda: LanguageMixer(lambda: MixerBlock(Heads(TOKENS, CHANNELS, 2), CHANNELS)),
    ),
    Case(
        "masked_mixer-transformer",
        spec="masked_mixer",
        variant="transformer,positions",
        settings={**SETTINGS, "dims.C": 12},
        original=lambda: LanguageMixer(lambda: TransformerBlock(12, 4), channels=12, positions=True),
    ),
    Case(
        "masked_mixer-hybrid",
        spec="masked_mixer",
        variant="hybrid",
        settings={**SETTINGS, "dims.heads": 2},
        original=lambda: LanguageMixer(lambda: HybridBlock(TOKENS, CHANNELS, 2)),
    ),
    Case(
        "masked_mixer-hybrid_parallel",
        spec="masked_mixer",
        variant="hybrid_parallel",
        settings={**SETTINGS, "dims.heads": 2},
        original=lambda: LanguageMixer(lambda: ParallelHybridBlock(TOKENS, CHANNELS, 2)),
    ),
    Case(
        "masked_mixer-retrieval",
        spec="masked_mixer",
        variant="retrieval",
        settings={"dims.T": TOKENS, "dims.C": CHANNELS, "dims.depth": DEPTH},
        original=RetrievalMixer,
    ),
)
