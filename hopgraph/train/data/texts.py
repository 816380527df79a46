"""Texts: files of bytes, the first part of them for training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hopgraph.train.data.records import Text
from hopgraph.train.data.refusals import read_bytes

ENDINGS = (".txt", ".md")
"""A `--data` that ends so is a text."""
TRAINING = 0.9
"""The first share of a text is for training, the rest for validation."""


def read_text(name: str, paths: Sequence[Path]) -> Text:
    """The bytes of a text; of two files, the first is for training and the second for validation."""
    parts = [_bytes(read_bytes(path)) for path in paths]
    if len(parts) == 1:
        cut = int(len(parts[0]) * TRAINING)
        parts = [parts[0][:cut], parts[0][cut:]]
    return Text(name=name, variants=("text",), train=parts[0], test=parts[1])


def _bytes(content: bytes) -> Tensor:
    return torch.from_numpy(np.frombuffer(content, dtype=np.uint8).copy())
