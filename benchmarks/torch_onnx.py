"""torch.onnx.export as it comes, for batches of any size."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn


def write(module: nn.Module, given: Tensor, file: Path) -> Path:
    """Write a module that reads batches such as `given`."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it tells at each export that torchvision is not there
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(module, (given,), dynamo=True, verbose=False, dynamic_shapes=({0: torch.export.Dim("batch")},))
    assert program is not None
    program.save(file)
    return file
