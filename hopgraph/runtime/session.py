"""A model that was opened, and what it reads: nothing else comes to a runtime."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import by
from .manifest import Form, Manifest, Port
from .problems import BundleError
from .record import Array, Predict, Runtime


@dataclass(frozen=True)
class Session:
    """A model that was opened: what runs it, and the form that is run. Call it with a batch of normalized inputs."""

    manifest: Manifest
    form: Form
    runtime: Runtime
    run: Predict

    def __call__(self, inputs: NDArray[Any]) -> Array:
        """Outputs [batch, ...] in float32, of inputs [batch, ...]. Raises BundleError where these are not what the model reads."""
        outputs = self.run(checked(self.manifest.input, inputs))
        return np.ascontiguousarray(outputs, dtype=np.float32)


def checked(port: Port, inputs: NDArray[Any]) -> NDArray[Any]:
    """A batch as the model reads it, in the port's dtype. Raises BundleError where it is of another kind, shape or range."""
    wanted = by(("batch", *port.sizes))
    if inputs.ndim == 0 or not port.holds(inputs.shape[1:]):
        raise _invalid(f"the model reads {wanted} ({by(('batch', *port.axes))}), and was given {by(inputs.shape)}")
    if inputs.shape[0] == 0:
        raise _invalid("the batch is empty")
    _CHECKS[port.dtype](port, inputs)
    return np.ascontiguousarray(inputs, dtype=port.dtype)


def _check_numbers(port: Port, inputs: NDArray[Any]) -> None:
    if inputs.dtype.kind not in "fiu":
        raise _invalid(f"the model reads numbers in {port.dtype}, and was given {inputs.dtype}")
    with np.errstate(over="ignore"):
        finite = np.isfinite(inputs.astype(np.float32)).all()
    if not finite:
        raise _invalid("the inputs hold numbers that are not finite")


def _check_tokens(port: Port, inputs: NDArray[Any]) -> None:
    if inputs.dtype.kind not in "iu":
        raise _invalid(f"the model reads tokens, which are integers, and was given {inputs.dtype}")
    least, greatest = int(inputs.min()), int(inputs.max())
    if port.vocabulary is not None and not 0 <= least <= greatest < port.vocabulary:
        stranger = least if least < 0 else greatest
        raise _invalid(f"the token {stranger} is not one of the model's, which are 0 to {port.vocabulary - 1}")


_CHECKS: dict[str, Callable[[Port, NDArray[Any]], None]] = {"float32": _check_numbers, "int64": _check_tokens}


def _invalid(message: str) -> BundleError:
    return BundleError("input-invalid", message)
