"""A bundle of a model that was never trained, which takes a second to make."""

from __future__ import annotations

from pathlib import Path

import torch

from hopgraph.export.bundle import export
from hopgraph.lower.model import compile_model
from hopgraph.passes.pipeline import load
from hopgraph.runtime import Bundle
from hopgraph.train.run import FORMAT, Record, SpecText, read_run, write_run


def untrained(folder: Path, variant: str, settings: tuple[str, ...]) -> Bundle:
    """A ParaMixer with random weights, as ONNX, in a folder that is empty."""
    spec = load("paramixer", variant, settings)
    torch.manual_seed(0)
    weights = {name: tensor + 0.02 * torch.randn_like(tensor) for name, tensor in compile_model(spec).state_dict().items()}
    channels, labels = spec.ham.input.shape[0], tuple(map(str, range(10)))
    record = Record(FORMAT, SpecText.of(spec), "", (0.5,) * channels, (0.3,) * channels, labels, {}, {})
    write_run(folder / "run", record, weights)
    return export([read_run(folder / "run")], ["onnx"], folder / "bundle")
