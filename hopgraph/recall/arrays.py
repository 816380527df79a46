"""Files of patterns or states: arrays [count, ...] of finite numbers, flattened to [count, width] in float64. Nothing in them is run.

`.npy` of two axes or more; `.csv` and `.txt`, one pattern a line; `.safetensors` with one tensor, or one that is named; an image
or a folder of images, grey levels from -1 (black) to 1 (white). No pickle is ever opened.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tokenize import TokenError
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from hopgraph.errors import Diagnostic, Findings, HopgraphError, Place, Source, Span, by, listing, rename_help
from hopgraph.recall.numbers import read_numbers

Array = NDArray[np.float64]
T = TypeVar("T")

LARGEST = 10**8
"""How many numbers a file may hold: 800 MB in float64. Whatever states more is refused before it is read."""
LARGEST_TEXT = 2**26
"""How many bytes a file of written numbers may have, 64 MiB."""
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".tif", ".tiff", ".webp")
"""The ends of names of image files."""


def load_patterns(path: Path, tensor: str | None = None) -> Array:
    """The array of a file or a folder of images as [count, width], float64. `tensor` names one of a safetensors file.

    Raises HopgraphError: `file-missing`, `file-unreadable`, or `patterns` with what is wrong and where.
    """
    if not path.exists():
        raise HopgraphError(Diagnostic("file-missing", f"there is no file `{path}`"))
    try:
        array = _reader(path)(path, tensor)
    except OSError as error:
        raise unreadable(path, (error.strerror or str(error)).lower()) from None
    _require_finite(array, path)
    return array.reshape(len(array), -1)


def wrong(message: str, at: Place = None, *, notes: Sequence[str] = (), helps: Sequence[str] = ()) -> HopgraphError:
    """A file of patterns or states that does not fit."""
    return HopgraphError(Diagnostic("patterns", message, at, notes=tuple(notes), helps=tuple(helps)))


def unreadable(path: Path, reason: str) -> HopgraphError:
    """A file that is there and cannot be read."""
    return HopgraphError(Diagnostic("file-unreadable", f"`{path}` cannot be read: {reason}"))


def _reader(path: Path) -> Callable[[Path, str | None], Array]:
    suffix = path.suffix.lower()
    if path.is_dir():
        return _read_folder
    if suffix in IMAGES:
        return _read_image
    if suffix in READERS:
        return READERS[suffix]
    known = f"files of patterns end in {', '.join(READERS)}, or are images ({', '.join(IMAGES)}) or a folder of images"
    ends = f"ends in `{path.suffix}`" if path.suffix else "has no ending"
    helps = ("save the array with `numpy.save`, which gives a .npy file",)
    raise wrong(f"`{path}` is no file of patterns: its name {ends}", notes=(known,), helps=helps)


def _require_size(shape: Sequence[int], path: Path) -> None:
    """Refuse an array without elements or with too many, of which only the shape is read yet."""
    if math.prod(shape) > LARGEST:
        raise wrong(f"`{path}` holds {math.prod(shape):,} numbers ({by(shape)}); more than {LARGEST:,} are not read")
    if len(shape) < 2:
        message = f"`{path}` has {len(shape)} axes ({by(shape)}), and patterns have two or more: how many there are, then theirs"
        raise wrong(message.replace("1 axes", "1 axis"), helps=("save `array.reshape(1, -1)` for one pattern",))
    if math.prod(shape) == 0:
        raise wrong(f"`{path}` holds no numbers ({by(shape)})")


def _require_finite(array: Array, path: Path) -> None:
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        first = tuple(int(index) for index in bad[0])
        are = "is" if len(bad) == 1 else "are"
        place = f"{array[first]} at [{', '.join(map(str, first))}] (counted from 0)"
        raise wrong(f"`{path}` holds {place}: {len(bad):,} of its {array.size:,} numbers {are} not finite")


# --- arrays -----------------------------------------------------------------------------------------------------------


def _read_npy(path: Path, tensor: str | None) -> Array:
    """The header first: the memory map has a shape, and nothing of the file is read."""
    try:
        mapped: Any = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, EOFError, TypeError, OverflowError, TokenError) as error:
        helps = ("save one array of numbers with `numpy.save`",)
        raise wrong(f"`{path}` is no .npy file of numbers: {_npy_reason(path, str(error))}", helps=helps) from None
    array = cast("NDArray[Any]", mapped)
    if array.dtype.kind not in "fiub":
        raise wrong(f"`{path}` holds {array.dtype}, not real numbers")
    _require_size(array.shape, path)
    return np.array(array, dtype=np.float64)


def _npy_reason(path: Path, text: str) -> str:
    """What is wrong, in words of our own where NumPy speaks of how it reads."""
    known = {
        "statement": "its header cannot be read",
        "EOF": "it ends too early" if path.stat().st_size else "it is empty",
        "magic": "it is of another format",
        "Python objects": "it holds Python objects, which are never opened",
        "mmap length": "it ends before its last number",
        "header": "its header cannot be read",
    }
    return next((reason for part, reason in known.items() if part in text), text.partition("\n")[0])


def _read_tensor(path: Path, tensor: str | None) -> Array:
    try:
        opened: Any = safe_open(path, framework="pt")
        with opened as file:
            names: list[str] = list(file.keys())
            name = _chosen(path, names, tensor)
            _require_size(tuple(file.get_slice(name).get_shape()), path)
            found: Tensor = file.get_tensor(name)
    except SafetensorError as error:
        raise wrong(f"`{path}` is no safetensors file: {error}") from None
    if found.is_complex():
        raise wrong(f"`{path}` holds complex numbers in `{name}`, not real ones")
    return found.double().numpy()


def _chosen(path: Path, names: list[str], tensor: str | None) -> str:
    if tensor is None and len(names) == 1:
        return names[0]
    if tensor in names:
        return tensor
    notes = (f"its tensors: {listing(names)}",)
    if tensor is None:
        raise wrong(f"`{path}` holds {len(names)} tensors", notes=notes, helps=("name one with `--tensor NAME`",))
    raise wrong(f"`{path}` holds no tensor `{tensor}`", notes=notes, helps=rename_help(tensor, names))


# --- written numbers --------------------------------------------------------------------------------------------------


def _read_text(path: Path, tensor: str | None) -> Array:
    size = path.stat().st_size
    if size > LARGEST_TEXT:
        helps = ("save the array with `numpy.save`, which is smaller and read at once",)
        raise wrong(f"`{path}` has {size:,} bytes; more than {LARGEST_TEXT:,} of written numbers are not read", helps=helps)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise unreadable(path, "it is not UTF-8 text") from None
    findings, source = Findings(), Source(str(path), text)
    rows = read_numbers(source, findings)
    findings.raise_if_any()
    if not rows:
        raise wrong(f"`{path}` holds no numbers", Span(source, 1, 1, 1) if text else None)
    return np.array(rows, dtype=np.float64)


# --- images -----------------------------------------------------------------------------------------------------------


def _read_folder(path: Path, tensor: str | None) -> Array:
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in IMAGES)
    if not files:
        raise wrong(f"the folder `{path}` holds no images", notes=(f"images end in {', '.join(IMAGES)}",))
    return np.stack(list(_alike(files)))


def _alike(files: list[Path]) -> Iterator[Array]:
    """The images of a folder, each of the first one's size."""
    first = None
    for file in files:
        size = _size(file)
        first = first or size
        if size != first:
            helps = ("resize them first: how is a choice that changes the patterns",)
            raise wrong(f"`{file}` is {by(size)}, and `{files[0]}` is {by(first)} (height x width)", helps=helps)
        _require_size((len(files), *size), file.parent)
        yield _grey(file)


def _read_image(path: Path, tensor: str | None) -> Array:
    _require_size((1, *_size(path)), path)
    return _grey(path)[None]


def _size(file: Path) -> tuple[int, int]:
    """Height and width, from the header alone."""
    return _opened(file, lambda picture: (picture.height, picture.width))


def _grey(file: Path) -> Array:
    return _opened(file, lambda picture: np.asarray(picture.convert("L"), dtype=np.float64) / 127.5 - 1)


def _opened(file: Path, read: Callable[[Image.Image], T]) -> T:
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(file) as picture:  # our own limit of sizes is checked beside
            if picture.mode[0] in "IF":
                raise wrong(f"`{file}` has more than 8 bits a pixel, which would be cut", helps=("save its numbers as a .npy file",))
            return read(picture)
    except UnidentifiedImageError:
        raise wrong(f"`{file}` is no image that can be read") from None
    except (Image.DecompressionBombError, ValueError, SyntaxError) as error:
        raise wrong(f"`{file}` is no image that can be read: {error}") from None


READERS: dict[str, Callable[[Path, str | None], Array]] = {
    ".npy": _read_npy,
    ".csv": _read_text,
    ".txt": _read_text,
    ".safetensors": _read_tensor,
}
"""What reads a file, by the end of its name; images and folders of them aside."""
