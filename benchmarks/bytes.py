"""What tied weights save: the symmetric ParaMixer over the own one, at S/16.

    python -m benchmarks.bytes [--quick] [--out FOLDER]

Parameters, the bytes of the ONNX graph and its weights, and those of the engine that TensorRT-RTX builds, which needs no GPU. Where that
package is not installed, engines are left out. Nothing is timed, so no ratio has an interval. The target is 0.56 at most, of all three.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.base import Ratio, Result, Target
from benchmarks.tables import Table, command
from exporters import onnx, tensorrt
from hopgraph.export.exporter import Built, Request
from hopgraph.lower.model import compile_model
from hopgraph.passes.pipeline import load

FORMS = ("symmetric", "broken")
VARIANT = "S16,imagenet"
TOY = "digits"
TARGET = Target(0.56)

Build = Callable[[Request, Path], Built]


def request(form: str, variant: str) -> Request:
    """A ParaMixer with random weights."""
    model = compile_model(load("paramixer", f"{variant},{form}"))
    return Request(model.spec, dict(model.state_dict()))


def size(build: Build, asked: Request) -> int:
    """The bytes of all the files that a form reads: graph, or engine, and weights."""
    with TemporaryDirectory() as folder:
        return sum((Path(folder) / file).stat().st_size for file in build(asked, Path(folder)).files)


def row(what: str, unit: str, sizes: list[int], variant: str) -> Result:
    """Symmetric over own."""
    ours, theirs = sizes
    exact = ours / theirs
    return Result(f"paramixer {variant}", what, "own", ours, theirs, unit, Ratio(exact, exact, exact), TARGET)


def measure(quick: bool) -> Table:
    """The three rows, or the two that can be had."""
    variant = TOY if quick else VARIANT
    asked = [request(form, variant) for form in FORMS]
    rows = [row("parameters", "parameters", [item.spec.parameter_count for item in asked], variant)]
    rows.append(row("ONNX", "bytes", [size(onnx.write_graph, item) for item in asked], variant))
    if tensorrt.missing() is None:
        rows.append(row("engine", "bytes", [size(tensorrt.build, item) for item in asked], variant))
    return Table(tuple(rows))


def main() -> None:
    """Print the table."""
    command("bytes", __doc__ or "", measure)


if __name__ == "__main__":
    main()
