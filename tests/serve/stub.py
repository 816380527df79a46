"""A server over a model of a few lines, for tests: `python -m tests.serve.stub KIND SETTINGS`, in JSON the latter.

The model of images [1, 2, 3] gives the sum, the greatest number, and the batch that it was run in. Three inputs mean something:
where the first number of a row is 100, the model waits for the file `go` and says in `entered` that it does; where it is 200, it
fails; where it is 300, it gives infinity.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hopgraph.errors import HopgraphError
from hopgraph.runtime import Form, Manifest, Port, Runtime, Session
from hopgraph.runtime.manifest import SpecSource
from hopgraph.runtime.record import Array
from hopgraph.serve import connection
from hopgraph.serve.server import serve
from hopgraph.serve.settings import Settings

WAIT, FAIL, OVERFLOW = 100.0, 200.0, 300.0
LABELS = ("sum", "greatest", "batch")


def manifest(reads: Port, gives: Port, labels: tuple[str, ...]) -> Manifest:
    """The manifest of a model that was never exported."""
    spec = SpecSource("stub", "", (), (), "")
    none: dict[str, Any] = {}
    told: tuple[Any, ...] = ()
    return Manifest(
        4,
        "stub",
        "default",
        "",
        spec,
        none,
        0,
        reads,
        gives,
        None,
        told,
        told,
        labels,
        None,
        "",
        "",
        none,
        told,
        none,
        none,
        told,
        told,
        told,
    )


def pictures(inputs: NDArray[Any]) -> Array:
    """The model of images."""
    rows = inputs.reshape(len(inputs), -1)
    if (rows[:, 0] == WAIT).any():
        Path("entered").touch()
        while not Path("go").exists():
            time.sleep(0.005)
    if (rows[:, 0] == FAIL).any():
        raise RuntimeError("out of memory")
    rows = np.where(rows == OVERFLOW, np.float32(np.inf), rows)
    return np.stack([rows.sum(1), rows.max(1), np.full(len(rows), len(rows))], 1).astype(np.float32)


def engine(inputs: NDArray[Any]) -> Array:
    """The model of images, which takes from 2 to 5 rows at once."""
    if not 2 <= len(inputs) <= 5:
        raise RuntimeError(f"{len(inputs)} rows are out of range")
    return pictures(inputs)


def tokens(inputs: NDArray[Any]) -> Array:
    """The model of tokens: each, once and twice."""
    return np.stack([inputs, 2 * inputs], -1).astype(np.float32)


IMAGE = Port("image", "image", "float32", ("channels", "height", "width"), (1, 2, 3), (1, 2, 3), None)
TOKENS = Port("tokens", "tokens", "int64", ("n",), (4,), (4,), 7)
TEXTS = Port("tokens", "tokens", "int64", ("n",), (4,), (1,), 7)
OF_IMAGES = manifest(IMAGE, Port("numbers", "tensor", "float32", ("classes",), (3,), (3,), None), LABELS)
MODELS = {
    "image": (OF_IMAGES, pictures),
    "engine": (OF_IMAGES, engine),
    "tokens": (manifest(TOKENS, Port("numbers", "tensor", "float32", ("n", "v"), (4, 2), (4, 2), None), ()), tokens),
    "texts": (manifest(TEXTS, Port("numbers", "tensor", "float32", ("n", "v"), (4, 2), (1, 2), None), ()), tokens),
}


def session(kind: str) -> Session:
    """A session of one of the models."""
    found, run = MODELS[kind]
    runtime = Runtime("stub", "stub", lambda: None, lambda _: run)
    facts = {"batches": [2, 4, 5]} if kind == "engine" else {}
    return Session(found, Form("stub", "float32", "model", (), {}, {}, facts), runtime, run)


def main() -> None:
    """Serve, and end as `hopgraph serve` does."""
    settings = json.loads(sys.argv[2])
    connection.HEAD_SECONDS = settings.pop("head_seconds", connection.HEAD_SECONDS)
    try:
        whole = serve(session(sys.argv[1]), Settings(**settings))
    except HopgraphError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    sys.stderr.flush()
    os._exit(0 if whole else 1)  # the model may still run in its thread


if __name__ == "__main__":
    main()
