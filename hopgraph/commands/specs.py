"""Commands about specs: what they say, what they compile to, whether it holds, what it recalls."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hopgraph.commands import completion
from hopgraph.commands.options import (
    AllowLarge,
    AsJson,
    Force,
    Setting,
    Spec,
    Variant,
    app,
    load_spec,
)
from hopgraph.console import print_json, print_or_write, print_table
from hopgraph.errors import Diagnostic, HopgraphError

if TYPE_CHECKING:
    from hopgraph.passes.pipeline import CheckedSpec


_PATTERNS = "Patterns to store: .npy, .csv, .txt, .safetensors, an image or a folder of images."
_TENSOR = "The tensor to take from a .safetensors file of several."
_INTO = "The dense weight to put them into; by default the only one that reads the entry layer."
_WEIGHTS = "A run of this spec, or a .safetensors file with all its parameters, to load first."
_STATE = "First states of the entry layer, in the same formats; by default the stored patterns."


@app.command()
def check(spec: Spec, variant: Variant = None, settings: Setting = None, as_json: AsJson = False) -> None:
    """Check a spec: its fields, shapes, symmetry and certificate, and every variant that it declares."""
    from hopgraph.show.facts import summary

    checked = load_spec(spec, variant, settings)
    others = [] if variant else checked.variant_names
    for name in others:
        load_spec(spec, name, settings)
    facts = summary(checked)
    if as_json:
        print_json({**facts, "variants": others})
        return
    print(f"{checked.loaded.source.name}: correct" + (f", and so are its variants {', '.join(others)}" if others else ""))
    print(f"  {facts['parameters']:,} parameters; {facts['input']} -> {facts['output']}; {facts['symmetry']}")
    print(f"  {facts['flops']:,} FLOPs an example")
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
    HTML = "html"


@app.command()
def show(
    spec: Spec,
    variant: Variant = None,
    settings: Setting = None,
    form: Annotated[ShowFormat, typer.Option("--format", help="Facts, equations, a picture, or a page of all.")] = ShowFormat.TEXT,
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="FILE", help="The file to write; else it is printed.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show a spec: its layers, synapses, pulls, shapes, parameters and certificate; its equations; its picture; or a page of all."""
    checked = load_spec(spec, variant, settings)
    if form is ShowFormat.HTML and not as_json:
        print_or_write(_page(checked), out)
        return
    from hopgraph.show import show as show_spec

    print_or_write(show_spec(checked, "json" if as_json else form.value), out)


def _page(checked: CheckedSpec) -> str:
    """The page of a spec with the code that it compiles to."""
    from hopgraph.lower.standalone import module_source
    from hopgraph.show.page.page import page

    return page(checked, module_source(checked))


@app.command()
def schema(
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="FILE", help="The file to write; else it is printed.")] = None,
    recipe: Annotated[bool, typer.Option("--recipe", help="That of recipes.")] = False,
    manifest: Annotated[bool, typer.Option("--manifest", help="That of a bundle's manifest.")] = False,
) -> None:
    """Write the JSON Schema of specs, recipes or manifests, for editors that complete and check as one types."""
    from hopgraph.frontend.schema import schema_text

    if manifest:
        from hopgraph.export.schema import schema_text as manifest_text

        print_or_write(manifest_text(), out)
        return
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
def explain(
    code: Annotated[
        str | None, typer.Argument(metavar="CODE", help="A diagnostic's code, as `axes-mismatch`.", autocompletion=completion.codes)
    ] = None,
) -> None:
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
    dump_after: Annotated[
        str | None, typer.Option(metavar="PASS", help="Print the graph or program after a pass.", autocompletion=completion.passes)
    ] = None,
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
    checked = load_spec(spec, variant, settings)
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
    stages = load_spec(spec, variant, settings).loaded.spec.stages
    depths = [f"stages.{index}.block.depth=1" for index in range(len(stages))] or ["block.depth=1"]
    return load_spec(spec, variant, [*(settings or ()), *depths])


def _verifiable(spec: str, variant: str | None, settings: Sequence[str] | None) -> dict[str, str | None]:
    """The overlays to verify by label."""
    if variant:
        return {variant: variant}
    declared = load_spec(spec, None, settings).loaded.spec.variants
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
