"""Data sets of images that are streamed: those that are larger than memory, or are resized, or of which random pieces are taken."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from hopgraph.errors import Diagnostic
from hopgraph.train.data.memory import allowed
from hopgraph.train.data.records import ImageData, Images
from hopgraph.train.data.sizes import Size
from hopgraph.train.data.stream import Stream
from hopgraph.train.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Streamed(ImageData):
    """Images that are decoded whenever they are asked for, with class numbers.

    `unequal` says which two have not the same size, where that is known and they are not resized.
    """

    train: Stream
    test: Stream
    unequal: Diagnostic | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width: those of the first image where they are not resized."""
        return self.test.channels, *self.test.size

    @property
    def bytes(self) -> int:
        """The memory that all images take as they are given."""
        return self.train.bytes + self.test.bytes


def resized(data: ImageData, size: Size, recipe: Recipe) -> Streamed:
    """Images as a recipe has them brought to a size."""
    resize, crop, found = recipe.resize, recipe.augment.resized_crop, streamed(data)
    train = replace(found.train, size=size, resize=resize, crop=crop)
    test = replace(found.test, size=size, resize=resize) if resize else found.test
    return replace(found, train=train, test=test, unequal=None)


def kept(data: Streamed) -> Images | Streamed:
    """Images decoded into memory, where they fit and are the same each time. Raises HopgraphError where one cannot be decoded."""
    if data.train.crop or data.bytes > allowed():
        return data
    return Images(**_described(data), train=data.train.decoded(), test=data.test.decoded())


def streamed(data: ImageData) -> Streamed:
    """Images that are in memory as if they were not."""
    if isinstance(data, Streamed):
        return data
    assert isinstance(data, Images)
    parts = (Stream.of_pixels(part, data.name) for part in (data.train, data.test))
    return Streamed(**_described(data), train=next(parts), test=next(parts))


def _described(data: ImageData) -> dict[str, Any]:
    """What a data set says of itself, apart from its images."""
    return {item.name: getattr(data, item.name) for item in fields(ImageData)}
