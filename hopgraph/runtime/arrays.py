"""Arrays as a model reads them, and the .npy files that hold them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .manifest import Port
from .problems import BundleError

ARRAY = ".npy"
"""What the name of a file that holds an array ends in."""


class Reader(Protocol):
    """What makes the inputs of a model of what is given. Each method raises BundleError with the name of what is wrong."""

    @property
    def endings(self) -> tuple[str, ...]:
        """What the names of the files end in that are read of a folder."""
        ...

    def arrange(self, array: NDArray[Any], name: str) -> NDArray[Any]:
        """A view [count, ...] of an array that is one input or several."""
        ...

    def finish(self, row: NDArray[Any], name: str) -> NDArray[Any]:
        """One input, of one row of what was arranged."""
        ...

    def load(self, path: Path) -> NDArray[Any]:
        """One input, of a file that holds no array."""
        ...


@dataclass(frozen=True)
class Numbers:
    """Reads the input of a model that takes any numbers: arrays of its shape, less `mean` and over `std` where there are such."""

    port: Port
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    endings: tuple[str, ...] = (ARRAY,)

    def arrange(self, array: NDArray[Any], name: str) -> NDArray[Any]:
        """One input [...], or several [count, ...]."""
        rank, shape = len(self.port.shape), array.shape[-len(self.port.shape) :]
        if array.dtype.kind not in "fiu":
            raise BundleError("input-invalid", f"`{name}` holds {array.dtype}, and the model reads numbers")
        if not self.port.holds(shape) or array.ndim - rank not in (0, 1):
            wanted = f"{by(self.port.sizes)} ({by(self.port.axes)})"
            raise BundleError("input-invalid", f"`{name}` is {by(array.shape)}, and the model reads {wanted}, or several of them")
        return array.reshape(-1, *shape)

    def finish(self, row: NDArray[Any], name: str) -> NDArray[Any]:
        """The numbers in float32."""
        return normalized(finite(row, name, "input-invalid"), self.mean, self.std)

    def load(self, path: Path) -> NDArray[Any]:
        """No other file holds numbers of any shape."""
        if not os.path.exists(path):  # noqa: PTH110 (Path.exists raises for names that are too long)
            raise missing(path)
        message = f"`{path}` is no {ARRAY} file, and the model reads arrays of {by(self.port.sizes)} ({by(self.port.axes)})"
        raise BundleError("input-invalid", message, helps=("write the array by `numpy.save`",))


def normalized(numbers: NDArray[Any], mean: tuple[float, ...], std: tuple[float, ...]) -> NDArray[np.float32]:
    """Numbers less the mean and over the deviation, by channel, where they are as many as there are channels, or one."""
    single = np.asarray(numbers, dtype=np.float32)
    if not mean:
        return single
    shape = (-1, *(1,) * (single.ndim - 1))
    return (single - np.asarray(mean, dtype=np.float32).reshape(shape)) / np.asarray(std, dtype=np.float32).reshape(shape)


def finite(array: NDArray[Any], name: str, code: str) -> NDArray[np.float32]:
    """An array in float32. Raises BundleError where a number is not finite, or too large to be so in float32."""
    with np.errstate(over="ignore"):
        single = np.asarray(array, dtype=np.float32)
    bad = single.size - int(np.isfinite(single).sum())
    if bad:
        raise BundleError(code, f"`{name}` holds {bad:,} numbers that are not finite", helps=("replace them, or leave it out",))
    return single


def open_array(path: Path, code: str) -> NDArray[Any]:
    """The array of a .npy file, not read yet. Raises BundleError, with `code` where the file is there and holds none."""
    try:
        return np.lib.format.open_memmap(path, mode="r")  # it reads no pickles, and takes no memory for what the file does not hold
    except FileNotFoundError:
        raise missing(path) from None
    except (OSError, ValueError, EOFError) as error:
        message = f"`{path}` cannot be read as an array: {reason_of(error)}"
        raise BundleError(code, message, helps=("write the array by `numpy.save`",)) from None


def missing(path: Path) -> BundleError:
    """What is told of a file that is not there."""
    return BundleError("file-missing", f"there is no file `{path}`", helps=("correct the path; it is relative to the present folder",))


def reason_of(error: Exception) -> str:
    """What an exception says, in one line and without a number."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return said.partition("\n")[0] or type(error).__name__


def by(shape: tuple[object, ...]) -> str:
    """Sizes, or axes, as they are read."""
    return " x ".join(map(str, shape)) or "a single number"
