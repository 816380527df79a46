"""Single images: files, the bytes of such files, or pixels that were decoded already."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from hopgraph.errors import Diagnostic, HopgraphError

GREY = {"1", "L", "LA", "F"}
"""Pillow's modes of images without colour."""
COLOUR = {"P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"}
"""Those of 8 bits with it. Images of other modes hold numbers that are no bytes."""


@dataclass(frozen=True)
class Picture:
    """An image that may have to be decoded: a file, its bytes, or pixels [channels, height, width]; and how to name it."""

    content: bytes | Path | np.ndarray
    place: str


class Source(Protocol):
    """Where images are, by their numbers from 0. It is read by several threads, and may be sent to other processes."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def picture(self, number: int) -> Picture:
        """The image of that number. Raises HopgraphError where there is none."""
        ...


@contextmanager
def opened(picture: Picture) -> Generator[Image.Image]:
    """An image, of which only the header is read. Whatever it leads Pillow's decoders to raise becomes a HopgraphError."""
    content = picture.content
    try:
        with _pixels(content) if isinstance(content, np.ndarray) else _file(content) as image:
            if image.mode not in GREY | COLOUR or (image.mode == "F" and not isinstance(content, np.ndarray)):
                raise _unreadable(picture, f"its pixels are no bytes (Pillow's mode {image.mode})")
            yield image
    except HopgraphError:
        raise
    except FileNotFoundError:
        raise HopgraphError(Diagnostic("file-missing", f"there is no file `{content!s}`, {picture.place}")) from None
    except Exception as error:
        reason = "its content is no image that is known" if isinstance(error, Image.UnidentifiedImageError) else str(error)
        raise _unreadable(picture, reason.partition("\n")[0] or type(error).__name__) from None


def array_of(image: Image.Image) -> np.ndarray:
    """The pixels [channels, height, width] of an image."""
    array = np.asarray(image)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def _file(content: bytes | Path) -> Image.Image:
    return Image.open(BytesIO(content) if isinstance(content, bytes) else content)


def _pixels(array: np.ndarray) -> Image.Image:
    return Image.fromarray(array[0] if len(array) == 1 else np.ascontiguousarray(array.transpose(1, 2, 0)))


def _unreadable(picture: Picture, reason: str) -> HopgraphError:
    return HopgraphError(Diagnostic("image-unreadable", f"{picture.place} cannot be decoded as an image: {reason}"))
