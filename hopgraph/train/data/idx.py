"""IDX files, in which MNIST and its successors come: a magic number, the sizes, and the bytes."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hopgraph.train.data.assembly import assemble
from hopgraph.train.data.records import Examples, ImageData
from hopgraph.train.data.refusals import invalid, read_bytes, unreadable

TRAIN, TEST = "train", "t10k"
"""What the names of the files of the two parts begin with."""
BYTE = 8
"""The code of the only type of numbers that is read: unsigned bytes."""


def has_idx(folder: Path) -> bool:
    """Whether a folder has the images of a training part."""
    return any(folder.glob(f"{TRAIN}-images*idx3-ubyte*"))


def read_idx(name: str, folder: Path) -> ImageData:
    """The images of a folder with IDX files of both parts, compressed by gzip or not. Raises HopgraphError."""
    return assemble(name, _part(folder, TRAIN), _part(folder, TEST))


def _part(folder: Path, part: str) -> Examples:
    images, labels = _find(folder, f"{part}-images", 3), _find(folder, f"{part}-labels", 1)
    inputs, targets = read_array(images, 3)[:, None], read_array(labels, 1).long()
    if len(inputs) != len(targets):
        raise invalid(f"`{images}` has {len(inputs)} images, and `{labels}` {len(targets)} labels")
    return Examples(inputs, targets)


def _find(folder: Path, start: str, axes: int) -> Path:
    name = f"{start}-idx{axes}-ubyte"
    for found in (name, f"{name}.gz", f"{start}.idx{axes}-ubyte", f"{start}.idx{axes}-ubyte.gz"):
        if (folder / found).is_file():
            return folder / found
    raise invalid(f"`{folder}` has no file `{name}` or `{name}.gz`", notes=("a data set of IDX files has images and labels of both parts",))


def read_array(path: Path, axes: int) -> Tensor:
    """The bytes [..] of an IDX file with so many axes. Raises HopgraphError where the file is anything else."""
    content = read_bytes(path)
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise unreadable(path, error) from None
    start = 4 + 4 * axes
    magic = content[:4]
    if magic != bytes((0, 0, BYTE, axes)):
        raise invalid(f"`{path}` is no IDX file of bytes with {axes} axes: it begins with {magic.hex(' ') or 'nothing'}")
    if len(content) < start:
        raise invalid(f"`{path}` ends inside its sizes")
    shape = struct.unpack(f">{axes}I", content[4:start])
    if len(content) - start != math.prod(shape):
        by = " x ".join(map(str, shape))
        raise invalid(f"`{path}` should have {by} bytes after its sizes, {math.prod(shape)}, and has {len(content) - start}")
    return torch.from_numpy(np.frombuffer(content, dtype=np.uint8, offset=start).copy()).reshape(shape)
