"""Commands that train, compare, and bring weights from elsewhere."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hopgraph.commands import completion
from hopgraph.commands.options import (
    AllowLarge,
    AnySetting,
    AsJson,
    BatchSize,
    DataName,
    Epochs,
    Force,
    LearningRate,
    RecipeName,
    Setting,
    Spec,
    Variant,
    WeightDecay,
    app,
    load_spec,
)
from hopgraph.console import listed, listed_numbers, print_json, print_table, progress, training_progress

if TYPE_CHECKING:
    from hopgraph.bench.results import Comparison
    from hopgraph.train.recipe import Recipe

DEFAULT_DATA = "digits"
"""What is trained on where neither a recipe nor an option says it."""


class Strategy(StrEnum):
    """What several processes do with the weights."""

    DDP = "ddp"
    FSDP = "fsdp"


@app.command()
def train(
    spec: Spec,
    out: Annotated[Path, typer.Option("--out", metavar="RUN", help="The folder to write.")],
    recipe: RecipeName = None,
    variant: Variant = None,
    settings: AnySetting = None,
    data: DataName = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    weight_decay: WeightDecay = None,
    seed: Annotated[int, typer.Option(help="Of the first weights and the order of the data.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in RUN, if there is one.")] = False,
    strategy: Annotated[Strategy, typer.Option(help="Under torchrun: each process has all weights, or a shard of them.")] = Strategy.DDP,
    force: Force = False,
    allow_large: AllowLarge = False,
    as_json: AsJson = False,
) -> None:
    """Train a spec by a recipe and write a run: weights in safetensors, everything else in JSON."""
    of_spec, plan = _recipe(recipe, settings, _short_options(data, epochs, batch_size, learning_rate, weight_decay))
    checked = load_spec(spec, variant, of_spec)
    from hopgraph.train.data import load_data
    from hopgraph.train.loop import train as train_spec

    first = os.environ.get("RANK", "0") == "0"  # torchrun starts several processes, of which one tells
    found = load_data(plan.data or DEFAULT_DATA)
    with training_progress(quiet=as_json or not first) as report:
        how: dict[str, Any] = {"force": force, "resume": resume, "allow_large": allow_large, "strategy": strategy.value}
        record = train_spec(checked, found, plan, out, seed=seed, report=report, **how)
    if as_json and first:
        print_json(asdict(record))
    elif first:
        print(f"wrote {out}: {record.task}, {record.summary} after {plan.epochs} epoch{'s' * (plan.epochs != 1)}")


def _short_options(
    data: str | None, epochs: int | None, batch_size: int | None, learning_rate: float | None, weight_decay: float | None
) -> dict[str, Any]:
    """The options that are settings of a recipe, by their paths."""
    rates = {"optimizer.learning_rate": learning_rate, "optimizer.weight_decay": weight_decay}
    return {"data": data, "epochs": epochs, "batch_size": batch_size, **rates}


def _recipe(recipe: str | None, settings: Sequence[str] | None, options: dict[str, Any]) -> tuple[list[str], Recipe]:
    """The settings that are the spec's, and the recipe with its own and then the short options laid over it."""
    from hopgraph.frontend.overlay import settings_of
    from hopgraph.train.recipe import read_recipe, recipe_settings

    of_spec, of_recipe = recipe_settings(settings or ())
    given = {path: value for path, value in options.items() if value is not None}
    return of_spec, read_recipe(recipe, [*of_recipe, *settings_of(given)])


@app.command()
def import_weights(
    spec: Spec,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Published weights: .safetensors, .npz, or a torch file of tensors.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="RUN", help="The folder to write.")],
    variant: Variant = None,
    settings: Setting = None,
    mean: Annotated[str, typer.Option(metavar="R,G,B", help="What is subtracted from pixels between 0 and 1; 0 by default.")] = "",
    std: Annotated[str, typer.Option(metavar="R,G,B", help="What they are then divided by; 1 by default.")] = "",
    labels: Annotated[Path | None, typer.Option(metavar="FILE", help="The names of the classes, one a line; numbers by default.")] = None,
    force: Force = False,
    allow_large: AllowLarge = False,
    as_json: AsJson = False,
) -> None:
    """Write a run of published weights, by the table `weights` of the spec. What is missing or left over is told at once."""
    reading = (listed_numbers(mean, "--mean"), listed_numbers(std, "--std"), labels)
    checked = load_spec(spec, variant, settings)
    from hopgraph.train.importing import Reading, import_run

    import_run(checked, file, Reading(*reading), out, force=force, allow_large=allow_large)
    count = len(checked.program.parameters)
    if as_json:
        print_json({"run": str(out), "tensors": count, "parameters": checked.parameter_count})
    else:
        print(f"wrote {out}: {count} tensors, {checked.parameter_count:,} parameters")


@app.command()
def fold(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A folder that `train` wrote.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="RUN2", help="The folder to write.")],
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write the folded form of a run: batch norms, scales and parallel branches merged into the linear maps beside them."""
    from hopgraph.export.folded import fold_run
    from hopgraph.train.run import read_run

    given = read_run(run)
    folded = fold_run(given, out, force)
    before, after = given.spec.parameter_count, folded.spec.parameter_count
    if as_json:
        print_json({"run": str(out), "parameters_before": before, "parameters": after})
    else:
        print(f"wrote {out}: {after:,} parameters of {before:,}")


@app.command()
def compare(
    spec: Spec,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder to write: runs, bundles, results.json, report.html.")],
    variants: Annotated[
        str,
        typer.Option(
            "--variants",
            metavar="A,B",
            help="The variants to compare; `A+B` is both, `default` none.",
            autocompletion=completion.compared_variants,
        ),
    ] = "",
    sweep: Annotated[str | None, typer.Option(metavar="PATH=V,W", help="Further variants: values for a place in the spec.")] = None,
    iso_params: Annotated[str | None, typer.Option(metavar="A", help="Further rows, scaled to as many parameters as this variant.")] = None,
    iso_by: Annotated[str, typer.Option(metavar="D,E", help="The dims to scale; by default those that the spec names.")] = "",
    variant: Variant = None,
    settings: AnySetting = None,
    seeds: Annotated[str, typer.Option("--seeds", metavar="N,M", help="Seeds, as 0,1,2.")] = "0,1,2",
    data: DataName = None,
    recipe: RecipeName = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    weight_decay: WeightDecay = None,
    to: Annotated[str, typer.Option("--to", metavar="A,B", help="Formats to export.", autocompletion=completion.exporters)] = "onnx",
    bench: Annotated[bool, typer.Option("--bench/--no-bench", help="Export and time the variants named by --variants.")] = True,
    engine: Annotated[
        str, typer.Option(help="Where runs are computed: `local` or `ray`.", autocompletion=completion.words("local", "ray"))
    ] = "local",
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time on this machine, each with its share of the cores.")] = 1,
    address: Annotated[str | None, typer.Option(help="Of a Ray cluster, which sees DIR too; else one on this machine.")] = None,
    cpus_per_run: Annotated[float, typer.Option(min=0.01, help="CPUs of the Ray cluster that a run takes.")] = 1,
    gpus_per_run: Annotated[float, typer.Option(min=0.0, help="GPUs of the Ray cluster that a run takes.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Start over: without it, a run that is done is not run again.")] = False,
    allow_large: AllowLarge = False,
    as_json: AsJson = False,
) -> None:
    """Train variants of one spec over seeds, test and measure them: one table, and a report.

    Ratios and tests are against the first. Runs stay in DIR: one that is done is not run again, one that was stopped goes on.
    """
    numbers = [int(seed) for seed in listed(seeds) if seed.isdecimal()]
    if not numbers or len(set(numbers)) != len(listed(seeds)):
        raise typer.BadParameter("seeds are different integers, as 0,1,2", param_hint="--seeds")
    of_spec, training = _recipe(recipe, settings, _short_options(data, epochs, batch_size, learning_rate, weight_decay))
    from hopgraph.bench.variants import Wanted, members, read_sweep

    by, swept = tuple(listed(iso_by)), read_sweep(sweep) if sweep else None
    wanted = Wanted(spec, variant, tuple(of_spec), tuple(listed(variants)), swept, iso_params, by)
    specs = members(wanted)
    from hopgraph.bench.compare import Plan
    from hopgraph.bench.compare import compare as compare_variants
    from hopgraph.bench.engines import Resources, find_engine
    from hopgraph.export.exporter import find_exporter
    from hopgraph.train.data import load_data

    for name in listed(to):
        find_exporter(name)
    chosen = find_engine(engine, Resources(jobs, address, cpus_per_run, gpus_per_run))
    command = "hopgraph " + shlex.join(sys.argv[1:])
    exported = wanted.names if bench else ()
    plan = Plan(specs, tuple(numbers), training, tuple(listed(to)), command, exported, swept, chosen, allow_large)
    with progress(as_json) as tell:
        comparison = compare_variants(plan, load_data(training.data or DEFAULT_DATA), out, force=force, progress=tell)
    _print_comparison(comparison, out, as_json)


def _print_comparison(comparison: Comparison, out: Path, as_json: bool) -> None:
    if as_json:
        print_json(asdict(comparison))
        return
    from hopgraph.bench.table import comparison_table

    print_table(comparison_table(comparison))
    print(f"wrote {out / 'report.html'}")
