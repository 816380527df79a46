"""An exponential moving average of the weights."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn


class Average:
    """The average of trained tensors along the steps. Buffers are not averaged: those of the model go with it.

    The first steps count more: after n of them the decay is (1 + n) / (10 + n) until that passes `decay`, so that the average does
    not carry the first weights through a short training.
    """

    def __init__(self, tensors: Mapping[str, Tensor], decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.tensors = {name: tensor.detach() for name, tensor in tensors.items()}
        self.values = {name: tensor.clone() for name, tensor in self.tensors.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Count the weights as they are now."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        for kind in {type(value) for value in self.values.values()}:  # shards are of one kind, and are not mixed with others
            names = [name for name, value in self.values.items() if type(value) is kind]
            get_ema_multi_avg_fn(decay)([self.values[name] for name in names], [self.tensors[name] for name in names], self.steps)

    @contextmanager
    def in_place(self) -> Generator[None]:
        """The average where the model's weights are, for a while."""
        kept = {name: tensor.clone() for name, tensor in self.tensors.items()}
        self._write(self.values)
        try:
            yield
        finally:
            self._write(kept)

    @torch.no_grad()
    def _write(self, values: Mapping[str, Tensor]) -> None:
        for name, tensor in self.tensors.items():
            tensor.copy_(values[name])
