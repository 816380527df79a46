"""The learning rate along training: a warm-up, then a curve to the end."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hopgraph.train.recipe import Recipe, Schedule


@dataclass(frozen=True)
class Rates:
    """The learning rates of a whole training: `peak` after the first `warm` of `total` steps."""

    schedule: Schedule
    peak: float
    warm: int
    total: int

    @staticmethod
    def of(recipe: Recipe, steps: int, processes: int = 1) -> Rates:
        """Those of a recipe, with `steps` in an epoch."""
        total = recipe.epochs * steps
        return Rates(recipe.schedule, peak_rate(recipe, processes), _warm_steps(recipe.schedule, total, steps), total)

    def at(self, step: int) -> float:
        """The rate of a step, counted from 0."""
        begin, end = self.schedule.warmup_from, self.schedule.end
        if step < self.warm:
            return begin + (self.peak - begin) * (step + 1) / self.warm
        behind = (step - self.warm) / max(1, self.total - self.warm)
        match self.schedule.kind:
            case "cosine":
                return end + (self.peak - end) * 0.5 * (1 + math.cos(math.pi * behind))
            case "linear":
                return end + (self.peak - end) * (1 - behind)
            case "constant":
                return float(self.peak)


def global_batch(recipe: Recipe, processes: int = 1) -> int:
    """How many examples a step sees, over all processes."""
    return recipe.batch_size * recipe.accumulate * processes


def peak_rate(recipe: Recipe, processes: int = 1) -> float:
    """The rate after the warm-up: the recipe's, in proportion to the global batch where it says for which batch it is."""
    given = recipe.optimizer
    return given.learning_rate * (global_batch(recipe, processes) / given.at_batch if given.at_batch else 1.0)


def _warm_steps(schedule: Schedule, total: int, steps: int) -> int:
    """The steps of the warm-up. A share of all steps is rounded down, and one that is none but not 0 is one step."""
    if schedule.warmup == 0:
        return 0
    wanted = schedule.warmup * (steps if schedule.warmup >= 1 else total)
    return max(1, math.floor(wanted + 1e-9))  # 0.3 * 10 is a little less than 3
