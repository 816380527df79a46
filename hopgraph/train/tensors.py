"""Files of tensors, as others publish them: .safetensors, .npz, or torch's own. Nothing in a file is run."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor

from hopgraph.errors import Diagnostic, HopgraphError

WRAPPERS = ("state_dict", "model", "model_state_dict", "state_dict_ema")
"""Where a torch file keeps its tensors, if it holds more than these."""


def read_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors, .npz or torch file, by name. Nothing in the file is run. Raises HopgraphError."""
    if not file.is_file():
        raise HopgraphError(Diagnostic("file-missing", f"there is no file `{file}`"))
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        if file.suffix == ".npz":
            with np.load(file, allow_pickle=False) as arrays:
                return {name: torch.from_numpy(np.array(arrays[name])) for name in arrays.files}
        return _unwrapped(torch.load(file, map_location="cpu", weights_only=True), file)
    except pickle.UnpicklingError:
        helps = ("write its state into a .safetensors file where you trust it",)
        message = f"`{file}` holds more than tensors, and reading it could run code"
        raise HopgraphError(Diagnostic("file-unreadable", message, helps=helps)) from None
    except (SafetensorError, OSError, ValueError, RuntimeError, EOFError, KeyError, TypeError, zipfile.BadZipFile) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise HopgraphError(Diagnostic("file-unreadable", f"`{file}` is no file of tensors: {reason}")) from None


def _unwrapped(content: Any, file: Path) -> dict[str, Tensor]:
    """The tensors of what a torch file holds, without the name that a parallel wrapper puts before each."""
    while isinstance(content, dict) and not _tensors(cast("dict[Any, Any]", content)):
        wrapper = next((name for name in WRAPPERS if name in content), None)
        if wrapper is None:
            break
        content = cast("dict[str, Any]", content)[wrapper]
    found = _tensors(cast("dict[Any, Any]", content)) if isinstance(content, dict) else {}
    if not found:
        notes = (f"tensors are looked for at its top and under {', '.join(WRAPPERS)}",)
        raise HopgraphError(Diagnostic("file-unreadable", f"`{file}` holds no tensors by name", notes=notes))
    prefix = "module."
    whole = all(name.startswith(prefix) for name in found)
    return {name.removeprefix(prefix) if whole else name: tensor for name, tensor in found.items()}


def _tensors(content: Mapping[Any, Any]) -> dict[str, Tensor]:
    return {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, Tensor)}
