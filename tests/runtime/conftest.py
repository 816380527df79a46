"""Small bundles that were trained and exported: a classifier of images, a language model with a tokenizer, a retrieval model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hopgraph
from hopgraph.export.bundle import export
from hopgraph.export.exporter import Options
from hopgraph.runtime import Bundle
from hopgraph.train.data import load_data
from hopgraph.train.loop import train
from hopgraph.train.recipe import Recipe
from hopgraph.train.run import read_run

TEXT = Path(__file__).resolve().parents[2] / "docs" / "language.md"
LENGTH = 16


def exported(folder: Path, spec: str, variant: str, settings: tuple[str, ...], data: str) -> Bundle:
    train(hopgraph.load(spec, variant, settings), load_data(data), Recipe(epochs=1, batch_size=64), folder / "run")
    return export([read_run(folder / "run")], ["onnx"], folder / "bundle", options=Options(batches=(1, 2, 8)))


@pytest.fixture(scope="session")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return exported(tmp_path_factory.mktemp("classifier"), "paramixer", "digits", ("dims.C=16", "dims.depth=2"), "digits")


@pytest.fixture(scope="session")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    small = (f"dims.T={LENGTH}", "dims.V=300", "dims.C=16", "dims.depth=2")
    return exported(tmp_path_factory.mktemp("speaker"), "masked_mixer", "text", small, str(TEXT))


@pytest.fixture(scope="session")
def retriever(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return exported(tmp_path_factory.mktemp("retriever"), "masked_mixer", "retrieval,digits", ("dims.depth=2",), "digits-retrieval")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of 5 images as the classifier reads them."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (5, 8, 8), dtype=np.uint8)
    for index, pixels in enumerate(noise):
        Image.fromarray(pixels).save(folder / f"{index}.png")
    return folder
