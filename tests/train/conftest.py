"""A small training that runs in a second, in this process or in others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor

import hopgraph
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.train.data import Examples, Images, load_data
from hopgraph.train.recipe import Recipe

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


def few_digits(digits: Images) -> Images:
    train, test = (Examples(part.inputs[:count], part.targets[:count]) for part, count in ((digits.train, 209), (digits.test, 64)))
    values = {name: getattr(digits, name) for name in ("variants", "mean", "std", "labels")}
    return Images(name="few", train=train, test=test, **values)


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
