"""What is told of a training while it runs: its progress to a caller, and logs beside the run's own history."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_fabric.loggers.csv_logs import CSVLogger
from lightning_fabric.loggers.tensorboard import TensorBoardLogger
from torch import Tensor

from hopgraph.train.processes import gathered
from hopgraph.train.run import Epoch
from hopgraph.train.tasks import Sums

REPORT_SECONDS = 1.0
"""The least time between two reports inside an epoch: each waits for the device."""


@dataclass(frozen=True)
class Progress:
    """How far a training is.

    `step` of `steps` optimizer steps are behind, in epoch `epoch` of `epochs`, counted from 1. `loss` and `train` are means over the
    epoch so far, `test` is what was last measured on the test split. `seconds_left` is for the steps that are left, tests aside.
    `finished` is the epoch that has just ended, None inside one.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    train: dict[str, float]
    test: dict[str, float]
    examples_per_second: float
    seconds_left: float
    finished: Epoch | None = None


Report = Callable[[Progress], None]
"""Told about once a second, and after each epoch."""


class Tally:
    """Sums over batches. They stay on their device until they are asked for."""

    def __init__(self, sums: Mapping[str, tuple[Tensor | float, Tensor | float]] | None = None) -> None:
        self.sums = dict(sums or {})

    def add(self, sums: Sums) -> None:
        """Count a batch."""
        for name, (value, size) in sums.items():
            before = self.sums.get(name)
            self.sums[name] = (value, size) if before is None else (before[0] + value, before[1] + size)

    def means(self) -> dict[str, float]:
        """By name, the quotient of the two sums."""
        return {name: float(value) / float(size) for name, (value, size) in self.sums.items()}


def summed(tally: Tally) -> dict[str, tuple[int | float, int | float]]:
    """Sums over all processes, as numbers for JSON. Every process must ask for them.

    A whole number stays one: a count and a float32 sum both come back to the bit.
    """
    parts = gathered({name: (_number(value), _number(size)) for name, (value, size) in tally.sums.items()})
    names = dict.fromkeys(name for part in parts for name in part)
    found = {name: [part[name] for part in parts if name in part] for name in names}
    return {name: (sum(value for value, _ in pairs), sum(size for _, size in pairs)) for name, pairs in found.items()}


def _number(value: Tensor | float) -> int | float:
    found = float(value)
    return int(found) if found.is_integer() else found


@dataclass
class Clock:
    """The time that steps take. Tests and checkpoints are left out."""

    examples: int = 0
    steps: int = 0
    seconds: float = 0.0
    since: float = 0.0

    def start(self) -> None:
        """Steps begin, or go on."""
        self.since = time.perf_counter()

    def stop(self, examples: int) -> None:
        """One more step, of so many examples, is behind."""
        now = time.perf_counter()
        self.seconds, self.since = self.seconds + now - self.since, now
        self.examples, self.steps = self.examples + examples, self.steps + 1

    @property
    def examples_per_second(self) -> float:
        """Over all steps so far."""
        return self.examples / self.seconds if self.seconds else 0.0

    def seconds_for(self, steps: int) -> float:
        """How long so many steps will take, as long as those before."""
        return steps * self.seconds / self.steps if self.steps else math.nan


class Logs:
    """The further logs of a recipe, in the folders `csv` and `tensorboard` of the run."""

    def __init__(self, kinds: Sequence[str], out: Path, begun: int) -> None:
        """`begun` is the step that the process begins at: a resumed run writes a further CSV file, and TensorBoard drops what was later."""
        self.loggers: list[Any] = []
        if "csv" in kinds:
            shutil.rmtree(out / "csv" / f"from_{begun}", ignore_errors=True)  # of one that began there and was killed
            self.loggers.append(CSVLogger(out, name="csv", version=f"from_{begun}"))
        if "tensorboard" in kinds:
            self.loggers.append(TensorBoardLogger(out, name="tensorboard", version="", purge_step=begun or None))

    def step(self, loss: float, rate: float, examples_per_second: float, step: int) -> None:
        """Write how far a training is after `step` steps."""
        self._write({"loss": loss, "learning_rate": rate, "examples_per_second": examples_per_second}, step)

    def epoch(self, epoch: Epoch, step: int) -> None:
        """Write what an epoch measured that ended after `step` steps."""
        values = {"epoch_loss": epoch.loss, "penalty": epoch.penalty}
        values |= {f"train_{name}": value for name, value in epoch.train.items()}
        values |= {f"test_{name}": value for name, value in epoch.test.items()}
        values |= {f"weight_asymmetry_{name}": value for name, value in epoch.weight_asymmetry.items()}
        self._write(values, step)

    def _write(self, values: dict[str, float], step: int) -> None:
        for logger in self.loggers:
            logger.log_metrics(values, step)
            logger.save()

    def close(self) -> None:
        """Write what is left."""
        for logger in self.loggers:
            logger.finalize("success")
