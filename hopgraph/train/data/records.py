"""What is known of a data set, whatever it was read from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor

SPLIT_SEED = 0
"""The seed of the split into training and test data, and of what is drawn for the test: the same for every run, whatever its own."""
TEST_SHARE = 0.2
"""The share of each class that is for the test, where a data set comes in one part."""
BYTES = 256


@dataclass(frozen=True)
class Examples:
    """What a model reads, and what it should make of it, as they are stored: two tensors [count, ...]."""

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    def part(self, chosen: Tensor) -> Examples:
        """Those that are chosen, by numbers or by truth values, on the device where they are."""
        here = chosen.to(self.inputs.device, non_blocking=True)
        return Examples(self.inputs[here], self.targets[here])

    @property
    def bytes(self) -> int:
        """The memory that both take."""
        return sum(tensor.numel() * tensor.element_size() for tensor in (self.inputs, self.targets))


@dataclass(frozen=True, kw_only=True)
class Data:
    """What is known of every data set.

    `variants` are what specs call the variants that fit it. `files` is what a run keeps beside its weights, by file name.
    """

    name: str
    variants: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class ImageData(Data, ABC):
    """Images with class numbers, in memory or not.

    `mean` and `std` are those of the training split as it is stored, by channel, of numbers from 0 to 1.
    """

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width."""

    def normalized(self, images: Tensor) -> Tensor:
        """Images, as they are stored or as numbers from 0 to 1, as models read them: less the mean, over the standard deviation."""
        mean, std = _by_channel(self.mean, images.device), _by_channel(self.std, images.device)
        return (pixels(images) - mean) / std


@dataclass(frozen=True, kw_only=True)
class Images(ImageData):
    """Images [count, channels, height, width] in memory, with class numbers: bytes, or numbers from 0 to 1."""

    train: Examples
    test: Examples

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width."""
        return tuple(self.train.inputs.shape[1:])


@dataclass(frozen=True, kw_only=True)
class Lists(Data):
    """Vectors [count, c] with class numbers, to be drawn as lists: a query, then one of its class among others of other classes."""

    train: Examples
    test: Examples

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return int(self.train.targets.max()) + 1


@dataclass(frozen=True, kw_only=True)
class Text(Data):
    """A text, each part one vector of tokens. They are its bytes, or those of a tokenizer; then `lengths` are their sizes in bytes."""

    train: Tensor
    test: Tensor
    lengths: Tensor | None = None

    @property
    def vocabulary(self) -> int:
        """How many different tokens there are."""
        return BYTES if self.lengths is None else len(self.lengths)


def pixels(images: Tensor) -> Tensor:
    """Stored images as numbers from 0 to 1."""
    return images.float() / 255 if images.dtype == torch.uint8 else images


@lru_cache(maxsize=16)
def _by_channel(values: tuple[float, ...], device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=device)[:, None, None]
