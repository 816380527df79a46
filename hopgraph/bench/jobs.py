"""The runs of a comparison: what each is, whether it is done already, and how one is run, in this process or in a worker."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from hopgraph.errors import Diagnostic, HopgraphError
from hopgraph.files import write_text
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.train.data import Data
from hopgraph.train.drop import with_drop_path
from hopgraph.train.logs import Progress as TrainingProgress
from hopgraph.train.loop import train
from hopgraph.train.recipe import Recipe
from hopgraph.train.run import RECORD, SpecText, read_record, told

Progress = Callable[[str, float, float], None]
"""Told what is being done, and how many of how many steps are behind."""


@dataclass(frozen=True)
class Job:
    """One run: a variant with a seed, and the folder that it becomes. Plain data, to be sent to another process."""

    label: str
    spec: SpecText
    recipe: Recipe
    seed: int
    out: Path
    allow_large: bool = False

    @property
    def name(self) -> str:
        """`symmetric, seed 0`."""
        return f"{self.label}, seed {self.seed}"

    @property
    def progress(self) -> Path:
        """The small file beside the run's folder in which a worker tells how far it is."""
        return self.out.with_name(f".{self.out.name}.progress")


@dataclass(frozen=True)
class Outcome:
    """How a job ended: with diagnostics, or none where its run is written."""

    job: Job
    diagnostics: tuple[Diagnostic, ...] = ()


class Board:
    """How far all jobs are together, in epochs."""

    def __init__(self, jobs: Sequence[Job], tell: Progress, behind: int = 0) -> None:
        self.jobs, self.tell = jobs, tell
        self.behind = behind
        self.epochs = {job.out: 0.0 for job in jobs}
        self.total = behind + sum(job.recipe.epochs for job in jobs)

    def report(self, job: Job, epoch: float, what: str) -> None:
        """Say that a job has so many epochs behind it."""
        if epoch != self.epochs[job.out]:
            self.epochs[job.out] = epoch
            self.tell(
                f"training {job.name}: {what}" if what else f"trained {job.name}", self.behind + sum(self.epochs.values()), self.total
            )

    def finish(self, job: Job) -> None:
        """Say that a job has ended."""
        job.progress.unlink(missing_ok=True)
        self.report(job, job.recipe.epochs, "")

    def look(self, jobs: Sequence[Job]) -> None:
        """Read how far the jobs are that run in other processes."""
        for job in jobs:
            try:
                found = json.loads(job.progress.read_text(encoding="utf-8"))
            except (OSError, ValueError):  # it has not begun, or ends just now
                continue
            self.report(job, float(found["epoch"]), str(found["told"]))


def run_job(job: Job, data: Data, report: Callable[[float, str], None]) -> Outcome:
    """Train one run, going on from its checkpoint where it has one, and write it. `report` is told of epochs."""

    def measured(progress: TrainingProgress) -> None:
        report(progress.step / max(1, progress.steps) * progress.epochs, told(progress.test, 3) or f"loss {progress.loss:.3f}")

    try:
        train(job.spec.load(), data, job.recipe, job.out, seed=job.seed, resume=True, report=measured, allow_large=job.allow_large)
    except HopgraphError as error:
        return Outcome(job, error.diagnostics)
    return Outcome(job)


def run_in_worker(job: Job, data: Data, threads: int) -> Outcome:
    """Train one run in a process of its own with so many threads; its progress goes into a file."""
    torch.set_num_threads(threads)

    def report(epoch: float, what: str) -> None:
        write_text(job.progress, json.dumps({"epoch": epoch, "told": what, "pid": os.getpid()}))

    return run_job(job, data, report)


# --- what is done already ---------------------------------------------------------------------------------------------

_FORM = {"variants", "weights", "cite", "iso_params"}
"""Fields of a spec that no computation of the model depends on, once variants and iso_params have been applied."""


def identity(spec: CheckedSpec, data: str, statistics: object, recipe: object, seed: object) -> dict[str, str]:
    """A hash of each thing that decides what a run becomes."""
    parts = {
        "spec": spec.loaded.spec.model_dump_json(exclude=_FORM),
        "data": json.dumps([data, statistics]),
        "recipe": json.dumps(recipe, sort_keys=True),
        "seed": json.dumps(seed),
    }
    return {name: sha256(text.encode()).hexdigest() for name, text in parts.items()}


def missing(jobs: Sequence[tuple[Job, CheckedSpec]], data: Data) -> list[Job]:
    """The jobs whose runs are not done. Raises HopgraphError where a folder holds another run than its job's."""
    found: list[Job] = []
    wrong: list[Diagnostic] = []
    for job, spec in jobs:
        if not (job.out / RECORD).is_file():
            found.append(job)
            continue
        other = _differences(job, spec, data)
        if other:
            wrong.append(_another(job, other))
    if wrong:
        raise HopgraphError(wrong)
    return found


def _differences(job: Job, spec: CheckedSpec, data: Data) -> list[str]:
    record = read_record(job.out)
    asked = _whole(job.recipe.model_dump(mode="json"))
    wanted = identity(with_drop_path(spec, job.recipe.drop_path), data.name, [data.mean, data.std], asked, job.seed)
    done = identity(record.spec.load(), record.data, [record.mean, record.std], _whole(record.recipe), record.seed)
    return [name for name in wanted if wanted[name] != done[name]]


def _whole(recipe: dict[str, Any]) -> dict[str, Any]:
    """A recorded recipe with the fields that it has in this version; none, as of imported weights, stays none."""
    return Recipe.model_validate(recipe).model_dump(mode="json") if recipe else {}


def _another(job: Job, parts: list[str]) -> Diagnostic:
    message = f"`{job.out}` is a run with another {' and another '.join(parts)}"
    return Diagnostic("file-exists", message, helps=("choose another `--out`, or give `--force` to start over",))
