"""Commands about bundles: write, measure, ask, serve."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hopgraph.commands import completion
from hopgraph.commands.options import (
    AsJson,
    Force,
    app,
)
from hopgraph.console import listed, print_json, print_table
from hopgraph.errors import Diagnostic, HopgraphError

if TYPE_CHECKING:
    from hopgraph.runtime import Runtime
    from hopgraph.train.data import Data


RuntimeName = Annotated[
    str | None,
    typer.Option("--runtime", metavar="NAME", help="What runs the model; by default the best here.", autocompletion=completion.runtimes),
]
DtypeName = Annotated[
    str | None,
    typer.Option(
        "--dtype", metavar="NAME", help="The form to run, as float16; the first by default.", autocompletion=completion.bundle_dtypes
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="auto|cpu|cuda",
        help="Where it runs; it never runs elsewhere.",
        autocompletion=completion.words("auto", "cpu", "cuda"),
    ),
]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Threads of the CPU.")]
WeightsName = Annotated[
    str | None, typer.Option("--weights", metavar="NAME", help="A set of weights of the bundle.", autocompletion=completion.weights)
]


@app.command()
def export(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders that `train` wrote; several are seeds of one model.")],
    out: Annotated[Path, typer.Option("--out", metavar="BUNDLE", help="The folder to write.")],
    to: Annotated[
        str, typer.Option("--to", metavar="A,B", help="Formats, as `onnx` or `onnx,tensorrt`.", autocompletion=completion.exporters)
    ] = "onnx",
    dtype: Annotated[
        str, typer.Option("--dtype", metavar="A,B", help="Dtypes, as `float32,float16`.", autocompletion=completion.dtypes)
    ] = "float32",
    steps: Annotated[
        str,
        typer.Option(
            metavar="unroll|loop",
            help="Steps as nodes of their own, or as a loop.",
            autocompletion=completion.words("unroll", "loop"),
        ),
    ] = "unroll",
    batches: Annotated[str, typer.Option(metavar="N,M,L", help="Smallest, best and largest batch of an engine.")] = "1,64,512",
    targets: Annotated[str, typer.Option(metavar="A,B", help="GPUs that an engine is for, as `SM86,SM120`.")] = "",
    dynamic: Annotated[str | None, typer.Option(metavar="DIM", help="A dim of which every size up to the spec's is taken.")] = None,
    data: Annotated[str | None, typer.Option(metavar="DATA", help="Data to test with; the run's own by default.")] = None,
    weights_only: Annotated[bool, typer.Option("--weights-only", help="Replace the weights of a bundle and leave its graphs.")] = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Export a run to a bundle. A file that does not compute what the model computes is not written."""
    from hopgraph.export.exporter import Options
    from hopgraph.train.run import read_run

    if steps not in ("unroll", "loop"):
        raise typer.BadParameter("unroll or loop", param_hint="--steps")
    options = Options(steps, _batches(batches), tuple(listed(targets)), dynamic)
    read = [read_run(path) for path in runs]
    tested = _test_data(data, read[0].record.data)
    if weights_only:
        from hopgraph.export.sets import replace_weights

        if len(read) > 1:
            raise typer.BadParameter("one run at a time", param_hint="--weights-only")
        if dynamic is not None:
            raise typer.BadParameter("with `--weights-only` the graphs stay as they are", param_hint="--dynamic")
        bundle = replace_weights(read[0], out, tested)
    else:
        from hopgraph.export.bundle import export as export_runs

        bundle = export_runs(read, listed(to), out, listed(dtype), options, tested, force)
    if as_json:
        print_json(asdict(bundle.manifest))
        return
    from hopgraph.bench.table import bundle_table

    print(f"wrote {out}")
    print_table(bundle_table(bundle.manifest))


def _test_data(name: str | None, recorded: str) -> Data | None:
    """The data that a bundle is tested with. Those that a run was trained with may be elsewhere: then it is said, and there are none."""
    from hopgraph.train.data import load_data

    if name is not None:
        return load_data(name)
    try:
        return load_data(recorded) if recorded else None
    except HopgraphError:
        print(
            f"the data of the run, `{recorded}`, are not there: random inputs alone test the files (`--data` names others)",
            file=sys.stderr,
        )
        return None


def _batches(text: str) -> tuple[int, int, int]:
    numbers = [int(size) if size.isdecimal() else 0 for size in listed(text)]
    if len(numbers) != 3 or not 0 < numbers[0] <= numbers[1] <= numbers[2]:
        raise typer.BadParameter("three batch sizes, none smaller than the one before, as 1,64,512", param_hint="--batches")
    smallest, best, largest = numbers
    return smallest, best, largest


@app.command()
def bench(
    bundles: Annotated[list[Path], typer.Argument(metavar="BUNDLE...", help="Bundles; ratios are to the first, unless `--vs` is given.")],
    runtime: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="What runs them, as onnxruntime-cuda; all by default.", autocompletion=completion.benched),
    ] = None,
    batch: Annotated[str, typer.Option(metavar="N,M", help="Batch sizes.")] = "1,64",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of each candidate; all cores by default.")] = None,
    versus: Annotated[Path | None, typer.Option("--vs", metavar="BUNDLE|FILE.onnx", help="What all others are compared with.")] = None,
    processes: Annotated[int, typer.Option(min=1, help="Processes of each candidate, one after the other.")] = 3,
    rounds: Annotated[int, typer.Option(min=2, help="Rounds of each candidate in each process.")] = 15,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.svg", help="A picture to write.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure latency and throughput, each bundle and runtime in its own process, rounds interleaved."""
    sizes = [int(size) if size.isdecimal() else 0 for size in listed(batch)]
    if not sizes or 0 in sizes:
        raise typer.BadParameter("batch sizes are positive integers, as 1,64", param_hint="--batch")
    from hopgraph.bench.bench import Order
    from hopgraph.bench.bench import bench as run_bench
    from hopgraph.bench.measure import Effort

    names = tuple(listed(runtime)) if runtime else None
    found = run_bench(Order(tuple(bundles), names, tuple(dict.fromkeys(sizes)), threads, versus, Effort(processes, rounds)))
    if plot is not None:
        from hopgraph.bench.latency import latency_svg
        from hopgraph.files import write_text

        write_text(plot, latency_svg(found.measured.timings))
    if as_json:
        print_json(found.record())
    else:
        from hopgraph.bench.bench_table import bench_table, not_run_lines

        print_table(bench_table(found.measured))
        for line in not_run_lines(found.measured):
            print(line)


@app.command()
def predict(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A folder that `export` wrote.")],
    inputs: Annotated[list[str] | None, typer.Argument(metavar="INPUT...", help="Files or folders; `-` for the standard input.")] = None,
    text: Annotated[list[str] | None, typer.Option("--text", metavar="TEXT", help="A text. May be repeated.")] = None,
    top: Annotated[int | None, typer.Option(min=1, help="How many classes or tokens are told; 5 by default.")] = None,
    resize: Annotated[bool, typer.Option("--resize", help="Scale image files to what the model reads, and cut the rest.")] = False,
    batch: Annotated[int | None, typer.Option(min=1, help="How many inputs are computed at once; at most 64 by default.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="The .npy file to write all outputs to.")] = None,
    force: Force = False,
    runtime: RuntimeName = None,
    dtype: DtypeName = None,
    device: Device = "auto",
    threads: Threads = None,
    weights: WeightsName = None,
) -> None:
    """Run a bundle on images, texts or arrays: a line of JSON for each input."""
    from hopgraph.runtime.command import Request
    from hopgraph.runtime.command import predict as answer

    if not inputs and not text:
        raise typer.BadParameter("give inputs, or texts by `--text`", param_hint="INPUT")
    given = tuple(inputs or ()), tuple(text or ())
    request = Request(bundle, *given, _runtime(runtime), dtype, device, threads, weights, top, resize, batch, output, force)
    raise typer.Exit(answer(request, sys.stdin.buffer, sys.stdout, sys.stderr))


def _runtime(name: str | None) -> Runtime | None:
    """A runtime by name, those of third parties too."""
    if name is None:
        return None
    from hopgraph.export.exporter import find_runtime

    return find_runtime(name)


@app.command()
def serve(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A folder that `export` wrote.")],
    host: Annotated[str, typer.Option(help="The address to listen at; 0.0.0.0 is all of this machine's.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 is any that is free.")] = 8000,
    batching: Annotated[bool, typer.Option("--batching/--no-batching", help="Join requests that wait at the same time.")] = True,
    max_batch: Annotated[int, typer.Option(min=1, help="Rows that the model is given at once.")] = 64,
    max_delay: Annotated[float, typer.Option(min=0.0, metavar="SECONDS", help="How long the first of a batch waits for others.")] = 0.0,
    max_body: Annotated[int, typer.Option(min=1, metavar="BYTES", help="The largest body, decompressed.")] = 64 * 2**20,
    max_held: Annotated[int, typer.Option(min=1, metavar="BYTES", help="Bodies and answers of all requests in flight.")] = 2**30,
    max_requests: Annotated[int, typer.Option(min=1, help="Requests in flight; more are told to come back.")] = 256,
    timeout: Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="What a client has to send, and the model to answer.")] = 30.0,
    grace: Annotated[float, typer.Option(min=0.0, metavar="SECONDS", help="What requests in flight have to end after SIGTERM.")] = 30.0,
    log_requests: Annotated[bool, typer.Option("--log-requests", help="Print a line of JSON for each request.")] = False,
    runtime: RuntimeName = None,
    dtype: DtypeName = None,
    device: Device = "auto",
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="Threads of the CPU; one less than it has by default.")] = None,
    weights: WeightsName = None,
) -> None:
    """Serve a bundle over HTTP by the open inference protocol, version 2."""
    from hopgraph.serve import missing

    lacking = missing()
    if lacking:
        raise HopgraphError(Diagnostic("runtime-unavailable", f"no server can be started here: {lacking}"))
    from hopgraph.runtime import Bundle
    from hopgraph.serve.server import serve as serve_session
    from hopgraph.serve.settings import Settings

    cores = threads or max(1, (os.cpu_count() or 1) - 1)
    session = Bundle.open(bundle).session(_runtime(runtime), dtype, device, cores, weights)
    settings = Settings(
        host,
        port,
        batching,
        max_batch,
        max_delay,
        max_body,
        max_held,
        max_requests,
        timeout_s=timeout,
        grace_s=grace,
        log_requests=log_requests,
    )
    whole = serve_session(session, settings)
    sys.stdout.flush()
    os._exit(0 if whole else 1)
