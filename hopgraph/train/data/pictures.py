"""Image files and the bytes of such files, decoded once."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hopgraph.errors import Diagnostic, HopgraphError

GREY = {"1", "L", "LA"}
"""Pillow's modes of images without colour."""
COLOUR = {"P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"}
"""Those of 8 bits with it. Images of other modes hold numbers that are no bytes."""
LARGE = 2**13
"""From so many pixels on, threads decode faster than one: Pillow lets others run while it decodes, which is short for small images."""
CHUNK = 256
"""So many images are decoded by a thread at once."""


@dataclass(frozen=True)
class Picture:
    """An image that was not decoded yet: a file or its bytes, and how to name it."""

    content: bytes | Path
    place: str


def decode(pictures: Sequence[Picture]) -> Tensor:
    """Images of one size as bytes [count, channels, height, width]; one channel where none has colour, else three.

    Raises HopgraphError with the place of the first that cannot be decoded or is of another size.
    """
    width, height = _header(pictures[0])[0]
    mode = "RGB" if any(_header(picture)[1] in COLOUR for picture in pictures) else "L"
    needed = len(pictures) * len(mode) * height * width
    if needed > memory():
        sizes = f"{len(pictures)} images of {len(mode)} x {height} x {width} take {needed / 2**30:.1f} GiB"
        message = f"{sizes}, and this machine has {memory() / 2**30:.1f}: they are decoded into memory, and not streamed"
        raise HopgraphError(Diagnostic("data-invalid", message, helps=("take fewer or smaller images",)))
    images = np.empty((len(pictures), len(mode), height, width), dtype=np.uint8)

    def fill(start: int) -> None:
        for index in range(start, min(start + CHUNK, len(pictures))):
            images[index] = _decoded(pictures[index], mode, (width, height), pictures[0].place)

    with ThreadPoolExecutor(None if width * height >= LARGE else 1) as threads:
        for _ in threads.map(fill, range(0, len(pictures), CHUNK)):  # in order: the first mistake is the one that is told
            pass
    return torch.from_numpy(images)


def memory() -> int:
    """The bytes of memory of this machine, as far as the system tells them."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return sys.maxsize


def _header(picture: Picture) -> tuple[tuple[int, int], str]:
    with _opened(picture) as image:
        return image.size, image.mode


def _decoded(picture: Picture, mode: str, size: tuple[int, int], first: str) -> np.ndarray:
    with _opened(picture) as image:
        if image.size != size:
            message = f"{picture.place} is {image.height} x {image.width} pixels, and {first} is {size[1]} x {size[0]}"
            raise HopgraphError(Diagnostic("image-shape", message, helps=("resize them first: how is a choice that changes the result",)))
        array = np.asarray(image.convert(mode))
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


@contextmanager
def _opened(picture: Picture) -> Generator[Image.Image]:
    """An image. Whatever it leads Pillow's decoders to raise becomes a HopgraphError."""
    try:
        with Image.open(BytesIO(picture.content) if isinstance(picture.content, bytes) else picture.content) as image:
            if image.mode not in GREY | COLOUR:
                raise _unreadable(picture, f"its pixels are no bytes (Pillow's mode {image.mode})")
            yield image
    except HopgraphError:
        raise
    except FileNotFoundError:
        raise HopgraphError(Diagnostic("file-missing", f"there is no file `{picture.content!s}`, {picture.place}")) from None
    except Exception as error:
        reason = "its content is no image that is known" if isinstance(error, Image.UnidentifiedImageError) else str(error)
        raise _unreadable(picture, reason.partition("\n")[0] or type(error).__name__) from None


def _unreadable(picture: Picture, reason: str) -> HopgraphError:
    return HopgraphError(Diagnostic("image-unreadable", f"{picture.place} cannot be decoded as an image: {reason}"))
