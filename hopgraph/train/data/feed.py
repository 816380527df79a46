"""Batches on the device, from examples that may be larger than it, or than memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hopgraph.train.data.ahead import ahead
from hopgraph.train.data.records import Examples
from hopgraph.train.data.stream import SHARE, Stream

ON_DEVICE = 2**32
"""Examples of so many bytes at most are moved to the device once; others stay in the host's memory and are moved batch by batch."""

Asked = tuple[Tensor, int | None]
"""The numbers of a batch's examples, on the CPU, and in training the seed of their random pieces."""


class Feed:
    """Examples to take batches from."""

    def __init__(self, examples: Examples | Stream, device: torch.device, most: int = ON_DEVICE) -> None:
        self.device = device
        if isinstance(examples, Examples) and examples.bytes <= most:
            examples = Examples(examples.inputs.to(device), examples.targets.to(device))
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    def batches(self, asked: Iterable[Asked]) -> Iterator[Examples]:
        """The examples of each batch that is asked for, on the device. Those that are streamed are decoded ahead."""
        examples = self.examples
        found = _streamed(examples, asked) if isinstance(examples, Stream) else (examples.part(chosen) for chosen, _ in asked)
        return map(self._moved, found)

    def _moved(self, examples: Examples) -> Examples:
        return Examples(self._on_device(examples.inputs), self._on_device(examples.targets))

    def _on_device(self, tensor: Tensor) -> Tensor:
        if tensor.device == self.device:
            return tensor
        pinned = tensor.pin_memory() if self.device.type == "cuda" else tensor
        return pinned.to(self.device, non_blocking=True)


@dataclass(frozen=True)
class _Share:
    """What a thread decodes at once of a batch, and whether the batch ends with it."""

    chosen: Tensor
    draws: np.ndarray | None
    last: bool


def _streamed(stream: Stream, asked: Iterable[Asked]) -> Iterator[Examples]:
    """Batches of a stream. Threads have shares of them, so that what is decoded ahead is a few shares, and not as many batches."""
    held: list[Examples] = []
    for found, last in ahead(lambda share: (stream.take(share.chosen, share.draws), share.last), _shares(stream, asked), stream.workers):
        held.append(found)
        if last:
            yield Examples(torch.cat([part.inputs for part in held]), torch.cat([part.targets for part in held]))
            held = []


def _shares(stream: Stream, asked: Iterable[Asked]) -> Iterator[_Share]:
    for chosen, seed in asked:
        draws = stream.draws(len(chosen), seed)
        for start in range(0, len(chosen), SHARE):
            part = slice(start, start + SHARE)
            yield _Share(chosen[part], None if draws is None else draws[part], start + SHARE >= len(chosen))
