"""The handwritten digits that are embedded in scikit-learn: no download."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch

from hopgraph.train.data.assembly import floats
from hopgraph.train.data.records import SPLIT_SEED, TEST_SHARE, Examples, Images, Lists


def digits() -> Images:
    """scikit-learn's 1,797 handwritten digits, 8x8 pixels of 0 to 16; a fifth of each class is the test split."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split  # pyright: ignore[reportUnknownVariableType]

    bunch = cast("Any", load_digits())
    images = torch.tensor(bunch.images, dtype=torch.float32)[:, None] / 16.0
    labels = torch.tensor(bunch.target, dtype=torch.int64)
    numbers = np.arange(len(labels))
    train, test = cast("list[Any]", train_test_split(numbers, test_size=TEST_SHARE, random_state=SPLIT_SEED, stratify=bunch.target))
    return Images(
        name="digits",
        variants=("digits",),
        train=Examples(images[train], labels[train]),
        test=Examples(images[test], labels[test]),
        mean=floats(images[train].mean((0, 2, 3))),
        std=floats(images[train].std((0, 2, 3))),
        labels=tuple(str(digit) for digit in range(10)),
    )


def digits_retrieval() -> Lists:
    """The digits as vectors of 64 numbers, each a query whose like is to be found."""
    found = digits()
    train, test = (Examples(found.normalized(part.inputs).flatten(1), part.targets) for part in (found.train, found.test))
    variants = ("retrieval", "digits")
    return Lists(name="digits-retrieval", variants=variants, mean=found.mean, std=found.std, train=train, test=test)
