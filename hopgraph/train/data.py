"""Data sets by name, as tensors with their normalization. `digits` is embedded in scikit-learn and needs no download."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from hopgraph.errors import At, Diagnostic, HopgraphError, listing, rename_help
from hopgraph.passes.pipeline import CheckedSpec

SPLIT_SEED = 0
"""The seed of the split into training and test data: the same for every run, whatever its own seed."""
TEST_SHARE = 0.2


@dataclass(frozen=True)
class Data:
    """Images [count, channels, height, width], normalized by `mean` and `std` of the training split, and class numbers."""

    name: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    mean: tuple[float, ...]
    std: tuple[float, ...]
    labels: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width."""
        return tuple(self.train_images.shape[1:])


def load_data(name: str) -> Data:
    """The data set of that name. Raises HopgraphError for an unknown one."""
    if name not in DATA:
        notes = (f"data sets: {listing(DATA)}",)
        raise HopgraphError(Diagnostic("data-unknown", f"no data set is named `{name}`", notes=notes, helps=tuple(rename_help(name, DATA))))
    return DATA[name]()


def _digits() -> Data:
    """scikit-learn's 1,797 handwritten digits, 8x8 pixels of 0 to 16; a fifth of each class is the test split."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split  # pyright: ignore[reportUnknownVariableType]

    bunch = cast("Any", load_digits())
    images = torch.tensor(bunch.images, dtype=torch.float32)[:, None] / 16.0
    labels = torch.tensor(bunch.target, dtype=torch.int64)
    numbers = np.arange(len(labels))
    train, test = cast("list[Any]", train_test_split(numbers, test_size=TEST_SHARE, random_state=SPLIT_SEED, stratify=bunch.target))
    return _normalized("digits", images[train], labels[train], images[test], labels[test], tuple(str(digit) for digit in range(10)))


def _normalized(
    name: str, train_images: Tensor, train_labels: Tensor, test_images: Tensor, test_labels: Tensor, labels: tuple[str, ...]
) -> Data:
    mean = train_images.mean((0, 2, 3), keepdim=True)
    std = train_images.std((0, 2, 3), keepdim=True)
    return Data(
        name,
        (train_images - mean) / std,
        train_labels,
        (test_images - mean) / std,
        test_labels,
        tuple(float(value) for value in mean.flatten()),
        tuple(float(value) for value in std.flatten()),
        labels,
    )


DATA: dict[str, Callable[[], Data]] = {"digits": _digits}
"""Every data set by name. One more is one more function."""


def check_fit(spec: CheckedSpec, data: Data) -> None:
    """Raise HopgraphError where the data's images or classes are not those that the spec is made for."""
    wanted, given = spec.ham.input.shape, data.shape
    if wanted != given:
        variants = [name for name in spec.variant_names if name == data.name]
        helps = [f"add `--variant {name}`" for name in variants] or ["set the dims with `--set dims.NAME=VALUE`"]
        raise HopgraphError(
            Diagnostic(
                "data-shape",
                f"the images of `{data.name}` are {_by(given)}, and `{spec.name}` reads {_by(wanted)} (channels x height x width)",
                At(("input", "image")),
                helps=tuple(helps),
            ).located(spec.loaded)
        )
    outputs = list(spec.ham.output.values())
    if outputs != [len(data.labels)]:
        raise HopgraphError(
            Diagnostic(
                "data-shape",
                f"`{data.name}` has {len(data.labels)} classes, and `{spec.name}` gives {_by(tuple(outputs))} numbers for an image",
                At(("readout",)),
                helps=(f"end the readout with `linear: {len(data.labels)}`",),
            ).located(spec.loaded)
        )


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
