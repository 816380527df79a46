"""Data sets: images with class numbers, texts as bytes, and lists to search. `digits` is embedded in scikit-learn: no download."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from hopgraph.errors import Diagnostic, HopgraphError, listing, rename_help

SPLIT_SEED = 0
"""The seed of the split into training and test data, and of what is drawn for the test: the same for every run, whatever its own."""
TEST_SHARE = 0.2
TEXT_ENDINGS = (".txt", ".md")
"""A `--data` that ends so is a file of text."""
TEXT_TRAINING = 0.9
"""The first share of a text is for training, the rest for validation."""
BYTES = 256


@dataclass(frozen=True)
class Examples:
    """What a model reads, and what it should make of it: two tensors [count, ...]."""

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True, kw_only=True)
class Data:
    """What is known of every data set. `variants` are what specs call the variants that fit it."""

    name: str
    variants: tuple[str, ...]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Images(Data):
    """Images [count, channels, height, width], normalized by `mean` and `std` of the training split, with class numbers."""

    train: Examples
    test: Examples

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width."""
        return tuple(self.train.inputs.shape[1:])


@dataclass(frozen=True, kw_only=True)
class Lists(Data):
    """Vectors [count, c] with class numbers, to be drawn as lists: a query, then one of its class among others of other classes."""

    train: Examples
    test: Examples

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return int(self.train.targets.max()) + 1


@dataclass(frozen=True, kw_only=True)
class Text(Data):
    """The bytes of a text, each part one vector of them."""

    train: Tensor
    test: Tensor


def load_data(name: str) -> Data:
    """The data set of that name, or the text in that file. Raises HopgraphError for an unknown or unreadable one."""
    if Path(name).suffix.lower() in TEXT_ENDINGS:
        return _text(Path(name))
    if name not in DATA:
        notes = (f"data sets: {listing(DATA)}; or a file that ends in {' or '.join(TEXT_ENDINGS)}",)
        raise HopgraphError(Diagnostic("data-unknown", f"no data set is named `{name}`", notes=notes, helps=tuple(rename_help(name, DATA))))
    return DATA[name]()


def _digits() -> Images:
    """scikit-learn's 1,797 handwritten digits, 8x8 pixels of 0 to 16; a fifth of each class is the test split."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split  # pyright: ignore[reportUnknownVariableType]

    bunch = cast("Any", load_digits())
    images = torch.tensor(bunch.images, dtype=torch.float32)[:, None] / 16.0
    labels = torch.tensor(bunch.target, dtype=torch.int64)
    numbers = np.arange(len(labels))
    train, test = cast("list[Any]", train_test_split(numbers, test_size=TEST_SHARE, random_state=SPLIT_SEED, stratify=bunch.target))
    names = tuple(str(digit) for digit in range(10))
    return _normalized("digits", Examples(images[train], labels[train]), Examples(images[test], labels[test]), names)


def _normalized(name: str, train: Examples, test: Examples, labels: tuple[str, ...]) -> Images:
    mean = train.inputs.mean((0, 2, 3), keepdim=True)
    std = train.inputs.std((0, 2, 3), keepdim=True)
    return Images(
        name=name,
        variants=(name,),
        train=Examples((train.inputs - mean) / std, train.targets),
        test=Examples((test.inputs - mean) / std, test.targets),
        mean=tuple(float(value) for value in mean.flatten()),
        std=tuple(float(value) for value in std.flatten()),
        labels=labels,
    )


def _digits_retrieval() -> Lists:
    """The digits as vectors of 64 numbers, each a query whose like is to be found."""
    digits = _digits()
    train, test = (Examples(part.inputs.flatten(1), part.targets) for part in (digits.train, digits.test))
    variants = ("retrieval", "digits")
    return Lists(name="digits-retrieval", variants=variants, mean=digits.mean, std=digits.std, train=train, test=test)


def _text(path: Path) -> Text:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise HopgraphError(Diagnostic("file-missing", f"there is no file `{path}`")) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise HopgraphError(Diagnostic("file-unreadable", f"`{path}` cannot be read: {reason}")) from None
    tokens = torch.from_numpy(np.frombuffer(content, dtype=np.uint8).copy())
    cut = int(len(tokens) * TEXT_TRAINING)
    return Text(name=str(path), variants=("text",), train=tokens[:cut], test=tokens[cut:])


DATA: dict[str, Callable[[], Data]] = {"digits": _digits, "digits-retrieval": _digits_retrieval}
"""Every data set by name. One more is one more function."""
