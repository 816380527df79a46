"""NiNformer (arXiv:2403.02411): blocks that gate a linear map of the tokens with an MLP-Mixer of them.

A block, LN being the one norm that its two sublayers share:

    g = LN(x),    x <- x + proj(g) * Mixer(g),    x <- x + ffn(LN(x))

The names are those of the published classifier. Dropout is left out: it does nothing in evaluation.
"""

from __future__ import annotations

from torch import Tensor, nn

from .case import Case


class FeedForward(nn.Module):
    """Linear, gelu, linear; the published places of the dropouts (2 and 4) hold the identity."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(size, hidden), nn.GELU(), nn.Identity(), nn.Linear(hidden, size), nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Transposed(nn.Module):
    """Tokens and channels exchanged."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mT


class MixerBlock(nn.Module):
    """The inner network: tokens are mixed, then channels, each with a norm before and a residual."""

    def __init__(self, tokens: int, channels: int, hidden: int) -> None:
        super().__init__()
        self.token_mix = nn.Sequential(nn.LayerNorm(channels), Transposed(), FeedForward(tokens, hidden), Transposed())
        self.channel_mix = nn.Sequential(nn.LayerNorm(channels), FeedForward(channels, hidden))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.token_mix(x)
        return x + self.channel_mix(x)


class GatingUnit(nn.Module):
    """A linear map times the inner network."""

    def __init__(self, tokens: int, channels: int, hidden: int) -> None:
        super().__init__()
        self.Mixer = MixerBlock(tokens, channels, hidden)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x) * self.Mixer(x)


class Block(nn.Module):
    """The gate and a perceptron, both behind the same norm."""

    def __init__(self, tokens: int, channels: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.mgu = GatingUnit(tokens, channels, hidden)
        self.ffn = FeedForward(channels, hidden)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.mgu(self.norm(x))
        return x + self.ffn(self.norm(x))


class NiNformer(nn.Module):
    """Patches, blocks, the mean over tokens, a linear classifier."""

    def __init__(self, image: int, colors: int, patch: int, channels: int, hidden: int, depth: int, classes: int) -> None:
        super().__init__()
        self.patcher = nn.Conv2d(colors, channels, patch, stride=patch)
        tokens = (image // patch) ** 2
        self.model = nn.Sequential(*(Block(tokens, channels, hidden) for _ in range(depth)))
        self.classifier = nn.Linear(channels, classes)

    def forward(self, image: Tensor) -> Tensor:
        x = self.patcher(image).flatten(2).mT
        return self.classifier(self.model(x).mean(dim=1))


CASES = (
    Case(
        "ninformer",
        spec="ninformer",
        settings={
            "dims.image": 6,
            "dims.colors": 2,
            "dims.patch": 2,
            "dims.C": 7,
            "dims.hidden": 5,
            "dims.depth": 2,
            "dims.classes": 4,
        },
        original=lambda: NiNformer(image=6, colors=2, patch=2, channels=7, hidden=5, depth=2, classes=4),
    ),
)
