"""What a benchmark's process runs: a form of a bundle under a runtime, or an ONNX file of others, with inputs drawn for it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hopgraph.bench.candidates import ONNX_FILE
from hopgraph.bench.runtimes import PROVIDERS, find
from hopgraph.export.parity import sample
from hopgraph.runtime import Bundle, BundleError
from hopgraph.runtime.onnx import session_options
from hopgraph.runtime.parts import limits

_DTYPES = {"float": "float32", "double": "float64"}
"""ONNX Runtime's names of dtypes that numpy calls otherwise."""


@dataclass(frozen=True)
class Target:
    """A model that was opened: `run` takes what `draw` makes for a batch size between the two of `batches`, on the host both ways."""

    run: Callable[[Any], object]
    draw: Callable[[int, np.random.Generator], Any]
    batches: tuple[int, int]


def open_target(path: str, runtime: str, dtype: str, threads: int) -> Target:
    """Open a bundle, or an ONNX file. Raises BundleError."""
    if path.endswith(ONNX_FILE):
        return open_onnx(Path(path), PROVIDERS[runtime], threads)
    bundle = Bundle.open(path)
    session = bundle.session(find(runtime), dtype, threads=threads)
    given = bundle.manifest.input
    return Target(session.run, lambda batch, generator: sample(given, batch, generator), limits(session.form))


def open_onnx(file: Path, provider: str, threads: int) -> Target:
    """Any ONNX file, by ONNX Runtime's own defaults. A first dimension that is open is the batch. Raises BundleError."""
    import onnxruntime as ort

    try:
        session: Any = ort.InferenceSession(str(file), session_options(provider, threads), providers=[provider])
    except Exception as error:  # onnxruntime's errors have no base class of their own
        raise BundleError("runtime-unavailable", f"onnxruntime does not open it: {str(error).splitlines()[0]}") from None
    if provider not in session.get_providers():
        raise BundleError("runtime-unavailable", f"onnxruntime runs it on {', '.join(session.get_providers())} instead of {provider}")
    inputs = [Input.of(item) for item in session.get_inputs()]
    return Target(
        lambda given: session.run(None, given),
        lambda batch, generator: {item.name: item.draw(batch, generator) for item in inputs},
        (max(item.least for item in inputs), min(item.most for item in inputs)),
    )


@dataclass(frozen=True)
class Input:
    """An input of an ONNX file: `batch` is the size of its first dimension, None where it is open; `shape` are the others."""

    name: str
    dtype: np.dtype[Any]
    batch: int | None
    shape: tuple[int, ...]

    @staticmethod
    def of(found: Any) -> Input:
        """As a session tells it. Raises BundleError where another dimension than the first is open, or it is no array of numbers."""
        first, *others = found.shape or [None]
        shape = tuple(size for size in others if isinstance(size, int))
        wild = [size for size in others if not isinstance(size, int)]
        if not found.shape or wild:
            open_ = f"the open dimensions {', '.join(map(str, wild))}" if wild else "no dimension"
            message = f"its input `{found.name}` has {open_}, and only the first may be open: it is the batch"
            raise BundleError("runtime-unavailable", message)
        kind = found.type.removeprefix("tensor(").removesuffix(")")
        try:
            dtype = np.dtype(_DTYPES.get(kind, kind))
        except TypeError:
            raise BundleError("runtime-unavailable", f"its input `{found.name}` is of {found.type}, which is not drawn here") from None
        return Input(found.name, dtype, first if isinstance(first, int) else None, shape)

    @property
    def least(self) -> int:
        """The smallest batch."""
        return self.batch or 1

    @property
    def most(self) -> int:
        """The largest batch."""
        return self.batch or sys.maxsize

    def draw(self, batch: int, generator: np.random.Generator) -> NDArray[Any]:
        """Normal numbers; of integers and truth values 0 and 1, which any table of tokens has."""
        shape = (batch, *self.shape)
        drawn = generator.standard_normal(shape) if self.dtype.kind == "f" else generator.integers(2, size=shape)
        return drawn.astype(self.dtype)
