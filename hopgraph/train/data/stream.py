"""Images that are not kept as they are trained on: each is decoded, and brought to its size, whenever it is asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from hopgraph.errors import Diagnostic, HopgraphError
from hopgraph.train.data.ahead import ahead, threads
from hopgraph.train.data.pictures import COLOUR, Picture, Source, array_of, opened
from hopgraph.train.data.records import Examples
from hopgraph.train.data.sizes import DRAWS, Size, fitted, piece
from hopgraph.train.recipe import Resize, ResizedCrop

SHARE = 32
"""So many images are decoded by a thread at once."""
LARGE = 2**13
"""From so many pixels on, several threads decode: smaller images take less time than Python does around them, for which threads wait."""
RESIZE = "or have them resized, as by `--set recipe.resize.centre=1`: how is a choice that changes the result"
"""What is told where images have another size than they should."""


@dataclass(frozen=True)
class Pixels:
    """Images that are in memory."""

    images: Tensor
    name: str

    def __len__(self) -> int:
        return len(self.images)

    def picture(self, number: int) -> Picture:
        """The image of that number."""
        return Picture(self.images[number].numpy(), f"image {number} of `{self.name}`")


@dataclass(frozen=True)
class Stream:
    """Some of the images of a source, by their numbers `rows` there, with class numbers.

    They are given in Pillow's `mode`, as bytes [count, channels, height, width] of a `size`. Without `resize` each has that size, and
    is refused otherwise. In training, `crop` takes random pieces instead.
    """

    source: Source
    rows: Tensor
    targets: Tensor
    mode: str
    size: Size
    resize: Resize | None = None
    crop: ResizedCrop | None = None

    @staticmethod
    def of(source: Source, targets: Tensor) -> Stream:
        """All images of a source, which are in colour where one of them is, and should have the size of the first."""
        with opened(source.picture(0)) as image:
            size = (image.height, image.width)
        modes = map(_mode, map(source.picture, range(len(source))))
        mode = next(("RGB" for mode in modes if mode in COLOUR), "L")
        return Stream(source, torch.arange(len(source)), targets, mode, size)

    @staticmethod
    def of_pixels(examples: Examples, name: str) -> Stream:
        """Images that are in memory."""
        images = examples.inputs
        mode = "RGB" if images.shape[1] == 3 else "F" if images.is_floating_point() else "L"
        return Stream(Pixels(images, name), torch.arange(len(images)), examples.targets, mode, (images.shape[2], images.shape[3]))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def channels(self) -> int:
        """1 or 3."""
        return 3 if self.mode == "RGB" else 1

    @property
    def bytes(self) -> int:
        """The memory that all images take as they are given."""
        return len(self) * self.channels * self.size[0] * self.size[1] * (4 if self.mode == "F" else 1)

    def part(self, chosen: Tensor) -> Stream:
        """Those that are chosen, by numbers or by truth values."""
        return replace(self, rows=self.rows[chosen], targets=self.targets[chosen])

    def draws(self, count: int, seed: int | None) -> np.ndarray | None:
        """What decides on the random pieces of so many images: [count, DRAWS] numbers from 0 to 1; none where the middle is taken."""
        return np.random.default_rng(seed).random((count, DRAWS)) if self.crop and seed is not None else None

    def take(self, chosen: Tensor, draws: np.ndarray | None = None) -> Examples:
        """Those of these numbers, decoded. Raises HopgraphError for one that cannot be."""
        rows = self.rows[chosen].numpy()
        images = [self._image(int(row), None if draws is None else draws[index]) for index, row in enumerate(rows)]
        return Examples(torch.from_numpy(np.stack(images)), self.targets[chosen])

    def _image(self, number: int, draws: np.ndarray | None) -> np.ndarray:
        picture = self.source.picture(number)
        with opened(picture) as image:
            if draws is not None and self.crop:
                return _unit(array_of(piece(image.convert(self.mode), self.size, self.crop, draws)))
            if self.resize:
                return _unit(array_of(fitted(image.convert(self.mode), self.size, self.resize)))
            if (image.height, image.width) != self.size:
                raise self._another_size(picture, (image.height, image.width))
            return array_of(image.convert(self.mode))

    def _another_size(self, picture: Picture, found: Size) -> HopgraphError:
        first, (height, width) = self.source.picture(0).place, self.size
        message = f"{picture.place} is {found[0]} x {found[1]} pixels, and {first} is {height} x {width}"
        return HopgraphError(Diagnostic("image-shape", message, helps=("make them alike first", RESIZE)))

    def decoded(self) -> Examples:
        """All of them in memory. Raises HopgraphError for the first that cannot be decoded, or is of another size."""
        images = torch.empty((len(self), self.channels, *self.size), dtype=torch.float32 if self.mode == "F" else torch.uint8)
        start = 0
        for found in ahead(self.take, torch.split(torch.arange(len(self)), SHARE), self.workers):
            images[start : start + len(found)] = found.inputs
            start += len(found)
        return Examples(images, self.targets)

    def histogram(self, chosen: Tensor) -> Tensor:
        """How many pixels of each channel have each of the 256 levels, in images of any size: [channels, 256]."""
        return sum(ahead(self._histogram, torch.split(chosen, SHARE), self.workers), torch.zeros(self.channels, 256, dtype=torch.int64))

    def _histogram(self, chosen: Tensor) -> Tensor:
        counts = np.zeros(self.channels * 256, dtype=np.int64)
        for number in self.rows[chosen].numpy():
            with opened(self.source.picture(int(number))) as image:
                counts += image.convert(self.mode).histogram()
        return torch.from_numpy(counts).reshape(self.channels, 256)

    @property
    def workers(self) -> int:
        """How many threads decode."""
        return threads() if self.size[0] * self.size[1] >= LARGE else 1


def _mode(picture: Picture) -> str:
    with opened(picture) as image:
        return image.mode


def _unit(pixels: np.ndarray) -> np.ndarray:
    """Numbers from 0 to 1, which an interpolation may leave; bytes are cut off by Pillow."""
    return pixels if pixels.dtype == np.uint8 else pixels.clip(0, 1)
