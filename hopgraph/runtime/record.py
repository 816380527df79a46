"""What a runtime is: something that opens a file of a bundle and gives a function from a batch of inputs to a batch of outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .manifest import Form, Manifest

Array = NDArray[np.float32]
Predict = Callable[[NDArray[Any]], Array]
"""A batch of inputs (numbers in float32, tokens in int64) to a batch of outputs in float32."""

DEVICES = ("auto", "cpu", "cuda")
"""Where a model runs. `auto` takes the best that is there; the others are had or are an error."""


@dataclass(frozen=True)
class Opening:
    """What a runtime is asked to open: one form of the model of a bundle.

    `weights` names the set of weights, none for the bundle's own; `threads` are those of the CPU, none for the runtime's choice.
    """

    folder: Path
    manifest: Manifest
    form: Form
    device: str = "auto"
    threads: int | None = None
    weights: str | None = None

    @property
    def file(self) -> Path:
        """The file that is opened."""
        return self.folder / self.form.file

    def replaced(self) -> dict[str, Path]:
        """The files of the chosen set of weights, by the names of those that they stand for."""
        if self.weights is None:
            return {}
        chosen = next(item for item in self.manifest.weights if item.name == self.weights)
        return {name: self.folder / file for name, file in chosen.files.items() if name in self.form.files}


@dataclass(frozen=True)
class Runtime:
    """Something that runs what the exporter of that name writes. `missing` says why it cannot run here, None where it can.

    `open` raises BundleError where the file, the device or the set of weights cannot be had.
    """

    name: str
    exporter: str
    missing: Callable[[], str | None]
    open: Callable[[Opening], Predict]
