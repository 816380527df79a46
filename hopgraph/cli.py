"""The command line. Each command is a few lines: the work is the package's, imported inside, so that `check` starts at once.

Exit status: 0 done, 1 a diagnostic, 2 wrong usage.
"""

from __future__ import annotations

import atexit
import gc
import json
import math
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hopgraph.console import listed, listed_numbers, print_json, print_or_write, print_table, progress, training_progress
from hopgraph.errors import Diagnostic, HopgraphError

if TYPE_CHECKING:
    from hopgraph.bench.results import Comparison
    from hopgraph.passes.pipeline import CheckedSpec
    from hopgraph.train.recipe import Recipe


def _version(wanted: bool) -> None:
    if wanted:
        from hopgraph.version import __version__

        print(f"hopgraph {__version__}")
        raise typer.Exit


app = typer.Typer(
    name="hopgraph",
    help="A compiler for hierarchical associative memories: YAML to energy, to PyTorch, to ONNX and TensorRT.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)

Spec = Annotated[str, typer.Argument(metavar="SPEC", help="A .yaml file, or the name of a shipped spec such as `paramixer`.")]
Variant = Annotated[str | None, typer.Option("--variant", metavar="A,B", help="Variants to lay over the spec, in order.")]
Setting = Annotated[list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="A field to set, as dims.C=256. May be repeated.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Version = Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")]
AllowLarge = Annotated[bool, typer.Option("--allow-large", help="Allocate a model of more than a thousand million parameters.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the output if it exists.")]
AnySetting = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="A field to set: of the spec, as dims.C=256; of the recipe, as recipe.epochs=5."),
]
RecipeName = Annotated[
    str | None,
    typer.Option("--recipe", metavar="RECIPE", help="A .yaml file, or the name of a shipped recipe, as `paramixer-cifar10`."),
]
Epochs = Annotated[int | None, typer.Option(min=1, help="Of the recipe: how often to go through the training data.")]
DataName = Annotated[str | None, typer.Option("--data", metavar="DATA", help="Of the recipe: a name, file or folder; digits by default.")]
BatchSize = Annotated[int | None, typer.Option(min=1, help="Of the recipe: examples that a process takes at once.")]
LearningRate = Annotated[float | None, typer.Option(min=0.0, help="Of the recipe: AdamW's rate after warm-up.")]
WeightDecay = Annotated[float | None, typer.Option(min=0.0, help="Of the recipe: AdamW's decay of matrices.")]
DEFAULT_DATA = "digits"
"""What is trained on where neither a recipe nor an option says it."""

_PATTERNS = "Patterns to store: .npy, .csv, .txt, .safetensors, an image or a folder of images."
_TENSOR = "The tensor to take from a .safetensors file of several."
_INTO = "The dense weight to put them into; by default the only one that reads the entry layer."
_WEIGHTS = "A run of this spec, or a .safetensors file with all its parameters, to load first."
_STATE = "First states of the entry layer, in the same formats; by default the stored patterns."


def main() -> None:
    """The program: diagnostics go to standard error, with exit status 1."""
    gc.set_threshold(100_000)  # imports make many objects and little garbage: collecting them is a tenth of the start
    atexit.register(gc.freeze)  # nor need the interpreter collect them at its end: a sixth of the time of `check`
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # none are ours, and looking for them is a tenth more
    try:
        app()
    except HopgraphError as error:
        _report(error)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(1)


def _report(error: HopgraphError) -> None:
    if "--json" in sys.argv:
        print(json.dumps({"errors": [diagnostic.as_json() for diagnostic in error.diagnostics]}, indent=1))
    print("\n\n".join(diagnostic.render() for diagnostic in error.diagnostics), file=sys.stderr)


def _load(spec: str, variant: str | None, settings: Sequence[str] | None) -> CheckedSpec:
    from hopgraph.passes.pipeline import load

    return load(spec, variant, settings)


@app.command()
def check(spec: Spec, variant: Variant = None, settings: Setting = None, as_json: AsJson = False) -> None:
    """Check a spec: its fields, shapes, symmetry and certificate, and every variant that it declares."""
    from hopgraph.show.facts import summary

    checked = _load(spec, variant, settings)
    others = [] if variant else checked.variant_names
    for name in others:
        _load(spec, name, settings)
    facts = summary(checked)
    if as_json:
        print_json({**facts, "variants": others})
        return
    print(f"{checked.loaded.source.name}: correct" + (f", and so are its variants {', '.join(others)}" if others else ""))
    print(f"  {facts['parameters']:,} parameters; {facts['input']} -> {facts['output']}; {facts['symmetry']}")
    if checked.iso:
        print(f"  iso_params: {checked.iso}")
    print(f"  certificate: {facts['certificate']}")


class ShowFormat(StrEnum):
    """What `hopgraph show` writes."""

    TEXT = "text"
    LATEX = "latex"
    UNICODE = "unicode"
    MERMAID = "mermaid"
    SVG = "svg"
    JSON = "json"


@app.command()
def show(
    spec: Spec,
    variant: Variant = None,
    settings: Setting = None,
    form: Annotated[ShowFormat, typer.Option("--format", help="Facts, equations or a picture.")] = ShowFormat.TEXT,
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="FILE", help="The file to write; else it is printed.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show a spec: its layers, synapses, pulls, shapes, parameters and certificate; its equations; or its picture."""
    from hopgraph.show import show as show_spec

    print_or_write(show_spec(_load(spec, variant, settings), "json" if as_json else form.value), out)


@app.command()
def schema(
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="FILE", help="The file to write; else it is printed.")] = None,
    recipe: Annotated[bool, typer.Option("--recipe", help="That of recipes.")] = False,
) -> None:
    """Write the JSON Schema of specs or recipes, for editors that complete and check as one types."""
    from hopgraph.frontend.schema import schema_text

    if not recipe:
        print_or_write(schema_text(), out)
        return
    from hopgraph.train.recipe import GRAMMAR

    print_or_write(schema_text(GRAMMAR), out)


@app.command()
def catalogue(
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="FILE", help="The file to write; else it is printed.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what is shipped: each architecture with its sizes, its certificate, what breaks its symmetry, and its symmetric sibling."""
    from hopgraph.show.catalogue import as_markdown, entries

    if as_json:
        print_json([asdict(entry) for entry in entries()])
        return
    print_or_write(as_markdown(), out)


@app.command()
def explain(code: Annotated[str | None, typer.Argument(metavar="CODE", help="A diagnostic's code, as `axes-mismatch`.")] = None) -> None:
    """Explain a diagnostic: what it means, an example that gives it, and the same example mended. Without a code: all of them."""
    from hopgraph.explain import explanation, overview

    text = overview() if code is None else explanation(code)
    if not sys.stdout.isatty():
        print(text, end="")
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(text))


@app.command()
def compile(  # noqa: A001 (the command's name)
    spec: Spec,
    variant: Variant = None,
    settings: Setting = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="FILE", help="The module to write: torch is its only import.")] = None,
    dump_after: Annotated[str | None, typer.Option(metavar="PASS", help="Print the graph or program after a pass.")] = None,
) -> None:
    """Compile a spec to a readable PyTorch module, or print what a pass of the compiler makes of it."""
    from hopgraph.files import write_text

    if (out is None) == (dump_after is None):
        raise typer.BadParameter("give either -o FILE or --dump-after PASS")
    if dump_after is not None:
        from hopgraph.passes.dump import dump
        from hopgraph.passes.pipeline import stage_after

        print(dump(stage_after(dump_after, spec, variant, settings)), end="")
        return
    checked = _load(spec, variant, settings)
    from hopgraph.lower.standalone import module_source

    assert out is not None
    write_text(out, module_source(checked))
    print(f"wrote {out}: {checked.parameter_count:,} parameters")


@app.command()
def verify(
    spec: Spec,
    variant: Variant = None,
    settings: Setting = None,
    steps: Annotated[int, typer.Option(min=1, help="Updates along which the energy is followed.")] = 50,
    batch: Annotated[int, typer.Option(min=1, help="Random states at a time.")] = 3,
    seed: Annotated[int, typer.Option(help="Of the random weights and states.")] = 0,
    allow_large: AllowLarge = False,
    as_json: AsJson = False,
) -> None:
    """Hold the compiled update against autograd of the energy, in float64, and measure asymmetry and energy descent.

    Without --variant: the default, and every variant that leaves the dims alone.
    """
    labels = _verifiable(spec, variant, settings)
    specs = {label: _one_depth(spec, overlay, settings) for label, overlay in labels.items()}
    from hopgraph.lower.verify import verify as verify_spec

    results = [
        verify_spec(checked, label, batch=batch, steps=steps, seed=seed, allow_large=allow_large) for label, checked in specs.items()
    ]
    if as_json:
        print_json([result.as_json() for result in results])
    else:
        from hopgraph.bench.table import verification_table

        print_table(verification_table(results))
    problems = [f"{result.variant}: {problem}" for result in results for problem in result.problems]
    if problems:
        raise HopgraphError([Diagnostic("verification", problem) for problem in problems])


def _one_depth(spec: str, variant: str | None, settings: Sequence[str] | None) -> CheckedSpec:
    """The spec with every block at a depth of 1: the others are alike."""
    stages = _load(spec, variant, settings).loaded.spec.stages
    depths = [f"stages.{index}.block.depth=1" for index in range(len(stages))] or ["block.depth=1"]
    return _load(spec, variant, [*(settings or ()), *depths])


def _verifiable(spec: str, variant: str | None, settings: Sequence[str] | None) -> dict[str, str | None]:
    """The overlays to verify by label."""
    if variant:
        return {variant: variant}
    declared = _load(spec, None, settings).loaded.spec.variants
    alike = [name for name, overlay in declared.items() if not any(path.split(".")[0] == "dims" for path in overlay)]
    return {"default": None} | {name: name for name in alike}


@app.command()
def recall(
    spec: Spec,
    patterns: Annotated[Path | None, typer.Option("--patterns", metavar="FILE", help=_PATTERNS)] = None,
    tensor: Annotated[str | None, typer.Option("--tensor", metavar="NAME", help=_TENSOR)] = None,
    into: Annotated[str | None, typer.Option("--into", metavar="SYNAPSE.FACTOR", help=_INTO)] = None,
    weights: Annotated[Path | None, typer.Option("--weights", metavar="RUN", help=_WEIGHTS)] = None,
    state: Annotated[Path | None, typer.Option("--state", metavar="FILE", help=_STATE)] = None,
    corrupt: Annotated[
        float, typer.Option(min=0.0, max=1.0, metavar="SHARE", help="Flip the sign of this share of each first state.")
    ] = 0.0,
    noise: Annotated[float, typer.Option(min=0.0, metavar="SIGMA", help="Then add normal noise of this deviation.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the corruption, and of weights that no file gives.")] = 0,
    variant: Variant = None,
    settings: Setting = None,
    block: Annotated[int, typer.Option(min=0, help="The block, counted over stages and depths.")] = 0,
    steps: Annotated[int, typer.Option(min=1, help="Updates at most.")] = 100,
    tolerance: Annotated[float, typer.Option(min=0.0, help="Settled is where |x' - x| <= tolerance |x|.")] = 1e-6,
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="FILE", help="The .npy file to write the last states to.")] = None,
    force: Force = False,
    allow_large: AllowLarge = False,
    trace: Annotated[bool, typer.Option("--trace", help="Print the energy at every step, a line for each example.")] = False,
    as_json: AsJson = False,
) -> None:
    """Store patterns in a spec's weight, corrupt them, and run its dynamics to a fixed point, with the energy along the way."""
    if patterns is None and weights is None:
        raise typer.BadParameter("give --patterns FILE or --weights RUN")
    if not all(map(math.isfinite, (corrupt, noise, tolerance))):
        raise typer.BadParameter("--corrupt, --noise and --tolerance are finite numbers")
    from hopgraph.recall.command import Request, run_recall

    request = Request(patterns, tensor, weights, into, state, corrupt, noise, seed, block, steps, tolerance, out, force, allow_large)
    report = run_recall(spec, variant, settings, request)
    if as_json:
        print_json(report.as_json())
        return
    if trace:
        print(report.trace)
    else:
        print_table(report.table)
    print(report.summary)


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
    checked = _load(spec, variant, of_spec)
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
        print(f"wrote {out}: {record.task}, {record.summary} after {plan.epochs} epochs")


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
    checked = _load(spec, variant, settings)
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
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A folder that `train` wrote.")],
    out: Annotated[Path, typer.Option("--out", metavar="BUNDLE", help="The folder to write.")],
    to: Annotated[str, typer.Option("--to", metavar="A,B", help="Formats, as `onnx` or `onnx,tensorrt`.")] = "onnx",
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Export a run to a bundle. A file that does not compute what the model computes is not written."""
    from hopgraph.export.bundle import export as export_run
    from hopgraph.train.run import read_run

    bundle = export_run(read_run(run), listed(to), out, force)
    if as_json:
        print_json(asdict(bundle.manifest))
        return
    from hopgraph.bench.table import bundle_table

    print(f"wrote {out}")
    print_table(bundle_table(bundle.manifest))


@app.command()
def bench(
    bundles: Annotated[list[Path], typer.Argument(metavar="BUNDLE...", help="Bundles; ratios are to the first.")],
    runtime: Annotated[str | None, typer.Option(metavar="A,B", help="Runtimes; all that know a file of the bundle by default.")] = None,
    batch: Annotated[str, typer.Option(metavar="N,M", help="Batch sizes.")] = "1,64",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of each candidate; all cores by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure latency and throughput, each bundle and runtime in its own process, rounds interleaved."""
    sizes = [int(size) if size.isdecimal() else 0 for size in listed(batch)]
    if not sizes or 0 in sizes:
        raise typer.BadParameter("batch sizes are positive integers, as 1,64", param_hint="--batch")
    from hopgraph.bench.measure import candidates, measure
    from hopgraph.bench.table import bench_table
    from hopgraph.export.bundle import open_bundle

    chosen = candidates([open_bundle(path) for path in bundles], listed(runtime) if runtime else None)
    measured = measure(chosen, sizes, threads)
    if as_json:
        print_json(asdict(measured))
    else:
        print_table(bench_table(measured))


@app.command()
def predict(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A folder that `export` wrote.")],
    images: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="Image files, or .npy arrays of pixels from 0 to 1.")],
    runtime: Annotated[str, typer.Option(help="What runs the model.")] = "onnxruntime",
    as_json: AsJson = False,
) -> None:
    """Classify images with a bundle."""
    from hopgraph.export.bundle import open_bundle
    from hopgraph.export.predict import predict_files

    for answer in predict_files(open_bundle(bundle), images, runtime):
        print(json.dumps(asdict(answer)) if as_json else f"{answer.file}: {answer.label} ({answer.probability:.3f})")


@app.command()
def compare(
    spec: Spec,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder to write: runs, bundles, results.json, report.html.")],
    variants: Annotated[str, typer.Option("--variants", metavar="A,B", help="The variants to compare, and to export and time.")] = "",
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
    to: Annotated[str, typer.Option("--to", metavar="A,B", help="Formats to export.")] = "onnx",
    bench: Annotated[bool, typer.Option("--bench/--no-bench", help="Export and time the variants named by --variants.")] = True,
    engine: Annotated[str, typer.Option(help="Where runs are computed: `local` or `ray`.")] = "local",
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


@app.callback()
def options(version: Version = False) -> None:
    """A compiler for hierarchical associative memories: YAML to energy, to PyTorch, to ONNX and TensorRT."""
