"""A small training that runs in a second, in this process or in others."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as arrow_files
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor

import hopgraph
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.train.data import Data, Examples, Images, load_data, memory
from hopgraph.train.recipe import Recipe

arrow: Any = pyarrow
parquet: Any = arrow_files
SMALL = ("dims.C=16", "dims.depth=2")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Generator[None]:
    """Rounding depends on the number of threads, and earlier tests may have set it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def digits() -> Images:
    found = load_data("digits")
    assert isinstance(found, Images)
    return found


@pytest.fixture(scope="session")
def few(digits: Images) -> Images:
    """The first of the digits: an epoch of 13 steps of 16, of which one example is left over."""
    return few_digits(digits)


def few_digits(digits: Data) -> Images:
    assert isinstance(digits, Images)
    train, test = (Examples(part.inputs[:count], part.targets[:count]) for part, count in ((digits.train, 209), (digits.test, 64)))
    values = {name: getattr(digits, name) for name in ("variants", "mean", "std", "labels")}
    return Images(name="few", train=train, test=test, **values)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory, few: Images, cache: None) -> dict[str, str]:
    """The few digits as image files: names of data sets, by their form."""
    folder = tmp_path_factory.mktemp("files")
    for part, examples in (("train", few.train), ("test", few.test)):
        pictures = [png((item[0] * 255).to(torch.uint8).numpy()) for item in examples.inputs]
        labels = [int(label) for label in examples.targets]
        write_parquet(folder / "parquet" / f"{part}.parquet", pictures, labels)
        for number, (content, label) in enumerate(zip(pictures, labels, strict=True)):
            (folder / "folder" / part / str(label)).mkdir(parents=True, exist_ok=True)
            (folder / "folder" / part / str(label) / f"{number:03}.png").write_bytes(content)
    return {name: str(folder / name) for name in ("parquet", "folder")}


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


def write_parquet(path: Path, pictures: list[bytes], labels: list[int], group: int = 50) -> None:
    """A parquet file with row groups of so many rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    items = [{"bytes": content, "path": None} for content in pictures]
    kind = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    parquet.write_table(arrow.table({"image": arrow.array(items, kind), "label": labels}), path, row_group_size=group)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    """What `datasets` keeps goes into a folder of the tests, in this process and in others."""
    folder = str(tmp_path_factory.mktemp("cache"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_DATASETS_CACHE", folder)
        from datasets import config

        patch.setattr(config, "HF_DATASETS_CACHE", folder)
        yield


@contextmanager
def no_memory() -> Generator[None]:
    """As if the machine had no memory for data."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "SHARE", 0.0)
        yield


def mixer(variant: str = "symmetric,digits", *settings: str) -> CheckedSpec:
    return hopgraph.load("paramixer", variant, (*SMALL, *settings))


def recipe(**fields: Any) -> Recipe:
    return Recipe.model_validate({"epochs": 2, "batch_size": 16, **fields})


def weights(run: Path) -> dict[str, Tensor]:
    return load_file(run / "model.safetensors")


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def apart(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    """The largest difference, relative to the largest value of each tensor."""
    return max(float((a[name] - b[name]).abs().max() / b[name].abs().max().clamp(min=1e-300)) for name in a)


def start(*words: object, launcher: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """Start tests/train/worker.py in a process of its own, or in several by a launcher."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *launcher, "-m", "tests.train.worker", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
