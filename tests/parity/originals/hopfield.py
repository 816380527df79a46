"""Hopfield networks, written out as updates of the state x, with the stored patterns as the rows of Xi and N neurons:

    classical (Hopfield, 1984)       f(x) = Xi^T Xi tanh(beta x) / N
    dense (arXiv:1606.01164), n = 3  f(x) = Xi^T relu(Xi tanh(beta x))^2 / N^2
    modern (arXiv:2008.02217)        f(x) = Xi^T softmax(Xi x)

each a step x <- (1 - a) x + a f(x).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .case import Case

NEURONS, MEMORIES, STEPS, STEP = 6, 5, 3, 0.7

Recall = Callable[[Tensor, Tensor], Tensor]
"""f(x) from the patterns [memories, neurons] and states [batch, neurons]."""


def classical(patterns: Tensor, x: Tensor) -> Tensor:
    couplings = patterns.T @ patterns / NEURONS
    return torch.tanh(4 * x) @ couplings


def dense(patterns: Tensor, x: Tensor) -> Tensor:
    overlaps = torch.tanh(100 * x) @ patterns.T
    return overlaps.clamp(min=0).square() @ patterns / NEURONS**2


def modern(patterns: Tensor, x: Tensor) -> Tensor:
    return (x @ patterns.T).softmax(1) @ patterns


class Hopfield(nn.Module):
    def __init__(self, recall: Recall, steps: int, step: float) -> None:
        super().__init__()
        self.patterns = nn.Parameter(torch.zeros(MEMORIES, NEURONS))
        self.recall, self.steps, self.step = recall, steps, step

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.steps):
            x = (1 - self.step) * x + self.step * self.recall(self.patterns, x)
        return x


def case(name: str, variant: str | None, recall: Recall, steps: int = STEPS, step: float = STEP) -> Case:
    settings: dict[str, Any] = {"dims.N": NEURONS, "dims.M": MEMORIES, "block.steps": steps, "block.update.step": step}
    return Case(name, spec="hopfield", variant=variant, settings=settings, original=lambda: Hopfield(recall, steps, step))


CASES = (
    case("hopfield", None, modern, steps=1, step=1.0),
    case("hopfield_classical", "classical", classical),
    case("hopfield_dense", "dense", dense),
    case("hopfield_modern", "modern", modern),
)
