"""A data set of images from what was read: checked, split where it came in one part, and measured."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hopgraph.train.data.records import SPLIT_SEED, TEST_SHARE, Examples, Images
from hopgraph.train.data.refusals import invalid

CHUNK = 4096
"""Images are measured by so many at once."""


def assemble(name: str, train: Examples, test: Examples | None, labels: tuple[str, ...] = ()) -> Images:
    """A data set of byte images with class numbers. Without names of classes, they are called by their numbers. Raises HopgraphError."""
    whole = f"the training part of `{name}`" if test is not None else f"`{name}`"
    _require_some(whole, train)
    classes = len(labels) or int(train.targets.max()) + 1
    _require_in_range(whole, train.targets, classes)
    if test is None:
        train, test = _split(name, train)
    _require_some(f"the test part of `{name}`", test)
    _require_in_range(f"the test part of `{name}`", test.targets, classes)
    if train.inputs.shape[1:] != test.inputs.shape[1:]:
        sizes = (" x ".join(map(str, part.inputs.shape[1:])) for part in (train, test))
        raise invalid(f"the images of `{name}` are {next(sizes)} for training and {next(sizes)} for the test", "make them alike first")
    mean, std = statistics(train.inputs)
    names = labels or tuple(map(str, range(classes)))
    return Images(name=name, train=train, test=test, mean=mean, std=std, labels=names)


def _require_some(part: str, examples: Examples) -> None:
    if not len(examples):
        raise invalid(f"{part} is empty")


def _require_in_range(part: str, labels: Tensor, classes: int) -> None:
    wrong = ((labels < 0) | (labels >= classes)).nonzero().flatten()
    if len(wrong):
        row = int(wrong[0])
        notes = (f"{len(wrong)} labels are out of range",) if len(wrong) > 1 else ()
        raise invalid(f"label {row} of {part} is {int(labels[row])}, and there are {classes} classes, from 0", notes=notes)


def _split(name: str, examples: Examples) -> tuple[Examples, Examples]:
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
    return Examples(examples.inputs[~chosen], examples.targets[~chosen]), Examples(examples.inputs[chosen], examples.targets[chosen])


def statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The mean and the standard deviation of each channel of byte images, as numbers from 0 to 1. One that never changes has 1."""
    counts = torch.zeros(images.shape[1], 256, dtype=torch.float64)
    for start in range(0, len(images), CHUNK):
        for channel in range(images.shape[1]):
            counts[channel] += images[start : start + CHUNK, channel].flatten().bincount(minlength=256)
    levels, total = torch.arange(256, dtype=torch.float64) / 255, counts.sum(1)
    mean = (counts @ levels) / total
    std = ((counts * (levels - mean[:, None]).square()).sum(1) / total).sqrt()
    std[std == 0] = 1
    return floats(mean), floats(std)


def floats(values: Tensor) -> tuple[float, ...]:
    """A vector as the numbers that it has in float32."""
    return tuple(map(float, values.float()))
