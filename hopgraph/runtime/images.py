"""Images as a model reads them: files of any format that Pillow reads, Pillow's images, and arrays of pixels.

An image gets the channels that the model reads, grey or RGB. It is brought to the model's height and width as the run did it, or as is
asked for; else it keeps its size, for a resized image is another one.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .arrays import ARRAY, by, finite, missing, normalized, reason_of
from .manifest import Port, Resize
from .problems import BundleError

if TYPE_CHECKING:
    from PIL.Image import Image

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ARRAY, ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""What the names of the files end in that are read of a folder."""
MODES = {1: "L", 3: "RGB"}
"""Pillow's name for an image of so many channels."""
BYTES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"}
"""Pillow's modes of at most 8 bits a channel. The numbers of other images are no pixels from 0 to 255."""
PIXELS = 2**26
"""So many pixels at most are decoded, to be resized: a file of a few kilobytes can hold thousands of millions."""
MARGIN = 1e-3
"""So far may a pixel be from the range of 0 to 1, by rounding."""


@dataclass(frozen=True)
class Pictures:
    """Reads images for a model: one that takes [channels, height, width], or a tensor of as many elements in this order."""

    port: Port
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: Resize | None = None
    endings: tuple[str, ...] = ENDINGS

    def __post_init__(self) -> None:
        if self.resize and not self._fixed:
            message = f"`resize` needs a height and a width, and the model reads {by(self.port.shape)} numbers"
            raise BundleError("bad-value", message, helps=("resize the images first",))

    @property
    def _fixed(self) -> bool:
        """Whether the model says the height and the width."""
        return self.port.kind == "image"

    @property
    def _channels(self) -> int:
        return self.port.shape[0] if self._fixed else len(self.mean)

    def arrange(self, array: NDArray[Any], name: str) -> NDArray[Any]:
        """Images [count, channels, ...] of [c, h, w], [h, w, c], or [h, w] where there is one channel; or of several such."""
        if array.dtype != np.uint8 and array.dtype.kind != "f":
            message = f"`{name}` holds {array.dtype}, and pixels are bytes (uint8) from 0 to 255, or floats from 0 to 1"
            raise BundleError("input-invalid", message, helps=("convert it, so that it is plain which of the two it holds",))
        found = self._images(array) if self._fixed else self._elements(array)
        if found is None:
            raise self._misshapen(name, array.shape, "resize it first")
        return found

    def _images(self, array: NDArray[Any]) -> NDArray[Any] | None:
        channels, height, width = wanted = self.port.shape
        if array.ndim in (3, 4) and array.shape[-3:] == wanted:
            return array.reshape(-1, *wanted)
        if array.ndim in (3, 4) and array.shape[-3:] == (height, width, channels):
            return np.moveaxis(array, -1, -3).reshape(-1, *wanted)
        if channels == 1 and array.ndim in (2, 3) and array.shape[-2:] == (height, width):
            return array.reshape(-1, *wanted)
        return None

    def _elements(self, array: NDArray[Any]) -> NDArray[Any] | None:
        shape, channels = self.port.shape, self._channels
        size, axes = math.prod(shape), len(shape)
        as_tensor = array.ndim - axes in (0, 1) and array.shape[-axes:] == shape
        as_image = array.ndim in (3, 4) and array.shape[-3] == channels and math.prod(array.shape[-3:]) == size
        as_grey = channels == 1 and array.ndim in (2, 3) and math.prod(array.shape[-2:]) == size
        return array.reshape(-1, channels, size // channels) if as_tensor or as_image or as_grey else None

    def finish(self, row: NDArray[Any], name: str) -> NDArray[Any]:
        """One image, normalized as the training data were."""
        pixels = finite(row, name, "input-invalid") / np.float32(255 if row.dtype == np.uint8 else 1)
        least, greatest = float(pixels.min()), float(pixels.max())
        if least < -MARGIN or greatest > 1 + MARGIN:
            message = f"`{name}` has pixels from {least:g} to {greatest:g}, and floats are pixels from 0 to 1"
            helps = ("give bytes (uint8), or divide by 255; they are normalized here, by the mean and deviation of the training data",)
            raise BundleError("input-invalid", message, helps=helps)
        return normalized(pixels, self.mean, self.std).reshape(self.port.shape)

    def load(self, path: Path) -> NDArray[Any]:
        """The image of a file."""
        with _opened(path) as picture:
            return self.picture(picture, str(path))

    def picture(self, picture: Image, name: str) -> NDArray[Any]:
        """An image of Pillow, decoded only where its size is the model's or may be made so."""
        mode = MODES.get(self._channels)
        if mode is None:
            message = f"`{name}` is an image, which has 1 or 3 channels, and the model reads {self._channels}"
            raise BundleError("image-shape", message, helps=(f"give an array [{self._channels}, height, width], as a {ARRAY} file",))
        if picture.mode not in BYTES:
            raise _unreadable(name, f"its pixels are no bytes (Pillow's mode {picture.mode})")
        self._check_size(picture, name)
        array = self._pixels(picture, mode, name)
        return self.finish(array[None] if array.ndim == 2 else array.transpose(2, 0, 1), name)

    def _check_size(self, picture: Image, name: str) -> None:
        found = (self._channels, picture.height, picture.width)
        if self.resize and picture.height * picture.width > PIXELS:
            raise _too_large(name, f"it is {picture.height} x {picture.width} pixels")
        fits = found == self.port.shape if self._fixed else math.prod(found) == math.prod(self.port.shape)
        if not fits and not self.resize:
            told = ("`--resize` scales and cuts image files",) if self._fixed else ()
            raise self._misshapen(name, found, "resize it first: how is a choice that changes the answer", *told)

    def _pixels(self, picture: Image, mode: str, name: str) -> NDArray[np.uint8]:
        with _decoding(name):
            found = picture.convert(mode)
            if self.resize:
                found = fitted(found, self.port.shape[1:], self.resize.centre, self.resize.interpolation)
            return np.asarray(found)

    def _misshapen(self, name: str, shape: tuple[int, ...], *helps: str) -> BundleError:
        wanted = f"{by(self.port.shape)} ({by(self.port.axes)})" if self._fixed else f"as many elements as {by(self.port.shape)}"
        return BundleError("image-shape", f"`{name}` is {by(shape)}, and the model reads {wanted}", helps=helps)


def fitted(image: Image, size: tuple[int, ...], centre: float, interpolation: str) -> Image:
    """The largest piece of an image around its centre that has the shape of `size`, its height and width, scaled to it.

    Of the piece's sides the share `centre` is kept.
    """
    from PIL import ImageOps
    from PIL.Image import Resampling

    height, width = size
    return ImageOps.fit(image, (width, height), Resampling[interpolation.upper()], bleed=(1 - centre) / 2)


@contextmanager
def _opened(path: Path) -> Generator[Image]:
    """An image file, of which the header is read. Raises BundleError where it has none."""
    from PIL import Image

    try:
        with _decoding(str(path)):
            picture = Image.open(path)
    except FileNotFoundError:
        raise missing(path) from None
    with picture:
        yield picture


@contextmanager
def _decoding(name: str) -> Generator[None]:
    """Whatever a decoder raises becomes a BundleError; what it warns of an image that it reads all the same is not told."""
    from PIL.Image import DecompressionBombError, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except FileNotFoundError:
        raise
    except DecompressionBombError:
        raise _too_large(name, "its header says so") from None
    except UnidentifiedImageError:
        raise _unreadable(name, "its content is no image that is known") from None
    except Exception as error:
        raise _unreadable(name, reason_of(error)) from None


def _unreadable(name: str, reason: str) -> BundleError:
    helps = (f"give an image that Pillow reads, such as PNG or JPEG, or a {ARRAY} file",)
    return BundleError("image-unreadable", f"`{name}` cannot be read as an image: {reason}", helps=helps)


def _too_large(name: str, reason: str) -> BundleError:
    message = f"`{name}` has more than the {PIXELS:,} pixels that are decoded: {reason}"
    return BundleError("image-shape", message, helps=("make it smaller first",))
