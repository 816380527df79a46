"""`compare`: variants of one spec, trained over seeds, exported, benchmarked; one table, and a report.

Runs stay in the folder, and one that is done is not run again. Bundles, `results.json` and `report.html` are written when all are.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from hopgraph.bench.candidates import candidates
from hopgraph.bench.engines import Engine, Resources, local
from hopgraph.bench.gather import gather, machine
from hopgraph.bench.jobs import Board, Job, Progress, missing
from hopgraph.bench.measure import measure
from hopgraph.bench.report import render, shown
from hopgraph.bench.results import Comparison, Row
from hopgraph.bench.statistics import statistics
from hopgraph.bench.timing import Measured
from hopgraph.bench.variants import Sweep, ends, folder_name
from hopgraph.errors import Diagnostic, HopgraphError
from hopgraph.export.bundle import export
from hopgraph.files import new_folder, require_free, write_text
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.train.data import Data
from hopgraph.train.recipe import Recipe
from hopgraph.train.run import SpecText, read_run
from hopgraph.train.tasks import Task, choose_task, fit_data

RUNS, BUNDLES, RESULTS, REPORT = "runs", "bundles", "results.json", "report.html"


@dataclass(frozen=True)
class Plan:
    """What is compared: the checked spec of each variant by its label, and how.

    `exported` are the labels that are exported and timed, all for None. `sweep` says which labels are values of one.
    """

    specs: dict[str, CheckedSpec]
    seeds: tuple[int, ...]
    recipe: Recipe
    formats: tuple[str, ...]
    command: str
    exported: tuple[str, ...] | None = None
    sweep: Sweep | None = None
    engine: Engine | None = None
    allow_large: bool = False

    @property
    def labels_to_export(self) -> tuple[str, ...]:
        """The labels that are exported and timed."""
        return tuple(self.specs) if self.exported is None else self.exported

    def job(self, label: str, seed: int, out: Path) -> Job:
        """A run of a variant."""
        folder = out.absolute() / RUNS / f"{folder_name(label)}-{seed}"  # a worker may have another working folder
        return Job(label, SpecText.of(self.specs[label]), self.recipe, seed, folder, self.allow_large)


def compare(plan: Plan, data: Data, out: Path, *, force: bool = False, progress: Progress | None = None) -> Comparison:
    """Train every variant with every seed, export, benchmark, and write runs, bundles, `results.json` and `report.html`.

    Raises HopgraphError; then the runs that are done stay. `force` begins with none.
    """
    _require_names(plan)
    task = _one_task(plan, data)
    _prepare(out, force)
    tell = progress or _silent
    begun = time.perf_counter()
    engine = plan.engine or local(Resources())
    _train_all(plan, engine, data, out, tell)
    runs = {label: [read_run(plan.job(label, seed, out).out) for seed in plan.seeds] for label in plan.specs}
    trained = time.perf_counter()
    tell("exporting", 0, 1)
    with _bundle_folder(plan, out) as folder:
        firsts = {label: runs[label][0] for label in plan.labels_to_export}
        bundles = {label: export([run], plan.formats, folder / folder_name(label), data=data) for label, run in firsts.items()}
        exported = time.perf_counter()
        tell("measuring", 0, 1)
        measured = measure(candidates(list(bundles.values()), None)) if bundles else Measured((), ())
        rows = tuple(gather(label, found, bundles.get(label), measured, task, data) for label, found in runs.items())
        seconds = {
            "training, all runs": sum(epoch.seconds for row in rows for history in row.histories for epoch in history),
            "training, here and now": trained - begun,
            "export": exported - trained,
            "measuring": time.perf_counter() - exported,
        }
        comparison = _comparison(plan, engine, task, data, rows, seconds)
        page = render(comparison, shown(comparison, plan.specs))
    write_text(out / RESULTS, json.dumps(asdict(comparison), indent=1) + "\n")
    write_text(out / REPORT, page)
    tell("done", 1, 1)
    return comparison


# --- the folder and its runs ------------------------------------------------------------------------------------------


def _require_names(plan: Plan) -> None:
    """Raise HopgraphError where two variants would have the same folder."""
    labels: dict[str, str] = {}
    for label in plan.specs:
        other = labels.setdefault(folder_name(label), label)
        if other != label:
            raise HopgraphError(Diagnostic("bad-value", f"the runs of `{other}` and `{label}` would have the same folder"))


def _one_task(plan: Plan, data: Data) -> Task:
    """The task of all variants. Raises HopgraphError where they have not the same."""
    tasks = {name: choose_task(spec, fit_data(spec, data, plan.recipe)) for name, spec in plan.specs.items()}
    first, *others = tasks
    other = next((name for name in others if tasks[name] is not tasks[first]), None)
    if other is not None:
        message = f"on `{data.name}`, `{first}` is trained for {tasks[first].name} and `{other}` for {tasks[other].name}"
        raise HopgraphError(Diagnostic("data-shape", message, helps=("compare variants that have the same task",)))
    return tasks[first]


def _prepare(out: Path, force: bool) -> None:
    """Clear the folder of an earlier comparison where it is to be started over. Anything else that exists is not touched."""
    known = out.is_dir() and (not any(out.iterdir()) or any((out / name).exists() for name in (RUNS, RESULTS)))
    if not known:
        require_free(out, False)
    if force:
        for name in (RUNS, BUNDLES):
            shutil.rmtree(out / name, ignore_errors=True)
        for name in (RESULTS, REPORT):
            (out / name).unlink(missing_ok=True)


def _silent(what: str, done: float, total: float) -> None:
    pass


def _train_all(plan: Plan, engine: Engine, data: Data, out: Path, tell: Progress) -> None:
    """Train what is not done. Raises HopgraphError with what went wrong, when all others are done."""
    jobs = [(plan.job(label, seed, out), spec) for label, spec in plan.specs.items() for seed in plan.seeds]
    left = missing(jobs, data)
    board = Board(left, tell, (len(jobs) - len(left)) * plan.recipe.epochs)
    wrong: list[Diagnostic] = []
    for outcome in engine.run(left, data, board) if left else ():
        wrong += [replace(found, message=f"{outcome.job.name}: {found.message}") for found in outcome.diagnostics]
    if wrong:
        raise HopgraphError(wrong)


@contextmanager
def _bundle_folder(plan: Plan, out: Path) -> Generator[Path]:
    """The folder of the bundles, which takes the place of an earlier one at the end; none where nothing is exported."""
    if plan.labels_to_export:
        with new_folder(out / BUNDLES, force=True) as folder:
            yield folder
    else:
        yield out / BUNDLES
        shutil.rmtree(out / BUNDLES, ignore_errors=True)


def _comparison(plan: Plan, engine: Engine, task: Task, data: Data, rows: tuple[Row, ...], seconds: dict[str, float]) -> Comparison:
    first = next(iter(plan.specs.values()))
    marks = ends(plan.sweep, plan.specs) if plan.sweep else {}
    rows = tuple(replace(row, end=marks.get(row.variant)) for row in rows)
    labels = [row.variant for row in rows]
    over_seeds = {name: statistics(labels, [[test[name] for test in row.test] for row in rows]) for name in rows[0].test[0]}
    return Comparison(
        first.name,
        first.loaded.spec.cite,
        task.name,
        data.name,
        rows,
        plan.recipe.model_dump(mode="json"),
        plan.seeds,
        plan.command,
        machine(engine.name),
        seconds,
        plan.sweep,
        over_seeds,
    )
