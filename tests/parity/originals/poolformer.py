"""PoolFormer (arXiv:2111.11418): four stages of blocks whose token mixer is average pooling less the input."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 (the name that torch's own documentation uses)
from torch import Tensor, nn

from .case import Case


class Scale(nn.Module):
    def __init__(self, width: int, start: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((width,), start))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale[:, None, None]


class Perceptron(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(width, 4 * width, 1)
        self.fc2 = nn.Conv2d(4 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, width: int, start: float) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(1, width)
        self.layer_scale1 = Scale(width, start)
        self.norm2 = nn.GroupNorm(1, width)
        self.mlp = Perceptron(width)
        self.layer_scale2 = Scale(width, start)

    def forward(self, x: Tensor) -> Tensor:
        seen = self.norm1(x)
        x = x + self.layer_scale1(F.avg_pool2d(seen, 3, stride=1, padding=1, count_include_pad=False) - seen)
        return x + self.layer_scale2(self.mlp(self.norm2(x)))


def convolution(inputs: int, outputs: int, kernel: int, stride: int, padding: int) -> nn.Module:
    return nn.Sequential(OrderedDict(conv=nn.Conv2d(inputs, outputs, kernel, stride, padding)))


class Stage(nn.Module):
    def __init__(self, inputs: int, width: int, depth: int, start: float, *, first: bool) -> None:
        super().__init__()
        self.downsample = nn.Identity() if first else convolution(inputs, width, 3, 2, 1)
        self.blocks = nn.Sequential(*(Block(width, start) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.downsample(x))


class PoolFormer(nn.Module):
    """The norm of the head is after the mean over places."""

    def __init__(self, widths: Sequence[int], depths: Sequence[int], classes: int, start: float) -> None:
        super().__init__()
        self.stem = convolution(3, widths[0], 7, 4, 2)
        given = (widths[0], *widths)
        stages = [Stage(given[i], widths[i], depths[i], start, first=i == 0) for i in range(len(widths))]
        self.stages = nn.Sequential(*stages)
        self.head = nn.ModuleDict({"norm": nn.LayerNorm(widths[-1], eps=1e-6), "fc": nn.Linear(widths[-1], classes)})

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.stages(self.stem(x)).mean((2, 3))
        return self.head["fc"](self.head["norm"](pooled))


SMALL = {f"dims.{name}": size for name, size in {"height": 64, "width": 96, "C1": 3, "C2": 4, "C3": 5, "C4": 6, "classes": 7}.items()}

CASES = (
    Case(
        "poolformer",
        spec="poolformer",
        settings={**SMALL, "dims.D1": 1, "dims.D2": 1, "dims.D3": 2, "dims.D4": 1},
        original=lambda: PoolFormer((3, 4, 5, 6), (1, 1, 2, 1), 7, 1e-5),
    ),
)
