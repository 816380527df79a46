"""Train the small model of the tests in a process of its own.

    python -m tests.train.worker OUT VARIANT RECIPE [STRATEGY [DATA]]

RECIPE is JSON. DATA is streamed. A line `step N` is printed after every optimizer step, and `done` at the end. What is there is gone on
with, and checkpoints are written all the time.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from hopgraph.errors import HopgraphError
from hopgraph.train import loop
from hopgraph.train.data import load_data, memory
from hopgraph.train.logs import Progress
from hopgraph.train.recipe import Recipe
from tests.train.conftest import few_digits, mixer


def told(progress: Progress) -> None:
    print("step", progress.step, flush=True)


def main(out: str, variant: str, recipe: str, strategy: str = "ddp", name: str = "") -> None:
    torch.set_num_threads(1)  # as in the tests: rounding depends on it
    if name:
        memory.SHARE = 0.0  # there is none for data
    data = load_data(name) if name else few_digits(load_data("digits"))
    loop.REPORT_SECONDS, loop.CHECKPOINT_SECONDS = 0.0, 0.02
    settings = Recipe.model_validate(json.loads(recipe))
    assert strategy in ("ddp", "fsdp")
    try:
        loop.train(mixer(variant), data, settings, Path(out), resume=True, report=told, strategy=strategy)
    except HopgraphError as error:
        raise SystemExit(str(error)) from None
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
