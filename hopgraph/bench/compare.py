"""`compare`: variants of one spec, trained over seeds, exported, benchmarked; one table, and a report."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import torch

from hopgraph.bench.energy import trace
from hopgraph.bench.measure import Measured, Timing, candidates, measure
from hopgraph.bench.report import render
from hopgraph.bench.results import ENERGY_INPUTS, Comparison, Reason, Row
from hopgraph.errors import At, Diagnostic, HopgraphError
from hopgraph.export.bundle import Bundle, export
from hopgraph.files import new_folder, require_free
from hopgraph.graph.certificate import Certificate
from hopgraph.lower.model import Model
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.train.data import Data, Examples
from hopgraph.train.loop import Settings, draw_test, train
from hopgraph.train.run import Epoch, Record, read_run, told
from hopgraph.train.tasks import Task, choose_task
from hopgraph.version import __version__


@dataclass(frozen=True)
class Plan:
    """What is compared: the checked spec of each variant by its name, and how."""

    specs: dict[str, CheckedSpec]
    seeds: tuple[int, ...]
    settings: Settings
    formats: tuple[str, ...]
    command: str


Progress = Callable[[str, int, int], None]
"""Told what is being done, and how many of how many steps are behind."""


def compare(plan: Plan, data: Data, out: Path, *, force: bool = False, progress: Progress | None = None) -> Comparison:
    """Train every variant with every seed, export, benchmark, and write runs, bundles, `results.json` and `report.html`.

    The folder is written whole or not at all. Raises HopgraphError.
    """
    require_free(out, force)
    task = _one_task(plan, data)
    tell = progress or _silent
    begun = time.perf_counter()
    with new_folder(out, force) as folder:
        records = _train_all(plan, data, folder, tell)
        trained = time.perf_counter()
        tell("exporting", 0, 1)
        firsts = {name: read_run(_run(folder, name, plan.seeds[0])) for name in plan.specs}
        bundles = {name: export(run, plan.formats, folder / "bundles" / name) for name, run in firsts.items()}
        exported = time.perf_counter()
        tell("measuring", 0, 1)
        measured = measure(candidates(list(bundles.values()), None))
        rows = tuple(
            _row(name, records[name], run.model, bundles[name], measured, draw_test(task, run.spec, data)) for name, run in firsts.items()
        )
        seconds = {"training": trained - begun, "export": exported - trained, "measuring": time.perf_counter() - exported}
        first = next(iter(plan.specs.values()))
        comparison = Comparison(
            first.name, first.loaded.spec.cite, task.name, data.name, rows, plan.settings, plan.seeds, plan.command, _machine(), seconds
        )
        (folder / "results.json").write_text(json.dumps(asdict(comparison), indent=1) + "\n", encoding="utf-8")
        (folder / "report.html").write_text(render(comparison), encoding="utf-8")
    tell("done", 1, 1)
    return comparison


def _one_task(plan: Plan, data: Data) -> Task:
    """The task of all variants. Raises HopgraphError where they have not the same."""
    tasks = {name: choose_task(spec, data) for name, spec in plan.specs.items()}
    first, *others = tasks
    other = next((name for name in others if tasks[name] is not tasks[first]), None)
    if other is not None:
        message = f"on `{data.name}`, `{first}` is trained for {tasks[first].name} and `{other}` for {tasks[other].name}"
        raise HopgraphError(Diagnostic("data-shape", message, helps=("compare variants that have the same task",)))
    return tasks[first]


def _silent(what: str, done: int, total: int) -> None:
    pass


def _run(folder: Path, variant: str, seed: int) -> Path:
    return folder / "runs" / f"{variant}-{seed}"


def _train_all(plan: Plan, data: Data, folder: Path, tell: Progress) -> dict[str, list[Record]]:
    total = len(plan.specs) * len(plan.seeds) * plan.settings.epochs
    done = 0
    records: dict[str, list[Record]] = {}
    for name, spec in plan.specs.items():
        for seed in plan.seeds:
            offset = done

            def report(epoch: int, measured: Epoch, name: str = name, seed: int = seed, offset: int = offset) -> None:
                tell(f"training {name}, seed {seed}: {told(measured.test, 3)}", offset + epoch, total)

            record = train(spec, data, replace(plan.settings, seed=seed), _run(folder, name, seed), report=report)
            records.setdefault(name, []).append(record)
            done += plan.settings.epochs
    return records


def _row(name: str, records: list[Record], model: Model, bundle: Bundle, measured: Measured, test: Examples) -> Row:
    """What was found of a variant; `model` is that of its first seed, as its bundle is."""
    spec = model.spec
    own = [candidate for candidate in measured.candidates if candidate.bundle == str(bundle.path)]
    return Row(
        name,
        spec.parameter_count,
        tuple(record.test for record in records),
        str(spec.certificate),
        reasons(spec, spec.certificate),
        bundle.manifest.weight_asymmetry,
        {item.exporter: item.bytes for item in bundle.manifest.files},
        {candidate.runtime: candidate.reason for candidate in own if candidate.reason},
        tuple(_placed(timing, f"bundles/{name}") for timing in measured.timings if timing.candidate in own),
        tuple(record.history for record in records),
        trace(model, test.inputs[:ENERGY_INPUTS]),
    )


def _placed(timing: Timing, bundle: str) -> Timing:
    """The timing of a bundle by its place in the finished folder, which had another name while it was written."""
    return replace(timing, candidate=replace(timing.candidate, bundle=bundle))


def reasons(spec: CheckedSpec, certificate: Certificate) -> tuple[Reason, ...]:
    """The reasons of a certificate with their positions, each text once."""
    found = {reason.text: Reason(reason.text, str(spec.loaded.locate(At(reason.at)))) for reason in certificate.reasons}
    return tuple(found.values())


def _machine() -> dict[str, str]:
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "processor": _processor(),
        "threads": str(torch.get_num_threads()),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "hopgraph": __version__,
    }


def _processor() -> str:
    """The processor's name, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def require_variants(spec: CheckedSpec, names: Sequence[str]) -> None:
    """Raise HopgraphError for an empty list of variants or one with a name twice."""
    twice = [name for index, name in enumerate(names) if name in names[:index]]
    if not names or twice:
        message = f"the variant `{twice[0]}` stands twice" if twice else "there is no variant to compare"
        raise HopgraphError(Diagnostic("variant-unknown", message, helps=(f"`{spec.name}` has {', '.join(spec.variant_names)}",)))
