"""Small models with random weights, and what an exporter is asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import hopgraph
from hopgraph.export.exporter import Options, Request
from hopgraph.lower.model import Model
from hopgraph.lower.verify import randomise
from hopgraph.runtime.record import Array

SMALL = ("dims.C=16", "dims.depth=2")
BATCHES = (1, 4, 16)


def random_model(spec: str = "paramixer", variant: str = "broken,digits", settings: tuple[str, ...] = SMALL) -> Model:
    """A model with random weights, none at its first value."""
    model = hopgraph.compile(spec, variant, settings)
    randomise(model, torch.Generator().manual_seed(1))
    return model.eval()


def examples(count: int = 32, seed: int = 0) -> tuple[Array, ...]:
    """Two batches of images of digits' size."""
    drawn = np.random.default_rng(seed).standard_normal((2, count, 1, 8, 8)).astype(np.float32)
    return tuple(drawn)


def request_of(model: Model, dtype: str = "float32", targets: tuple[str, ...] = (), given: tuple[Array, ...] = ()) -> Request:
    """A request for a small engine."""
    return Request(model.spec, dict(model.state_dict()), dtype, Options(batches=BATCHES, targets=targets), given)


@pytest.fixture(scope="session")
def model() -> Model:
    return random_model()
