"""`make catalogue`: every shipped spec checked, compiled, trained for a few steps, exported and run, a line for each.

Checked with all its variants; compiled to a module of its own; trained in its small size for one epoch of data that fits it;
exported to ONNX and, where a package for it is installed, to a TensorRT engine. The ONNX file is run by ONNX Runtime at three
batch sizes and held against the model in float64: `parity` is the worst error. Engines are built, and run where there is a GPU.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hopgraph.errors import HopgraphError
from hopgraph.export.bundle import export
from hopgraph.export.exporter import exporters
from hopgraph.frontend.library import shipped
from hopgraph.lower.standalone import module_source
from hopgraph.passes.pipeline import load
from hopgraph.runtime import Bundle
from hopgraph.show.catalogue import SIBLING
from hopgraph.train.data import load_data
from hopgraph.train.loop import train
from hopgraph.train.recipe import Recipe
from hopgraph.train.run import Record, read_run

DATA = {"text": str(Path(__file__).parents[1] / "docs" / "language.md"), "digits": "digits"}
"""The data for a small size, by the variant's name."""
FORMS = {
    "masked_mixer": ("expanded", "kernel", "heads", "transformer", "hybrid"),
    "vit": ("parallel",),
    "energy_transformer": ("classifier",),
    "hopfield": ("classical", "dense"),
    "paramixer": ("asymmetric", "broken", "vanilla", "official"),
}
"""Forms that are trained beside the default and the symmetric sibling."""
OTHERS = (("masked_mixer", "retrieval,digits", "digits-retrieval"), ("masked_mixer", "retrieval,symmetric,digits", "digits-retrieval"))
"""Forms with data of their own: spec, variants, data."""
RECIPE = Recipe(epochs=1, batch_size=64)


@dataclass(frozen=True)
class Line:
    """What is done with one form of a spec."""

    spec: str
    variants: str
    data: str


def lines() -> Iterator[Line]:
    """Every shipped spec in its small size: the default, its symmetric sibling and its further forms."""
    for name in shipped():
        declared = load(name).variant_names
        small = next(variant for variant in DATA if variant in declared)
        tied = SIBLING in declared and small != "text"  # the sibling of a causal model is of another form: see OTHERS
        forms = ("", *((SIBLING,) if tied else ()), *FORMS.get(name, ()))
        for form in forms:
            yield Line(name, f"{form},{small}".strip(","), DATA[small])
    yield from (Line(*other) for other in OTHERS)


def work(line: Line, folder: Path) -> str:
    """Do all of it and say what came of it. Raises HopgraphError."""
    begun = time.perf_counter()
    spec = load(line.spec, line.variants)
    for variant in spec.variant_names:
        load(line.spec, variant)
    compile(module_source(spec), line.spec, "exec")
    record = train(spec, load_data(line.data), RECIPE, folder / "run")
    formats = [name for name in ("onnx", "tensorrt") if exporters()[name].missing() is None]
    bundle = export([read_run(folder / "run")], formats, folder / "bundle")
    return told(line, record, bundle, time.perf_counter() - begun)


def told(line: Line, record: Record, bundle: Bundle, seconds: float) -> str:
    """One line."""
    label = f"{line.spec} {line.variants}"
    sizes = {file.path: file.bytes for file in bundle.manifest.files}
    onnx, engine = bundle.manifest.form("onnx"), bundle.manifest.form("tensorrt")
    assert onnx is not None
    parity = ", ".join(f"{found.random:.1e}" for found in onnx.parity.values())
    built = f"engine {sizes[engine.file] / 1e6:.1f} MB" if engine is not None else "no engine: no package"
    return f"{label:42} {bundle.manifest.parameters:>9,} parameters  {record.summary:40} parity {parity}  {built}  {seconds:.1f} s"


def main() -> int:
    """Print a line for each, and give the number of those that failed."""
    failed = 0
    for line in lines():
        with TemporaryDirectory() as folder:
            try:
                print(work(line, Path(folder)), flush=True)
            except HopgraphError as error:
                failed += 1
                print(f"{line.spec} {line.variants}: failed\n{error}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
