"""A data set of images from what was read: checked, split where it came in one part, decoded where it fits, and measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from hopgraph.errors import Diagnostic, HopgraphError, by
from hopgraph.train.data.records import SPLIT_SEED, TEST_SHARE, Examples, Images
from hopgraph.train.data.refusals import invalid
from hopgraph.train.data.stream import RESIZE, Stream
from hopgraph.train.data.streamed import Streamed, kept

CHUNK = 256
"""Images are measured by so many at once."""
EXACT = 2**16
"""The mean and the deviation are those of all images up to so many."""
SAMPLE = 2**14
"""Of more images, they are those of so many, drawn by the seed that all splits have."""

Part = Examples | Stream


def assemble(name: str, train: Part, test: Part | None, labels: tuple[str, ...] = ()) -> Images | Streamed:
    """A data set of byte images with class numbers. Without names of classes, they are called by their numbers. Raises HopgraphError."""
    whole = f"the training part of `{name}`" if test is not None else f"`{name}`"
    _require_some(whole, train)
    classes = len(labels) or int(train.targets.max()) + 1
    _require_in_range(whole, train.targets, classes)
    if test is None:
        train, test = _split(name, train)
    _require_some(f"the test part of `{name}`", test)
    _require_in_range(f"the test part of `{name}`", test.targets, classes)
    data = _together(name, train, test, labels or tuple(map(str, range(classes))))
    mean, std = statistics(histogram(data.train))
    return replace(data, mean=mean, std=std)


def _require_some(part: str, examples: Part) -> None:
    if not len(examples):
        raise invalid(f"{part} is empty")


def _require_in_range(part: str, labels: Tensor, classes: int) -> None:
    wrong = ((labels < 0) | (labels >= classes)).nonzero().flatten()
    if len(wrong):
        row = int(wrong[0])
        notes = (f"{len(wrong)} labels are out of range",) if len(wrong) > 1 else ()
        raise invalid(f"label {row} of {part} is {int(labels[row])}, and there are {classes} classes, from 0", notes=notes)


def _split(name: str, examples: Part) -> tuple[Part, Part]:
    """A fifth of each class for the test, drawn by the seed that all splits have. Raises HopgraphError where that is none."""
    draws = np.random.default_rng(SPLIT_SEED)
    test = np.zeros(len(examples), dtype=bool)
    labels: np.ndarray = examples.targets.numpy()
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        test[draws.permutation(rows)[: round(len(rows) * TEST_SHARE)]] = True
    if not test.any():
        raise invalid(f"`{name}` has {len(labels)} images, too few for a fifth of each class to be the test", "give a test part of its own")
    chosen = torch.from_numpy(test)
    return examples.part(~chosen), examples.part(chosen)


# --- in memory or not -------------------------------------------------------------------------------------------------


def _together(name: str, train: Part, test: Part, labels: tuple[str, ...]) -> Images | Streamed:
    """Both parts in memory, where their images have one size and fit into it, else as they are."""
    if isinstance(train, Examples) and isinstance(test, Examples) and train.inputs.shape[1:] == test.inputs.shape[1:]:
        return Images(name=name, labels=labels, train=train, test=test)
    data = Streamed(name=name, labels=labels, train=_stream(name, train), test=_stream(name, test))
    unequal = _unequal(data)
    if unequal:
        return replace(data, unequal=unequal)
    try:
        return kept(data)
    except HopgraphError as error:
        (found,) = error.diagnostics
        if found.code != "image-shape":
            raise
        return replace(data, unequal=found)


def _stream(name: str, part: Part) -> Stream:
    return part if isinstance(part, Stream) else Stream.of_pixels(part, name)


def _unequal(data: Streamed) -> Diagnostic | None:
    """What is said of parts whose first images differ in size. Raises HopgraphError where they differ in channels."""
    train, test = ((part.channels, *part.size) for part in (data.train, data.test))
    message = f"the images of `{data.name}` are {by(train)} for training and {by(test)} for the test"
    if train[0] != test[0]:
        raise invalid(message, "make them alike first")
    return Diagnostic("data-invalid", message, helps=("make them alike first", RESIZE)) if train != test else None


# --- the mean and the deviation ---------------------------------------------------------------------------------------


def histogram(part: Part) -> Tensor:
    """How many pixels of each channel have each of the 256 levels: [channels, 256]. Of many images, a sample is counted."""
    chosen = torch.arange(len(part))
    if len(part) > EXACT:
        chosen = torch.from_numpy(np.random.default_rng(SPLIT_SEED).choice(len(part), SAMPLE, replace=False)).sort().values
    if isinstance(part, Stream):
        return part.histogram(chosen)
    return torch.stack([_counted(part.inputs[rows]) for rows in torch.split(chosen, CHUNK)]).sum(0)


def _counted(images: Tensor) -> Tensor:
    return torch.stack([images[:, channel].flatten().bincount(minlength=256) for channel in range(images.shape[1])])


def statistics(counts: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The mean and the standard deviation of each channel, as numbers from 0 to 1, by its levels. One that never changes has 1."""
    levels, total = torch.arange(256, dtype=torch.float64) / 255, counts.sum(1)
    mean = (counts.double() @ levels) / total
    std = ((counts * (levels - mean[:, None]).square()).sum(1) / total).sqrt()
    std[std == 0] = 1
    return floats(mean), floats(std)


def floats(values: Tensor) -> tuple[float, ...]:
    """A vector as the numbers that it has in float32."""
    return tuple(map(float, values.float()))
