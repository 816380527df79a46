"""What a session of ONNX Runtime keeps in memory of tied weights, and what that costs: symmetric and broken, by the session's options.

    python -m benchmarks.memory [--variant S16,imagenet] [--batch 1 8] [--rounds 5] [--json]

Each candidate is a fresh process of one thread; the candidates take turns, and a line gives medians over the rounds. `loaded` and `run` are
the resident bytes that the session added, after it was made and after it has run; `own` is the part of them that no file backs, which
another process cannot share. Timings are seconds of the process: they mean something on a machine that does nothing else.

- default: as ONNX Runtime comes. It folds the transposed weight into a second tensor, and lays each product's weight out anew.
- unfolded: without constant folding. Products take the transposes in, but still lay their weights out.
- one copy: nothing is laid out anew either. The products read the file's own pages, which is how bundles of shared weights are run.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

OPTIONS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "default": ((), {}),
    "unfolded": (("ConstantFolding",), {}),
    "one copy": (("ConstantFolding",), {"session.disable_prepacking": "1"}),
}
"""By name, the optimizers that are off and the session's entries."""
FORMS = ("symmetric", "broken")
RUNS = 12
"""The runs of a round, after two that warm up."""
MEGABYTE = 2**20


@dataclass(frozen=True)
class Measured:
    """One process: megabytes that the session added, and milliseconds."""

    loaded: float
    loaded_own: float
    run: float
    run_own: float
    load_ms: float
    run_ms: float


@dataclass(frozen=True)
class Line:
    """The medians of a candidate."""

    form: str
    options: str
    batch: int
    weights: float
    measured: Measured


def resident() -> tuple[float, float]:
    """The resident megabytes of this process, and those that no file backs."""
    text = Path("/proc/self/smaps_rollup").read_text(encoding="ascii")
    found = [re.search(rf"^{word}: +(\d+) kB", text, re.MULTILINE) for word in ("Rss", "Anonymous")]
    rss, anonymous = (int(match[1]) / 1024 for match in found if match)
    return rss, anonymous


def measure(path: str, options: str, batch: int) -> Measured:
    """Open a model in this process and run it."""
    ort: Any = import_module("onnxruntime")
    off, entries = OPTIONS[options]
    given = ort.SessionOptions()
    given.intra_op_num_threads = given.inter_op_num_threads = 1
    for name, value in entries.items():
        given.add_session_config_entry(name, value)
    before, begun = resident(), time.process_time()
    session = ort.InferenceSession(path, given, providers=["CPUExecutionProvider"], disabled_optimizers=list(off))
    load, loaded = time.process_time() - begun, resident()
    (port,) = session.get_inputs()
    inputs = np.random.default_rng(0).standard_normal((batch, *port.shape[1:]), dtype=np.float32)
    seconds = [_seconds(session, port.name, inputs) for _ in range(RUNS + 2)][2:]
    after = resident()
    sizes = (loaded[0] - before[0], loaded[1] - before[1], after[0] - before[0], after[1] - before[1])
    return Measured(*sizes, 1e3 * load, 1e3 * statistics.median(seconds))


def _seconds(session: Any, name: str, inputs: np.ndarray) -> float:
    begun = time.process_time()
    session.run(None, {name: inputs})
    return time.process_time() - begun


def write(variant: str, folder: Path) -> dict[str, Path]:
    """The model of each form in a folder of its own."""
    hopgraph: Any = import_module("hopgraph")
    onnx: Any = import_module("exporters.onnx")
    exporter: Any = import_module("hopgraph.export.exporter")
    found: dict[str, Path] = {}
    for form in FORMS:
        model = hopgraph.compile("paramixer", f"{variant},{form}")
        (folder / form).mkdir()
        built = onnx.write_graph(exporter.Request(model.spec, dict(model.state_dict())), folder / form)
        found[form] = folder / form / built.file
    return found


def rounds(models: dict[str, Path], batches: Sequence[int], count: int) -> Iterator[Line]:
    """Every candidate in each round, in a process of its own."""
    candidates = [(form, options, batch) for batch in batches for form in models for options in OPTIONS]
    found = {candidate: list[Measured]() for candidate in candidates}
    for _ in range(count):
        for form, options, batch in candidates:
            found[form, options, batch].append(_in_process(models[form], options, batch))
    for (form, options, batch), several in found.items():
        medians = {field: statistics.median(asdict(one)[field] for one in several) for field in asdict(several[0])}
        weights = (models[form].parent / "model.safetensors").stat().st_size / MEGABYTE
        yield Line(form, options, batch, weights, Measured(**medians))


def _in_process(path: Path, options: str, batch: int) -> Measured:
    command = [sys.executable, "-m", "benchmarks.memory", "--worker", str(path), options, str(batch)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 (our own module)
    return Measured(**json.loads(done.stdout))


def table(lines: Sequence[Line]) -> str:
    """As Markdown."""
    rows = [
        "| form | options | batch | weights MB | loaded MB (own) | run MB (own) | load ms | run ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        found = line.measured
        sizes = f"{found.loaded:.1f} ({found.loaded_own:.1f}) | {found.run:.1f} ({found.run_own:.1f})"
        times = f"{found.load_ms:.0f} | {found.run_ms:.1f}"
        rows.append(f"| {line.form} | {line.options} | {line.batch} | {line.weights:.1f} | {sizes} | {times} |")
    return "\n".join(rows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="What tied weights take in memory under ONNX Runtime.")
    parser.add_argument("--variant", default="S16,imagenet", help="variants of paramixer, beside its symmetry")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worker", nargs=3, metavar=("PATH", "OPTIONS", "BATCH"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        path, options, batch = given.worker
        print(json.dumps(asdict(measure(path, options, int(batch)))))
        return
    with TemporaryDirectory() as folder:
        lines = list(rounds(write(given.variant, Path(folder)), given.batch, given.rounds))
    print(json.dumps([asdict(line) for line in lines], indent=1) if given.json else table(lines))


if __name__ == "__main__":
    main()
