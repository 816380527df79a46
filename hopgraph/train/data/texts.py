"""Texts: files of bytes, the first part of them for training. Large ones are mapped into memory, and read where they are looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hopgraph.train.data.memory import allowed
from hopgraph.train.data.records import Text
from hopgraph.train.data.refusals import missing, read_bytes, unreadable

ENDINGS = (".txt", ".md")
"""A `--data` that ends so is a text."""
TRAINING = 0.9
"""The first share of a text is for training, the rest for validation."""


@dataclass(frozen=True, kw_only=True)
class MappedText(Text):
    """A text whose files are mapped into memory. It is sent to other processes by their paths."""

    paths: tuple[Path, ...]

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return read_text, (self.name, self.paths, True)


def read_text(name: str, paths: Sequence[Path], mapped: bool | None = None) -> Text:
    """The bytes of a text; of two files, the first is for training and the second for validation. Raises HopgraphError.

    The files are mapped where they are larger than memory may hold, or where that is asked for.
    """
    if mapped is None:
        mapped = sum(path.stat().st_size for path in paths if path.is_file()) > allowed()
    parts = [_mapped(path) if mapped else _bytes(read_bytes(path)) for path in paths]
    if len(parts) == 1:
        cut = int(len(parts[0]) * TRAINING)
        parts = [parts[0][:cut], parts[0][cut:]]
    if mapped:
        return MappedText(name=name, variants=("text",), train=parts[0], test=parts[1], paths=tuple(paths))
    return Text(name=name, variants=("text",), train=parts[0], test=parts[1])


def _bytes(content: bytes) -> Tensor:
    return torch.from_numpy(np.frombuffer(content, dtype=np.uint8).copy())


def _mapped(path: Path) -> Tensor:
    try:
        return map_file(path, np.uint8)
    except FileNotFoundError:
        raise missing(path) from None
    except OSError as error:
        raise unreadable(path, error) from None


def map_file(file: Any, dtype: type[np.generic]) -> Tensor:
    """The numbers of a file, by its path or open, which stay on the disk until they are looked at; what is written to them stays here."""
    try:
        return torch.from_numpy(np.memmap(file, dtype=dtype, mode="c"))
    except ValueError:  # an empty file cannot be mapped
        return torch.from_numpy(np.empty(0, dtype=dtype))
