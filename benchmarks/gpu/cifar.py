"""A short training of every variant of the ParaMixer on CIFAR-10, in bfloat16: from the loss and the accuracy to the examples a second.

The images are those of two parquet files; where these are absent they are random, every row says so, and its accuracy means nothing.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.gpu.setting import Rows, Setting, tried
from benchmarks.training import images
from hopgraph.passes.pipeline import CheckedSpec, load
from hopgraph.train.data import Data, load_data
from hopgraph.train.loop import train
from hopgraph.train.recipe import Recipe

FILES = ("cifar10-jpeg-train.parquet", "cifar10-jpeg-test.parquet")
VARIANTS = ("symmetric", "asymmetric", "broken", "vanilla")
SETTINGS = ("dims.C=128", "dims.depth=4")
TOY = ("dims.C=16", "dims.depth=1")
RANDOM = "random images"


def given(setting: Setting, spec: CheckedSpec) -> tuple[str, Data]:
    """The data, and what they are."""
    files = [setting.data / name for name in FILES] if setting.data else []
    if not files or not all(file.exists() for file in files):
        return RANDOM, images(spec)
    return "CIFAR-10, kept as JPEG", load_data(",".join(map(str, files)))


def rows(setting: Setting) -> Rows:
    """A row for each variant. The data are read once."""
    settings = list(TOY if setting.dry else SETTINGS)
    told, data = given(setting, load("paramixer", None, settings))
    recipe = Recipe(epochs=1 if setting.dry else 5, batch_size=512, precision="bf16-mixed")
    for variant in VARIANTS:
        yield from tried(variant, partial(of, variant, load("paramixer", variant, settings), data, recipe, told))


def of(variant: str, spec: CheckedSpec, data: Data, recipe: Recipe, told: str) -> Rows:
    """One variant."""
    begun = time.perf_counter()
    with TemporaryDirectory() as folder:
        record = train(spec, data, recipe, Path(folder) / "run")
    history = [{"loss": epoch.loss, "seconds": epoch.seconds, "test": epoch.test} for epoch in record.history]
    seconds = time.perf_counter() - begun
    yield {"name": variant, "data": told, "parameters": spec.parameter_count, "seconds": seconds, "history": history}
