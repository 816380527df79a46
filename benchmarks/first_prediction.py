"""How long it takes from the start of a process to its first prediction, and what is loaded by then.

    python -m benchmarks.first_prediction [BUNDLE] [ROUNDS]

Each candidate opens the bundle, checks its hashes, reads one image file and prints its class, with one thread; two more only import what
they need at least. Candidates take turns, each in a fresh process; a line gives the median over the rounds, its ratio to torch's, and
the modules that are loaded. The bundle is of a classifier of images; without one, a ParaMixer for digits is trained and exported.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from hopgraph.export.bundle import export
from hopgraph.passes.pipeline import load
from hopgraph.runtime import Bundle
from hopgraph.train.data import load_data
from hopgraph.train.loop import train
from hopgraph.train.recipe import Recipe
from hopgraph.train.run import read_run

ROUNDS = 9
RIVAL = "first prediction, torch"
LOADED = "print(found, len(sys.modules), 'torch' in sys.modules, flush=True)"
PREDICT = """
import sys
from pathlib import Path
from hopgraph.runtime import Bundle
from hopgraph.runtime.answers import answer_all
{imports}
bundle = Bundle.open(sys.argv[1])
session = bundle.session({runtime}, threads=1)
found = next(answer_all(session, bundle.path, Path(sys.argv[2]))).label
"""
CANDIDATES = {
    RIVAL: PREDICT.format(imports="from hopgraph.export.exporter import find_runtime", runtime="find_runtime('pytorch')"),
    "first prediction, ONNX Runtime": PREDICT.format(imports="", runtime="'onnxruntime'"),
    "import torch": "import sys, torch; found = None",
    "import onnxruntime and PIL": "import sys, onnxruntime; from PIL import Image; found = None",
}


@dataclass(frozen=True)
class Sample:
    """One process: the seconds until it printed, the class, how many modules were loaded, and whether torch was one of them."""

    seconds: float
    label: str
    modules: int
    torch: bool


def sample(code: str, bundle: Path, image: Path) -> Sample:
    """Start a process and wait for its line."""
    words = [sys.executable, "-c", code + "\n" + LOADED, str(bundle), str(image)]
    begun = time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as process:  # noqa: S603 (our own words)
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = time.perf_counter() - begun
    if process.returncode:
        raise SystemExit(process.returncode)
    label, modules, torch = line.rsplit(maxsplit=2)
    return Sample(seconds, label, int(modules), torch == "True")


def measure(bundle: Path, image: Path, rounds: int) -> dict[str, list[Sample]]:
    """The samples of each candidate. The first round, in which files come into memory, is not among them."""
    found = [{name: sample(code, bundle, image) for name, code in CANDIDATES.items()} for _ in range(rounds + 1)]
    return {name: [one[name] for one in found[1:]] for name in CANDIDATES}


def table(samples: dict[str, list[Sample]]) -> str:
    """A line for each candidate."""
    rival = median(one.seconds for one in samples[RIVAL])
    lines = ["| | seconds | of torch's | modules | torch among them |", "|---|---|---|---|---|"]
    for name, found in samples.items():
        seconds = median(one.seconds for one in found)
        among = "yes" if found[0].torch else "no"
        lines.append(f"| {name} | {seconds:.2f} | {seconds / rival:.2f} | {found[0].modules} | {among} |")
    return "\n".join(lines)


def digits(folder: Path) -> Path:
    """A bundle of a ParaMixer that was trained on the digits."""
    train(load("paramixer", "digits"), load_data("digits"), Recipe(epochs=1), folder / "run")
    return export([read_run(folder / "run")], ["onnx"], folder / "bundle").path


def write_image(path: Path, shape: tuple[int, ...]) -> None:
    """A file of random pixels."""
    channels, height, width = shape
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)
    Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(path)


def main(words: list[str]) -> None:
    """Measure and print the table."""
    with TemporaryDirectory() as folder:
        bundle = Path(words[0]) if words else digits(Path(folder))
        write_image(Path(folder) / "image.png", Bundle.open(bundle).manifest.input.shape)
        samples = measure(bundle, Path(folder) / "image.png", int(words[1]) if len(words) > 1 else ROUNDS)
    answers = {one.label for found in samples.values() for one in found} - {"None"}
    assert len(answers) == 1, f"the runtimes do not agree: {answers}"
    print(table(samples))


if __name__ == "__main__":
    main(sys.argv[1:])
