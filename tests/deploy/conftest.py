"""Small runs and bundles of every variant, made once for all tests of training, export and measurement."""

from __future__ import annotations

from pathlib import Path

import pytest

import hopgraph
from hopgraph.export.bundle import export
from hopgraph.runtime import Bundle
from hopgraph.train.data import Images, load_data
from hopgraph.train.loop import train
from hopgraph.train.recipe import Recipe
from hopgraph.train.run import Run, read_run

VARIANTS = ("symmetric", "asymmetric", "broken", "vanilla")
SMALL = ("dims.C=16", "dims.depth=2")
"""Overrides under which a variant trains in a second."""


@pytest.fixture(scope="session")
def digits() -> Images:
    found = load_data("digits")
    assert isinstance(found, Images)
    return found


@pytest.fixture(scope="session")
def run_paths(tmp_path_factory: pytest.TempPathFactory, digits: Images) -> dict[str, Path]:
    """The folder of a run of each variant."""
    folder = tmp_path_factory.mktemp("runs")
    for name in VARIANTS:
        train(hopgraph.load("paramixer", f"{name},digits", SMALL), digits, Recipe(epochs=2), folder / name)
    return {name: folder / name for name in VARIANTS}


@pytest.fixture(scope="session")
def runs(run_paths: dict[str, Path]) -> dict[str, Run]:
    """The runs, read."""
    return {name: read_run(path) for name, path in run_paths.items()}


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory, runs: dict[str, Run], digits: Images) -> dict[str, Bundle]:
    """A bundle of each variant, with an ONNX model and an engine."""
    folder = tmp_path_factory.mktemp("bundles")
    return {name: export([run], ["onnx", "tensorrt"], folder / name, data=digits) for name, run in runs.items()}
