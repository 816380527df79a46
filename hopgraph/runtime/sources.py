"""What may be given to a model: files, folders of them, arrays, images, texts; each input is read when its turn comes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from .arrays import ARRAY, Numbers, Reader, by, open_array
from .images import Pictures
from .manifest import Manifest, Resize
from .problems import BundleError
from .text import LARGEST, Tokens

TRAINED_ON_IMAGES = ("classification", "reconstruction")
"""The tasks whose data are images: a tensor that such a model reads is an image's elements."""


@dataclass(frozen=True)
class Item:
    """One input: how it is called, and what reads it, which raises BundleError."""

    name: str
    read: Callable[[], NDArray[Any]]


@dataclass(frozen=True)
class Named:
    """Something that is given under a name of its own, as line 3 of the standard input is `-:3`."""

    name: str
    given: object


def reader_of(folder: Path, manifest: Manifest, resize: bool = False) -> Reader:
    """What reads the inputs of a bundle's model.

    Images are resized as the run did it; where it did not, they are by `resize`, in the usual way. Raises BundleError where that has no
    meaning for the model.
    """
    port, mean, std = manifest.input, manifest.mean, manifest.std
    pictures = port.kind == "image" or (port.kind == "tensor" and bool(mean) and manifest.task in TRAINED_ON_IMAGES)
    if pictures:
        return Pictures(port, mean, std, manifest.resize or (Resize() if resize else None))
    if resize:
        raise BundleError("bad-value", f"`resize` is for images, and `{manifest.name}` reads {port.kind}", helps=("leave it out",))
    if port.kind == "tokens":
        return Tokens(port, folder / manifest.tokenizer if manifest.tokenizer else None)
    return Numbers(port, mean, std)


def items(reader: Reader, given: object, name: str = "input") -> Iterator[Item]:
    """The inputs that something stands for.

    A path is a file, of which an array may hold several, or a folder, of which all files with the reader's endings are read. A string is
    a path for images and arrays, and the text itself for tokens. Others are arrays, images of Pillow, and iterables of all these.
    """
    if isinstance(given, Named):
        yield from items(reader, given.given, given.name)
    elif isinstance(given, str | bytes) and isinstance(reader, Tokens):
        yield Item(name, partial(reader.encode, given, name))
    elif isinstance(given, str | Path):
        yield from _of_path(reader, Path(given))
    elif isinstance(given, np.ndarray):
        yield from _of_array(reader, cast("NDArray[Any]", given), name)
    elif isinstance(given, Iterable) and not isinstance(given, bytes | dict):
        for index, each in enumerate(cast("Iterable[object]", given)):
            yield from items(reader, each, f"{name} {index}")
    else:
        yield Item(name, partial(_other, reader, given, name))


def _of_path(reader: Reader, path: Path) -> Iterator[Item]:
    if os.path.isdir(path):  # noqa: PTH112 (Path.is_dir raises for names that are too long)
        yield from _of_folder(reader, path)
    elif path.suffix == ARRAY:
        yield from _of_array_file(reader, path)
    else:
        yield Item(str(path), partial(reader.load, path))


def _of_folder(reader: Reader, folder: Path) -> Iterator[Item]:
    """The files of a folder and of those in it, in the order of their names; hidden ones are passed over."""
    empty = True
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.lower().endswith(reader.endings) and not name.startswith("."):
                empty = False
                yield from _of_path(reader, Path(place, name))
    if empty:
        message = f"the folder `{folder}` has no file for the model: their names end in {', '.join(reader.endings)}"
        yield _failing(str(folder), BundleError("input-invalid", message, helps=("give other files by their own names",)))


def _of_array_file(reader: Reader, path: Path) -> Iterator[Item]:
    try:
        array = open_array(path, "image-unreadable" if isinstance(reader, Pictures) else "file-unreadable")
    except BundleError as error:
        yield _failing(str(path), error)
    else:
        yield from _of_array(reader, array, str(path))


def _of_array(reader: Reader, array: NDArray[Any], name: str) -> Iterator[Item]:
    """The one or more inputs that an array holds."""
    try:
        rows = reader.arrange(array, name)
    except BundleError as error:
        yield _failing(name, error)
        return
    if not len(rows):
        yield _failing(name, BundleError("input-invalid", f"`{name}` holds no input: it is {by(array.shape)}"))
    for index, row in enumerate(rows):
        called = name if len(rows) == 1 else f"{name}[{index}]"
        yield Item(called, partial(reader.finish, row, called))


def _other(reader: Reader, given: object, name: str) -> NDArray[Any]:
    """An image of Pillow, which is imported by whoever made one."""
    if isinstance(reader, Pictures) and "PIL.Image" in sys.modules:
        from PIL.Image import Image

        if isinstance(given, Image):
            return reader.picture(given, name)
    raise BundleError("input-invalid", f"`{name}` is of type {type(given).__name__}, which the model does not read")


def _failing(name: str, error: BundleError) -> Item:
    def read() -> NDArray[Any]:
        raise error

    return Item(name, read)


def lines(stream: BinaryIO, texts: bool) -> Iterator[Named]:
    """What a stream gives: a text in each line, or a path. Lines that are empty are passed over. Raises BundleError."""
    for number, line in enumerate(_read_lines(stream), 1):
        if line:
            yield Named(f"-:{number}", line if texts else Path(os.fsdecode(line)))


def _read_lines(stream: BinaryIO) -> Iterator[bytes]:
    try:
        while line := stream.readline(LARGEST + 2):
            if len(line) > LARGEST:
                raise BundleError("file-unreadable", f"the standard input has a line of more than {LARGEST:,} bytes")
            yield line.rstrip(b"\r\n")
    except OSError as error:
        raise BundleError("file-unreadable", f"the standard input cannot be read: {error.strerror}") from None
