"""What a task measures of a model on the test split."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hopgraph.graph.ham import Ham
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.train.data import SPLIT_SEED, Data, Examples, Feed, Stream
from hopgraph.train.logs import Tally
from hopgraph.train.tasks import Task

MOST_NUMBERS = 2**24
"""So many numbers are the most that an evaluated batch gives: 64 MB in float32."""


def draw_test(task: Task, spec: CheckedSpec, data: Data) -> Examples | Stream:
    """The examples of the test split, as they are stored: the same for every run."""
    return task.draw(spec.ham, data, "test", torch.Generator().manual_seed(SPLIT_SEED))


def evaluate(task: Task, spec: CheckedSpec, data: Data, model: Callable[[Tensor], Any]) -> dict[str, float]:
    """What a task measures of a model, on the CPU and in evaluation, over the test split."""
    return measure(task, spec.ham, data, model, Feed(draw_test(task, spec, data), torch.device("cpu"))).means()


@torch.no_grad()
def measure(task: Task, ham: Ham, data: Data, model: Callable[[Tensor], Any], feed: Feed, rank: int = 0, processes: int = 1) -> Tally:
    """The sums over the share that process `rank` has of the examples.

    Every process calls the model equally often, since shards of weights are gathered by all at once: one whose share is smaller
    goes through its last batch again and does not count it.
    """
    tally = Tally()
    parts = torch.split(torch.arange(len(feed)), _at_once(ham))
    numbers = range(rank, math.ceil(len(parts) / processes) * processes, processes)
    batches = feed.batches((parts[min(number, len(parts) - 1)], None) for number in numbers)
    for number, batch in zip(numbers, batches, strict=True):
        outputs = model(task.prepare(ham, data, batch.inputs))
        if number < len(parts):
            tally.add(task.measure(data, outputs, batch.targets))
    return tally


def _at_once(ham: Ham) -> int:
    """How many examples are evaluated at once: 512, or fewer where the model gives many numbers for each."""
    return max(1, min(512, MOST_NUMBERS // math.prod(ham.output.values())))
