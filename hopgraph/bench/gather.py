"""What was found of the runs of a comparison, gathered into rows."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

import torch

from hopgraph import host
from hopgraph.bench.candidates import Candidate
from hopgraph.bench.energy import ledger, trace
from hopgraph.bench.results import ENERGY_INPUTS, LEDGER_INPUTS, Reason, Row
from hopgraph.bench.timing import Measured, Timing
from hopgraph.errors import At
from hopgraph.graph.certificate import Certificate
from hopgraph.lower.ledger import weight_asymmetry
from hopgraph.lower.model import compile_model
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.runtime import Bundle, Manifest
from hopgraph.train.data import Data
from hopgraph.train.recipe import Recipe
from hopgraph.train.run import Run
from hopgraph.train.tasks import Task, first_inputs, fit_data
from hopgraph.version import __version__


def gather(label: str, runs: Sequence[Run], bundle: Bundle | None, measured: Measured, task: Task, data: Data) -> Row:
    """What was found of a variant: its runs, one a seed, and the bundle and timings of the first where it was exported."""
    first = runs[0]
    spec, fitted = first.spec, fit_data(first.spec, data, Recipe.model_validate(first.record.recipe))
    inputs = first_inputs(task, spec, fitted, ENERGY_INPUTS)
    own = [candidate for candidate in measured.candidates if bundle and candidate.bundle == str(bundle.path)]
    return Row(
        label,
        spec.parameter_count,
        tuple(run.record.test for run in runs),
        str(spec.certificate),
        reasons(spec, spec.certificate),
        _means([weight_asymmetry(run.model) for run in runs]),
        _bytes(bundle.manifest) if bundle else {},
        {candidate.runtime: candidate.reason for candidate in own if candidate.reason},
        tuple(_placed(timing) for timing in measured.timings if timing.candidate in own),
        tuple(run.record.history for run in runs),
        trace(first.model, inputs),
        tuple(_start(spec, run.record.seed) for run in runs),
        tuple(ledger(run.model, inputs[:LEDGER_INPUTS]) for run in runs),
        str(spec.iso) if spec.iso else None,
    )


def _bytes(manifest: Manifest) -> dict[str, int]:
    """By exporter, the bytes of all the files that its form reads: graph and weights."""
    sizes = {file.path: file.bytes for file in manifest.files}
    return {form.exporter: sum(sizes[name] for name in form.files) for form in manifest.forms}


def _means(found: Sequence[dict[str, float]]) -> dict[str, float]:
    """By name, the mean over seeds."""
    return {name: fmean(values[name] for values in found) for name in found[0]}


def _start(spec: CheckedSpec, seed: int) -> dict[str, float]:
    """The weight asymmetry by synapse of the weights that training begins with."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return weight_asymmetry(compile_model(spec, allow_large=True))


def _placed(timing: Timing) -> Timing:
    """The timing of a bundle by its place in the finished folder, which had another name while it was written."""
    return replace(timing, candidate=_moved(timing.candidate), baseline=timing.baseline and _moved(timing.baseline))


def _moved(candidate: Candidate) -> Candidate:
    return replace(candidate, bundle=f"bundles/{Path(candidate.bundle).name}")


def reasons(spec: CheckedSpec, certificate: Certificate) -> tuple[Reason, ...]:
    """The reasons of a certificate with their positions, each text once."""
    found = {reason.text: Reason(reason.text, str(spec.loaded.locate(At(reason.at)))) for reason in certificate.reasons}
    return tuple(found.values())


def machine(engine: str) -> dict[str, str]:
    """The machine that the table was made on, and the engine that computed the runs."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "engine": engine,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "hopgraph": __version__,
    }


def _processor() -> str:
    """The processor's name, as far as the system tells it, and the GPU's."""
    name = host.processor_name(host.processor_records())
    return f"{name}, {torch.cuda.get_device_name()}" if torch.cuda.is_available() else name
