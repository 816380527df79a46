"""What a forward pass costs, and a forward with a backward pass: the compiled model against the same network written by hand.

    python -m benchmarks.forward [--quick] [--out FOLDER]

Eager, float32, on the CPU. The rivals are in benchmarks/rivals, in plain PyTorch with torch's fused attention; their outputs equal ours
with the same weights, in float64, before anything is timed. The target is 1.00x at most.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from benchmarks.base import Effort, Result, Step, Target, compared, effort, interleaved
from benchmarks.pairs import Pair, difference, example, pairs
from benchmarks.tables import Table, command

BATCH = 8
TARGET = Target(1.0)
BY_HAND = "plain PyTorch by hand"


def forward(module: nn.Module, given: Tensor) -> Step:
    """A forward pass, without a graph."""

    def step() -> None:
        with torch.no_grad():
            module(given)

    return step


def backward(module: nn.Module, given: Tensor) -> Step:
    """A forward pass and the gradients by all weights."""
    weights = list(module.parameters())

    def step() -> None:
        torch.autograd.grad(module(given).sum(), weights)

    return step


PASSES = {"forward": forward, "forward + backward": backward}


def rows(pair: Pair, given: Effort, device: str = "cpu", wait: Step | None = None) -> Iterator[Result]:
    """Both passes of a pair."""
    model, rival = pair.made()
    equal, inputs = difference(pair), example(model, BATCH).to(device)
    model, rival = model.to(device), rival.to(device)
    for what, step in PASSES.items():
        found = interleaved({"ours": step(model, inputs), "theirs": step(rival, inputs)}, given, wait)
        yield compared(what, BY_HAND, found["ours"], found["theirs"], name=pair.name, target=TARGET, equal=equal)


def measure(quick: bool) -> Table:
    """Every pair."""
    return Table(tuple(result for pair in pairs(quick) for result in rows(pair, effort(quick))))


def main() -> None:
    """Print the table."""
    command("forward", __doc__ or "", measure)


if __name__ == "__main__":
    main()
