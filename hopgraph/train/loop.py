"""The training loop, on Lightning Fabric: the same for one core and for many processes under torchrun.

Each process takes its share of every global batch, and the mean of their gradients is weighted by their shares, so that two processes
with batches of 32 do what one does with batches of 64, to rounding. A batch norm is the exception: each process normalizes its own
share, and the running means are those of the first. Everything that a step does is decided by the seed and by what a checkpoint holds.
"""

from __future__ import annotations

import time
from pathlib import Path

import torch

from hopgraph.allocator import keep_memory
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.train.checkpoint import Origin, packed, written
from hopgraph.train.data import Data, Streamed
from hopgraph.train.data.streamed import kept
from hopgraph.train.drop import with_drop_path
from hopgraph.train.folder import Folder, earlier, tidy
from hopgraph.train.logs import REPORT_SECONDS, Clock, Logs, Progress, Report
from hopgraph.train.processes import TERMINATED, Stop, StrategyName, gathered, leave, processes, require_precision
from hopgraph.train.recipe import Recipe
from hopgraph.train.run import FORMAT, Epoch, Record, SpecText
from hopgraph.train.tasks import choose_task, fit_data, require_recipe
from hopgraph.train.trainer import Plan, Trainer
from hopgraph.version import __version__

CHECKPOINT_SECONDS = 600.0
"""So often a checkpoint is written inside an epoch."""
AGREE_STEPS = 16
"""After so many steps, several processes tell each other whether one was asked to stop."""
GO, SAVE, END = range(3)
"""What follows a step: the next one, a checkpoint, or a checkpoint and the end."""


def train(
    spec: CheckedSpec,
    data: Data,
    recipe: Recipe,
    out: Path,
    *,
    seed: int = 0,
    force: bool = False,
    resume: bool = False,
    report: Report | None = None,
    allow_large: bool = False,
    strategy: StrategyName = "ddp",
) -> Record:
    """Train a spec and write the run.

    While it trains, `out` holds the last checkpoint. With `resume` it goes on from there, if there is one, and a run that is finished
    is given back; a run that was killed ends with the same weights, to the bit on a CPU. SIGTERM ends it after the step at hand, with a
    checkpoint and status 143. Raises HopgraphError; then the last good checkpoint is left, and nothing where there is none.
    From then on the process keeps the memory that it frees (see :func:`hopgraph.allocator.keep_memory`).
    """
    keep_memory()
    data = fit_data(spec, data, recipe)
    task = choose_task(spec, data)
    require_recipe(task, data, recipe)
    require_precision(recipe, strategy)
    spec = with_drop_path(spec, recipe.drop_path)
    origin = Origin(SpecText.of(spec), recipe.model_dump(mode="json"), data.name, seed, processes(), strategy)
    found = earlier(out, origin, force, resume)
    if isinstance(found, Record):
        tidy(out)
        return found
    trainer = Trainer(spec, task, kept(data) if isinstance(data, Streamed) else data, recipe, origin, allow_large)
    trainer.fabric.barrier()  # every process has looked into the folder before the first one writes there
    with Folder(out, writes=trainer.rank == 0, keep=found is not None) as folder:
        if found:
            trainer.restore(found)
        _run(trainer, folder, report)
        labels = data.labels if task.name == "classification" else ()
        versions = {"hopgraph": __version__, "torch": torch.__version__}
        made = (data.name, data.mean, data.std, labels, origin.recipe, versions)
        record = Record(FORMAT, origin.spec, *made, tuple(trainer.history), task.name, seed)
        folder.finish(record, trainer.weights(), data.files)
    trainer.fabric.barrier()  # the run is whole where any process goes on
    del trainer
    leave()
    return record


def _run(trainer: Trainer, folder: Folder, report: Report | None) -> None:
    """Train from where it stands to the end."""
    watch = _Watch(trainer, folder, report)
    with watch.stop.heard():
        while trainer.epoch < trainer.recipe.epochs:
            plan = trainer.begin()
            watch.begin(plan)
            while trainer.steps < len(plan.steps):
                trainer.step(plan)
                watch.step(plan)
            watch.epoch(plan, trainer.end(plan))


class _Watch:
    """What happens between the steps: progress is told, checkpoints are written, SIGTERM is heard."""

    def __init__(self, trainer: Trainer, folder: Folder, report: Report | None) -> None:
        self.trainer, self.folder = trainer, folder
        self.report = report if folder.writes else None
        self.logs: Logs | None = None
        self.clock, self.stop = Clock(), Stop()
        self.told = self.saved = time.perf_counter()

    def begin(self, plan: Plan) -> None:
        """An epoch begins, or goes on."""
        if self.logs is None and self.folder.writes:
            self.logs = Logs(self.trainer.recipe.log, self.folder.out, self.trainer.behind(plan))
        self.clock.start()

    def step(self, plan: Plan) -> None:
        """A step is behind."""
        trainer = self.trainer
        self.clock.stop(len(plan.steps[trainer.steps - 1]))
        if self.told + REPORT_SECONDS <= time.perf_counter() and self.folder.writes:
            self._tell(plan)
        follows = self._follows()
        if follows == GO:
            return
        self._save(trainer.behind(plan), plan.order)
        if follows == END:
            raise SystemExit(TERMINATED)
        self.clock.start()

    def epoch(self, plan: Plan, found: Epoch) -> None:
        """An epoch is behind."""
        trainer = self.trainer
        self._save(trainer.behind(plan), packed(trainer.order.get_state()))
        if self.folder.writes:
            self._tell(plan, found)
        if trainer.epoch < trainer.recipe.epochs and max(gathered(self.stop.asked)):
            raise SystemExit(TERMINATED)

    def _follows(self) -> int:
        """What follows a step, the same on all processes."""
        mine = END if self.stop.asked else SAVE if self.saved + CHECKPOINT_SECONDS <= time.perf_counter() else GO
        if self.trainer.world == 1:
            return mine
        return max(gathered(mine)) if self.trainer.steps % AGREE_STEPS == 0 else GO

    def _save(self, number: int, order: str) -> None:
        self.folder.write(number, self.trainer.checkpoint(order))
        self.saved = time.perf_counter()

    def _tell(self, plan: Plan, found: Epoch | None = None) -> None:
        """Report and log how far the training is. Inside an epoch this waits for the device."""
        trainer, step = self.trainer, self.trainer.behind(plan)
        train = {"loss": found.loss, **found.train} if found else trainer.tally.means()
        loss, test = train.pop("loss"), trainer.history[-1].test if trainer.history else {}
        train.pop("penalty", None)
        epoch, total = trainer.epoch + (0 if found else 1), plan.rates.total
        speed, left = self.clock.examples_per_second, self.clock.seconds_for(total - step)
        if self.report:
            self.report(Progress(epoch, trainer.recipe.epochs, step, total, loss, train, test, speed, left, found))
        if self.logs:
            with written(self.folder.out):
                self.logs.step(loss, plan.rates.at(step - 1), speed, step)
                if found:
                    self.logs.epoch(found, step)
        self.told = time.perf_counter()
        self.clock.start()
