"""Models of a few lines, in sessions as bundles give them: what they answer can be said beforehand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hopgraph.runtime import Form, Manifest, Port, Runtime, Session
from hopgraph.runtime.manifest import SpecSource
from hopgraph.runtime.record import Array, Predict

FORM = Form("toy", "float32", "model.toy", ("model.toy",), {}, {}, {})
VOCABULARY = 256
LENGTH = 8
SURE = np.float32(3)
"""The logit of the token that the toy language model expects; that of every other is 0."""


def port(kind: str, *shape: int, least: tuple[int, ...] | None = None, vocabulary: int | None = None) -> Port:
    names = {"image": ("channels", "height", "width"), "tokens": ("length",)}
    axes = names.get(kind, tuple(f"axis{index}" for index in range(len(shape))))
    return Port(kind, kind, "int64" if kind == "tokens" else "float32", axes, shape, shape if least is None else least, vocabulary)


def manifest_of(given: Port, output: tuple[int, ...], **fields: Any) -> Manifest:
    defaults: dict[str, Any] = {
        "hopgraph_bundle": 4,
        "name": "toy",
        "variant": "default",
        "cite": "",
        "spec": SpecSource("toy", "", (), (), ""),
        "dims": {},
        "parameters": 0,
        "input": given,
        "output": port("tensor", *output),
        "resize": None,
        "mean": (),
        "std": (),
        "labels": (),
        "tokenizer": None,
        "task": "",
        "data": "",
        "test": {},
        "certificate": (),
        "ledger": {},
        "versions": {},
        "weights": (),
        "forms": (FORM,),
        "files": (),
    }
    return Manifest(**defaults | fields)


def session_of(manifest: Manifest, run: Predict, **facts: Any) -> Session:
    def none() -> str | None:
        return None

    return Session(manifest, replace(FORM, facts=facts), Runtime("toy", "toy", none, lambda opening: run), run)


def rounds(run: Callable[[NDArray[Any]], Array]) -> tuple[Predict, list[int]]:
    """The same model, and the sizes of the batches that it was given."""
    sizes: list[int] = []

    def counted(inputs: NDArray[Any]) -> Array:
        sizes.append(len(inputs))
        return run(inputs)

    return counted, sizes


CLASSIFIER = manifest_of(port("image", 1, 2, 2), (3,), labels=("dark", "middle", "bright"), mean=(0.5,), std=(0.25,), task="classification")


def brightness(images: NDArray[Any]) -> Array:
    """A classifier: -2 where all pixels are 0 after normalization, 2 where they are 1."""
    mean = images.mean((1, 2, 3), dtype=np.float32)
    return np.stack([-mean, 0 * mean, mean], -1)


SPEAKER = manifest_of(port("tokens", LENGTH, vocabulary=VOCABULARY), (LENGTH, VOCABULARY), task="language")


def successor(tokens: NDArray[Any]) -> Array:
    """A language model that expects after each byte the next greater one."""
    return np.eye(VOCABULARY, dtype=np.float32)[(tokens + 1) % VOCABULARY] * SURE


def seer(tokens: NDArray[Any]) -> Array:
    """No causal model: it sees the last token from everywhere."""
    return successor(np.broadcast_to(tokens[:, -1:], tokens.shape))
