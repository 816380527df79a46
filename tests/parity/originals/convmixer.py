"""ConvMixer (arXiv:2201.09792): patches, then blocks of a residual depthwise convolution and a pointwise one, norms after activations."""

from __future__ import annotations

from torch import Tensor, nn

from .case import Case


class Skip(nn.Module):
    def __init__(self, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, x: Tensor) -> Tensor:
        return x + self.fn(x)


def normed(conv: nn.Conv2d, activation: type[nn.Module]) -> list[nn.Module]:
    return [conv, activation(), nn.BatchNorm2d(conv.out_channels)]


class ConvMixer(nn.Module):
    def __init__(
        self, width: int, depth: int, kernel: int, patch: int, classes: int, colors: int = 3, activation: type[nn.Module] = nn.GELU
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(*normed(nn.Conv2d(colors, width, patch, stride=patch), activation))
        self.blocks = nn.Sequential(*(self.block(width, kernel, activation) for _ in range(depth)))
        self.head = nn.Linear(width, classes)

    @staticmethod
    def block(width: int, kernel: int, activation: type[nn.Module]) -> nn.Module:
        depthwise = nn.Conv2d(width, width, kernel, padding="same", groups=width)
        pointwise = nn.Conv2d(width, width, 1)
        return nn.Sequential(Skip(nn.Sequential(*normed(depthwise, activation))), *normed(pointwise, activation))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


SMALL = {"dims.height": 8, "dims.width": 12, "dims.patch": 2, "dims.C": 6, "dims.kernel": 3, "dims.depth": 2, "dims.classes": 5}

CASES = (
    Case("convmixer", spec="convmixer", settings=SMALL, original=lambda: ConvMixer(6, 2, 3, 2, 5)),
    Case(
        "convmixer with relu",
        spec="convmixer",
        variant="h768_d32",
        settings=SMALL,
        original=lambda: ConvMixer(6, 2, 3, 2, 5, activation=nn.ReLU),
    ),
)
