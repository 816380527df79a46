"""What a recipe does to a batch of images in training, on the device.

All that is random comes from one number, drawn from the generator that is given, so that a run that goes on from a saved state of it
draws what it would have drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the name that torch's own documentation uses)
from torch import Generator, Tensor

from hopgraph.train.data.randaugment import randaugment
from hopgraph.train.data.records import Data, ImageData, pixels
from hopgraph.train.recipe import Augment

AREA = (0.02, 1 / 3)
"""The share of an image that is erased."""
ASPECT = (0.3, 10 / 3)
"""The height over the width of what is erased."""
TRIALS = 10
"""So many rectangles are tried; where none is smaller than the image, nothing is erased."""


def augmenter(settings: Augment, data: Data) -> Augmenter | None:
    """What a recipe does to batches of a data set, None where it does nothing."""
    if settings == Augment():
        return None
    assert isinstance(data, ImageData), "require_recipe refuses others"
    return Augmenter(settings, data)


@dataclass(frozen=True)
class Augmenter:
    """Changes batches of a data set's images."""

    settings: Augment
    data: ImageData

    def __call__(self, inputs: Tensor, targets: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """Stored images with class numbers, changed: numbers from 0 to 1, and where pairs are mixed the probability of each class.

        The generator is one of the CPU. What is erased is noise that is normal after normalization, so that it may leave 0 to 1.
        """
        settings = self.settings
        draws = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
        images = _cropped(inputs, settings.crop, draws) if settings.crop else inputs
        images = pixels(_flipped(images, settings.flip, draws) if settings.flip else images)
        if settings.randaugment:
            images = randaugment(images, settings.randaugment, images.new_tensor(self.data.mean), draws)
        if settings.erase:
            images = _erased(images, settings.erase, self.data, draws)
        if settings.mixup or settings.cutmix:
            return _mixed(images, F.one_hot(targets, len(self.data.labels)).float(), settings, draws)
        return images, targets


def _cropped(images: Tensor, padding: int, draws: np.random.Generator) -> Tensor:
    """Each image moved by at most the padding in both directions; what comes in is 0."""
    count, _, height, width = images.shape
    top, left = (torch.from_numpy(draws.integers(2 * padding + 1, size=count)).to(images.device) for _ in range(2))
    rows = top[:, None] + torch.arange(height, device=images.device)
    columns = left[:, None] + torch.arange(width, device=images.device)
    padded = F.pad(images, (padding, padding, padding, padding)).permute(0, 2, 3, 1)
    numbers = torch.arange(count, device=images.device)[:, None, None]
    return padded[numbers, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


def _flipped(images: Tensor, probability: float, draws: np.random.Generator) -> Tensor:
    chosen = torch.from_numpy(draws.random(len(images)) < probability).to(images.device)
    return torch.where(chosen[:, None, None, None], images.flip(3), images)


def _erased(images: Tensor, probability: float, data: ImageData, draws: np.random.Generator) -> Tensor:
    """Images of which some have a rectangle of noise."""
    boxes = _rectangles(len(images), images.shape[2], images.shape[3], draws)
    chosen = np.flatnonzero((draws.random(len(images)) < probability) & (boxes[:, 1] > boxes[:, 0]))
    source = torch.Generator(images.device).manual_seed(int(draws.integers(2**62)))
    noise = torch.randn(len(chosen), *images.shape[1:], generator=source, device=images.device)
    mean, std = (images.new_tensor(values)[:, None, None] for values in (data.mean, data.std))
    rows, inside = torch.from_numpy(chosen).to(images.device), _inside(boxes[chosen], images)
    return images.index_copy(0, rows, torch.where(inside, mean + std * noise, images[rows]))


def _rectangles(count: int, height: int, width: int, draws: np.random.Generator) -> np.ndarray:
    """For each of so many images a random rectangle [top, bottom, left, right], smaller than the image, or an empty one."""
    area = draws.uniform(*AREA, (count, TRIALS)) * height * width
    aspect = np.exp(draws.uniform(math.log(ASPECT[0]), math.log(ASPECT[1]), (count, TRIALS)))
    sizes = np.stack([np.sqrt(area * aspect), np.sqrt(area / aspect)], 2).round().astype(np.int64)
    fits = (sizes[..., 0] < height) & (sizes[..., 1] < width)
    first = sizes[np.arange(count), fits.argmax(1)]
    size = first * ((first[:, :1] < height) & (first[:, 1:] < width))
    start = (draws.random((count, 2)) * ((height, width) - size + 1)).astype(np.int64)
    return np.stack([start[:, 0], start[:, 0] + size[:, 0], start[:, 1], start[:, 1] + size[:, 1]], 1)


def _inside(boxes: np.ndarray, images: Tensor) -> Tensor:
    """Which pixels [b, 1, h, w] are in the rectangles [b, 4]."""
    top, bottom, left, right = torch.from_numpy(boxes).to(images.device).T[:, :, None]
    row, column = (torch.arange(size, device=images.device) for size in images.shape[2:])
    return (((row >= top) & (row < bottom))[:, :, None] & ((column >= left) & (column < right))[:, None, :])[:, None]


def _mixed(images: Tensor, targets: Tensor, settings: Augment, draws: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Each image mixed with that from the other end of the batch: all of it, or one rectangle for the whole batch."""
    cut = not settings.mixup or (settings.cutmix > 0 and draws.random() < 0.5)
    alpha = settings.cutmix if cut else settings.mixup
    share = float(draws.beta(alpha, alpha))
    if not cut:
        return torch.lerp(images.flip(0), images, share), torch.lerp(targets.flip(0), targets, share)
    box = _window(images.shape[2], images.shape[3], share, draws)
    inside = _inside(box[None], images)
    share = 1 - float((box[1] - box[0]) * (box[3] - box[2])) / (images.shape[2] * images.shape[3])
    return torch.where(inside, images.flip(0), images), torch.lerp(targets.flip(0), targets, share)


def _window(height: int, width: int, share: float, draws: np.random.Generator) -> np.ndarray:
    """A rectangle [top, bottom, left, right] around a random pixel that leaves a share of the image, or more where it is cut off."""
    size = (np.array((height, width)) * math.sqrt(1 - share)).astype(np.int64)
    centre = draws.integers((height, width))
    low, high = (np.clip(centre + offset, 0, (height, width)) for offset in (-(size // 2), size // 2))
    return np.array((low[0], high[0], low[1], high[1]))
