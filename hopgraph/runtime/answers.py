"""An answer to each of many inputs, as they come; and the inputs of a model as one batch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import by
from .manifest import Manifest
from .meaning import Computed, Kind, fit_of, kind_of
from .parts import in_groups
from .problems import BundleError
from .record import Array
from .session import Session
from .sources import Item, items, reader_of

BATCH = 64
"""So many inputs are computed at once."""
MEMORY = 2**26
"""Fewer are, where their outputs would be more numbers than this."""


@dataclass(frozen=True)
class Failed:
    """An input that has no answer, and why."""

    file: str
    error: BundleError

    def as_json(self) -> dict[str, Any]:
        """The failure as plain data."""
        return {"file": self.file, "error": self.error.message, "code": self.error.code}


Answer = Computed | Failed


def answer_all(
    session: Session, folder: Path, given: object, *, top: int | None = None, resize: bool = False, batch: int | None = None
) -> Iterator[Answer]:
    """The answer to each input that `given` stands for, see :func:`hopgraph.runtime.sources.items`, as they come.

    `folder` is the bundle's. Inputs are read and computed `batch` at a time, by default at most 64; those of another length than the
    rest of them are computed apart. One that cannot be read is answered by Failed, and takes nothing from the others. Raises BundleError
    for `top` or `resize` where they have no meaning for the model.
    """
    reader = reader_of(folder, session.manifest, resize)
    kind = kind_of(session, reader, top)
    size = batch or batch_of(session.manifest)
    return (answer for chunk in _chunks(items(reader, given), size) for answer in _answered(session, kind, chunk))


def batch_of(manifest: Manifest) -> int:
    """How many inputs are computed at once where nothing else is asked for."""
    return max(1, min(BATCH, MEMORY // math.prod(manifest.output.shape)))


def inputs_of(folder: Path, manifest: Manifest, given: object) -> NDArray[Any]:
    """A batch of all the inputs that `given` stands for, as a session reads them: normalized, texts in windows of the model's length.

    Raises BundleError for the first that cannot be read, and where they are of several lengths.
    """
    reader = reader_of(folder, manifest)
    fit = fit_of(reader, manifest)
    found = [fit(item.read(), item.name) for item in items(reader, given)]
    if not found:
        raise BundleError("input-invalid", "no input was given")
    if len({each.shape for each in found}) > 1:
        message = f"the inputs are of several lengths, {_listed_shapes(found)}, and their outputs are no one array"
        raise BundleError("input-invalid", message, helps=("ask for `answers`, which come one by one, or give inputs of one length",))
    return np.stack(found)


def _listed_shapes(found: Sequence[NDArray[Any]]) -> str:
    smallest, largest = min(each.shape for each in found), max(each.shape for each in found)
    return f"{by(smallest)} and {by(largest)} among them"


def _chunks(found: Iterator[Item], size: int) -> Iterator[list[Item]]:
    while chunk := list(islice(found, size)):
        yield chunk


def _answered(session: Session, kind: Kind, chunk: Sequence[Item]) -> Iterator[Answer]:
    read = [_read(item, kind) for item in chunk]
    fitting = [found[1] for found in read if not isinstance(found, BundleError)]
    outputs = iter(in_groups(session, session.form, fitting))
    for item, found in zip(chunk, read, strict=True):
        yield Failed(item.name, found) if isinstance(found, BundleError) else _one(kind, item.name, found[0], next(outputs))


def _read(item: Item, kind: Kind) -> tuple[NDArray[Any], NDArray[Any]] | BundleError:
    """An input as it was read, and as the model reads it."""
    try:
        found = item.read()
        return found, kind.fit(found, item.name)
    except BundleError as error:
        return error


def _one(kind: Kind, name: str, given: NDArray[Any], output: Array) -> Answer:
    if np.isfinite(output).all():
        return kind.answer(name, given, output)
    helps = ("open the bundle in float32, whose numbers go further than those of float16",)
    return Failed(name, BundleError("not-finite", f"what the model gives for `{name}` is not finite", helps=helps))
