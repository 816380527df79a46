"""The order of an epoch's examples: in steps, in the shares of processes, in batches."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def steps_of(order: Tensor, size: int, least: int = 2) -> list[Tensor]:
    """The examples of each optimizer step, `size` of them. Fewer than `least` that are left over join the last step.

    A batch norm has no variance of a single number, and each process needs an example.
    """
    steps = [order[start : start + size] for start in range(0, len(order), size)]
    if len(steps) > 1 and len(steps[-1]) < least:
        steps[-2:] = [torch.cat(steps[-2:])]
    return steps


def batches_of(step: Tensor, size: int, accumulate: int, rank: int = 0, processes: int = 1) -> list[Tensor]:
    """What one process sees of a step's examples: every so-manyth, in at most `accumulate` batches of about `size`."""
    share = step[rank::processes]
    return list[Tensor](share.tensor_split(min(accumulate, max(1, math.ceil(len(share) / size)))))
