"""Every shipped spec at its published size, in each form of deployment: bytes, parity and what the gate says.

    python -m benchmarks.forms [SPEC ...] [--quick] [--out FOLDER]

The default of each spec and its symmetric sibling, with random weights, as ONNX in float32 and in float16 and as an engine in both. `bytes`
are those of all files that the form reads. `parity` is the largest relative error of the form under its own runtime, at random inputs in
batches of 1, 2, 7 and 8, against the model in float64: the gate of `hopgraph export`, which refuses what exceeds the table's limit. Real
inputs and accuracies are the business of `make catalogue`, which trains small sizes. An engine is run where there is a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.tables import Table, parser, run
from hopgraph.errors import HopgraphError
from hopgraph.export.bundle import export
from hopgraph.export.exporter import Options, exporters
from hopgraph.export.parity import TOLERANCE
from hopgraph.frontend.library import shipped
from hopgraph.lower.model import compile_model
from hopgraph.passes.pipeline import CheckedSpec, load
from hopgraph.runtime import Bundle
from hopgraph.show.catalogue import SIBLING, small_of
from hopgraph.train.run import FORMAT, Record, Run, SpecText, read_run, write_run

FORMATS = ("onnx", "tensorrt")
DTYPES = ("float32", "float16")
OPTIONS = Options(batches=(1, 8, 8))


@dataclass(frozen=True)
class Line:
    """A form of a spec. `parity` is none where nothing here runs it; `verdict` is what the gate says then."""

    spec: str
    parameters: int
    form: str
    dtype: str
    bytes: int | None
    parity: float | None
    limit: float
    verdict: str


def variants(name: str, quick: bool) -> Iterator[str]:
    """The default and the symmetric sibling, in the published size or in the small one."""
    declared = load(name).variant_names
    small = small_of(declared) if quick else ""
    for form in ("", *(item for item in (SIBLING,) if item in declared)):
        yield ",".join(part for part in (form, small) if part)


def untrained(spec: CheckedSpec, folder: Path) -> Run:
    """A run of random weights, none of them at the values that training starts from."""
    torch.manual_seed(0)
    weights = {
        name: tensor + 0.02 * torch.randn_like(tensor) if tensor.is_floating_point() else tensor
        for name, tensor in compile_model(spec).state_dict().items()
    }
    write_run(folder, Record(FORMAT, SpecText.of(spec), "", (), (), (), {}, {}), weights)
    return read_run(folder)


def lines(name: str, variant: str) -> Iterator[Line]:
    """A line for each form that can be written here."""
    spec = load(name, variant)
    label = f"{name} {variant}".strip()
    with TemporaryDirectory() as folder:
        run = untrained(spec, Path(folder) / "run")
        for exporter in (found for found in FORMATS if exporters()[found].missing() is None):
            for dtype in DTYPES:
                found = judged(run, exporter, dtype, Path(folder) / f"{exporter}-{dtype}")
                yield Line(label, spec.parameter_count, exporter, dtype, found[0], found[1], TOLERANCE[dtype], found[2])


def judged(run: Run, exporter: str, dtype: str, out: Path) -> tuple[int | None, float | None, str]:
    """Bytes, parity and verdict of one form."""
    try:
        bundle = export([run], [exporter], out, (dtype,), OPTIONS)
    except HopgraphError as error:
        return None, None, f"refused: {error.diagnostics[0].message}"
    form = bundle.manifest.form(exporter, dtype)
    assert form is not None
    errors = [parity.random for parity in form.parity.values()]
    return size_of(bundle, form.files), max(errors, default=None), "passed" if errors else "built, not run: no GPU"


def size_of(bundle: Bundle, files: Sequence[str]) -> int:
    """The bytes of some files of a bundle."""
    sizes = {file.path: file.bytes for file in bundle.manifest.files}
    return sum(sizes[file] for file in files)


def measure(names: Sequence[str], quick: bool) -> Table:
    """The lines of the specs named, or of all, each printed as it comes."""
    found: list[Line] = []
    for name in names or shipped():
        for variant in variants(name, quick):
            for line in lines(name, variant):
                print(told(line), flush=True)
                found.append(line)
    return Table((), {"forms": [asdict(line) for line in found]})


def told(line: Line) -> str:
    """One line."""
    size = "-" if line.bytes is None else f"{line.bytes / 1e6:.1f} MB"
    parity = "-" if line.parity is None else f"{line.parity:.1e}"
    return f"{line.spec:32} {line.parameters:>12,}  {line.form:9} {line.dtype:8} {size:>10}  {parity:>8}  {line.verdict}"


if __name__ == "__main__":
    options = parser(__doc__ or "")
    options.add_argument("specs", metavar="SPEC", nargs="*", help="shipped specs; all without any")
    given = options.parse_args()
    run("forms", given, lambda quick: measure(given.specs, quick))
