"""The weights of a bundle: one safetensors file that PyTorch, ONNX Runtime and TensorRT all read.

It holds the state of the model under its own names, and beside it what graphs read that is computed from weights alone (W + V of a
penalized pull, a gain from its logarithm), under names that begin with `computed:`, which no name of a state does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from hopgraph.export.fold import computed
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.program.program import Program
from hopgraph.runtime import BundleError

WEIGHTS = "model.safetensors"
"""The file of a bundle that every other form of the weights can be made from."""
COMPUTED = "computed:"
"""How the names of tensors begin that are not part of the model's state."""
LENGTH_BYTES = 8
"""A safetensors file begins with the length of its header, a little-endian integer of so many bytes."""


@dataclass(frozen=True)
class Place:
    """Where a tensor lies in a file: the word of the format for its dtype, its shape, its first byte and how many there are."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    length: int


def write_weights(folder: Path, spec: CheckedSpec, weights: Mapping[str, Tensor]) -> None:
    """Write all that any form of a spec reads of its weights, by stored name, to `model.safetensors`, in float32."""
    write_tensors(folder / WEIGHTS, all_tensors(spec.program, weights))


def all_tensors(program: Program, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights and what a program reads that is computed from them, by the names of the file."""
    return {**weights, **{f"{COMPUTED}{name}": tensor for name, tensor in computed(program, weights).items()}}


def write_tensors(file: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors under their names. Equal tensors give equal bytes, and equal shapes and dtypes the same places."""
    file.write_bytes(save({name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}))


def read_state(file: Path, names: Iterable[str]) -> dict[str, Tensor]:
    """The tensors of a model's state. Raises BundleError where the file cannot be read or lacks one."""
    try:
        found: Any = safe_open(file, "pt")
        with found as tensors:
            return {name: tensors.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise BundleError("bundle-damaged", f"`{file.name}` does not hold the weights of the model: {error}") from None


def read_places(file: Path) -> dict[str, Place]:
    """Where each tensor of a safetensors file lies."""
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(LENGTH_BYTES), "little")
        header: dict[str, Any] = json.loads(stream.read(length))
    return {name: _place(entry, LENGTH_BYTES + length) for name, entry in header.items() if name != "__metadata__"}


def _place(entry: Mapping[str, Any], first: int) -> Place:
    begin, end = entry["data_offsets"]
    return Place(entry["dtype"], tuple(entry["shape"]), first + begin, end - begin)
