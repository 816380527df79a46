"""Hopfield networks with patterns in them, for the tests of recall."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import hopgraph
from hopgraph.lower.model import Model
from hopgraph.recall.arrays import Array
from hopgraph.recall.memory import find_memory, store

SLOW_PAIR = str(Path(__file__).parent / "constructs" / "slow_pair.yaml")
"""A spec of two slow layers, x and y, and a hidden one."""


def signs(count: int, width: int, seed: int = 0) -> Array:
    """Random patterns of +1 and -1."""
    return np.where(np.random.default_rng(seed).random((count, width)) < 0.5, -1.0, 1.0)


def storing(patterns: Array, variant: str, **overrides: object) -> Model:
    """A Hopfield network that stores patterns [M, N]."""
    sizes = {"dims.M": len(patterns), "dims.N": patterns.shape[1]}
    model = hopgraph.compile("hopfield", variant, {**sizes, **overrides}).double()
    store(model, find_memory(model.spec), patterns)
    return model
