"""Batches on the device, from examples that may be larger than it."""

from __future__ import annotations

import torch
from torch import Tensor

from hopgraph.train.data.records import Examples

ON_DEVICE = 2**32
"""Examples of so many bytes at most are moved to the device once; others stay in the host's memory and are moved batch by batch."""


class Feed:
    """Examples to take batches from."""

    def __init__(self, examples: Examples, device: torch.device, most: int = ON_DEVICE) -> None:
        self.device = device
        fits = examples.bytes <= most
        self.examples = Examples(examples.inputs.to(device), examples.targets.to(device)) if fits else examples

    def __len__(self) -> int:
        return len(self.examples)

    def batch(self, rows: Tensor) -> Examples:
        """The examples of these numbers, a tensor on the CPU, on the device."""
        return Examples(self._taken(self.examples.inputs, rows), self._taken(self.examples.targets, rows))

    def _taken(self, tensor: Tensor, rows: Tensor) -> Tensor:
        taken = tensor[rows.to(tensor.device, non_blocking=True)]
        if taken.device == self.device:
            return taken
        pinned = taken.pin_memory() if self.device.type == "cuda" else taken
        return pinned.to(self.device, non_blocking=True)
