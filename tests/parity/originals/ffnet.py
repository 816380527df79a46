"""FFNet (MetaMixer, arXiv:2406.02021): attention as a perceptron of convolutions, a perceptron over channels, batch norms inside."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 (the name that torch's own documentation uses)
from torch import Tensor, nn

from .case import Case


def normed(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Module:
    """A convolution without bias, then a batch norm."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(OrderedDict(c=conv, bn=nn.BatchNorm2d(outputs)))


class Wide(nn.Module):
    """A depthwise convolution of 7 x 7 and one of 3 x 3, added."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = normed(inputs, outputs, 7, stride, inputs)
        self.conv1 = normed(inputs, outputs, 3, stride, inputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) + self.conv1(x)


class Tokens(nn.Module):
    def __init__(self, width: int, *, wide: bool) -> None:
        super().__init__()
        self.fc = normed(width, width)
        self.conv1, self.conv2 = (Wide(width, width) if wide else nn.Conv2d(width, width, 3, 1, 1, groups=width) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(F.gelu(self.conv1(self.fc(x))))


class Channels(nn.Module):
    def __init__(self, width: int, *, wide: bool) -> None:
        super().__init__()
        self.conv = Wide(width, width) if wide else normed(width, width, 3, groups=width)
        self.fc1 = nn.Conv2d(width, 3 * width, 1)
        self.fc2 = nn.Conv2d(3 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(self.conv(x))))


class Residual(nn.Module):
    def __init__(self, main: nn.Module, width: int, *, scaled: bool) -> None:
        super().__init__()
        self.main = main
        self.layer_scale = nn.Parameter(torch.full((width, 1, 1), 1e-6)) if scaled else None

    def forward(self, x: Tensor) -> Tensor:
        change = self.main(x)
        return x + (change if self.layer_scale is None else change * self.layer_scale)


class Block(nn.Module):
    def __init__(self, width: int, *, coarse: bool, wide: bool, scaled: bool) -> None:
        super().__init__()
        self.token_mixer = nn.Sequential(Residual(Tokens(width, wide=coarse), width, scaled=scaled))
        self.channel_mixer = Residual(Channels(width, wide=wide), width, scaled=scaled)

    def forward(self, x: Tensor) -> Tensor:
        return self.channel_mixer(self.token_mixer(x))


class Pointwise(nn.Module):
    """A batch norm and a map of channels, besides the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(OrderedDict(bn=nn.BatchNorm2d(width), c=nn.Conv2d(width, width, 1, bias=False)))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x)


class Merging(nn.Module):
    """From one stage to the next: half the places along each side, twice the channels."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(Wide(inputs, outputs, stride=2), Pointwise(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x)


class FFNet(nn.Module):
    def __init__(self, stem: int, base: int, depths: Sequence[int], classes: int, *, wide: bool = False, scaled: bool = False) -> None:
        super().__init__()
        self.patch_embed = nn.Sequential(normed(3, stem, 3, 2), nn.GELU(), normed(stem, base, 3, 2))
        stages: list[nn.Module] = []
        for number, depth in enumerate(depths):
            width = base * 2**number
            merging = [Merging(width // 2, width)] if number else []
            blocks = [Block(width, coarse=number >= 2, wide=wide, scaled=scaled) for _ in range(depth)]
            stages.append(nn.Sequential(*merging, *blocks))
        self.stages = nn.Sequential(*stages)
        self.norm = nn.BatchNorm2d(base * 2 ** (len(depths) - 1))
        self.head = nn.Linear(base * 2 ** (len(depths) - 1), classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.stages(self.patch_embed(x))).mean((2, 3)))


SMALL = {"dims.height": 64, "dims.width": 96, "dims.stem": 5, "dims.base": 3, "dims.classes": 4}
DEPTHS = {"dims.D1": 2, "dims.D2": 1, "dims.D3": 2, "dims.D4": 1}

CASES = (
    Case("ffnet 1", spec="ffnet", settings={**SMALL, **DEPTHS}, original=lambda: FFNet(5, 3, (2, 1, 2, 1), 4)),
    Case(
        "ffnet 2",
        spec="ffnet",
        variant="F2",
        settings={**SMALL, **DEPTHS},
        original=lambda: FFNet(5, 3, (2, 1, 2, 1), 4, wide=True),
    ),
    Case(
        "ffnet 3",
        spec="ffnet",
        variant="F3",
        settings={**SMALL, **DEPTHS},
        original=lambda: FFNet(5, 3, (2, 1, 2, 1), 4, wide=True, scaled=True),
    ),
)
