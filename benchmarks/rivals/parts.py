"""What the rivals of images share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F  # noqa: N812 (the name that torch's own documentation uses)
from torch import Tensor, nn

EPS = 1e-6


@dataclass(frozen=True)
class Sizes:
    """The sizes of a network of square images of three colors."""

    image: int
    patch: int
    channels: int
    depth: int
    heads: int = 1
    classes: int = 10

    @property
    def patches(self) -> int:
        """How many patches an image has."""
        return (self.image // self.patch) ** 2

    @property
    def settings(self) -> dict[str, Any]:
        """The dims of a spec of these sizes, without heads."""
        sizes = {"image": self.image, "patch": self.patch, "C": self.channels, "depth": self.depth, "classes": self.classes}
        return {f"dims.{name}": size for name, size in sizes.items()}


class Stem(nn.Module):
    """Patches, each mapped to the channels: [batch, tokens, channels]."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, sizes.channels, sizes.patch, stride=sizes.patch)

    def forward(self, image: Tensor) -> Tensor:
        """Of images [batch, colors, height, width]."""
        return self.proj(image).flatten(2).transpose(1, 2)


class Perceptron(nn.Module):
    """Two linear maps over the last axis, gelu between."""

    def __init__(self, size: int, hidden: int, bias: bool = True) -> None:
        super().__init__()
        self.fc1 = nn.Linear(size, hidden, bias=bias)
        self.fc2 = nn.Linear(hidden, size, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Of a state of the same shape."""
        return self.fc2(F.gelu(self.fc1(x)))


class Network(nn.Module):
    """A stem, blocks, a norm, the mean over tokens, a linear head."""

    def __init__(self, sizes: Sizes, block: Callable[[Sizes], nn.Module]) -> None:
        super().__init__()
        self.stem = Stem(sizes)
        self.blocks = nn.Sequential(*(block(sizes) for _ in range(sizes.depth)))
        self.norm = nn.LayerNorm(sizes.channels, eps=EPS)
        self.head = nn.Linear(sizes.channels, sizes.classes)

    def forward(self, image: Tensor) -> Tensor:
        """The readout of images [batch, colors, height, width]."""
        return self.head(self.norm(self.blocks(self.stem(image))).mean(dim=1))
