"""`hopgraph recall`: patterns from a file into a spec's weight, states from a file or from the patterns, and the dynamics."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from hopgraph.files import require_free, write_bytes
from hopgraph.lower.model import Model, block_certificate, compile_model
from hopgraph.passes.pipeline import CheckedSpec, load
from hopgraph.recall.arrays import Array, load_patterns, wrong
from hopgraph.recall.dynamics import corrupted, in_float64, recall
from hopgraph.recall.memory import find_memory, fitting_settings, only_memory, require_fit, store, stored_patterns
from hopgraph.recall.report import Report
from hopgraph.train.run import WEIGHTS, load_weights


@dataclass(frozen=True)
class Request:
    """What is recalled, and how.

    `patterns` are put into the weight `into` (the only one that reads the entry layer where it is None), `weights` into all of the
    spec's: at least one of the two is given. The first states are those of the file `state`, else the stored patterns, with a
    share `corrupt` of the signs flipped and `noise` added.
    """

    patterns: Path | None = None
    tensor: str | None = None
    weights: Path | None = None
    into: str | None = None
    state: Path | None = None
    corrupt: float = 0.0
    noise: float = 0.0
    seed: int = 0
    block: int = 0
    steps: int = 100
    tolerance: float = 1e-6
    out: Path | None = None
    force: bool = False
    allow_large: bool = False

    def __post_init__(self) -> None:
        assert self.patterns is not None or self.weights is not None
        assert 0 <= self.corrupt <= 1
        assert math.isfinite(self.noise)


def run_recall(spec: str, variant: str | None, settings: Sequence[str] | None, request: Request) -> Report:
    """Recall as asked, and write the last states of the entry layer where asked, [batch, *axes]. Raises HopgraphError."""
    if request.out is not None:
        require_free(request.out, request.force)
    model = _model(spec, variant, settings, request)
    entry = _first_states(model, request)
    with torch.no_grad():
        states = model.start(entry, request.block)
    found = recall(model, states, request.block, request.steps, request.tolerance)
    name = model.ham.blocks[request.block].entry
    if request.out is not None:
        write_bytes(request.out, _npy(found.states[name].numpy()))
    certificate = block_certificate(model.spec, request.block)
    return Report(found, model.spec.name, str(certificate), certificate.energy, request.steps, request.state is None)


def _npy(array: Array) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


# --- the model --------------------------------------------------------------------------------------------------------


def _model(spec: str, variant: str | None, settings: Sequence[str] | None, request: Request) -> Model:
    """The spec's model in float64 with the weights and patterns in it; what neither gives is drawn from the seed."""
    checked = load(spec, variant, settings)
    _require_block(checked, request.block)
    patterns = None if request.patterns is None else load_patterns(request.patterns, request.tensor)
    if patterns is not None:
        shape = (len(patterns), patterns.shape[1])
        fitting = fitting_settings(checked, find_memory(checked, request.block, request.into), shape)
        checked = load(spec, variant, [*(settings or ()), *fitting])
        require_fit(checked, find_memory(checked, request.block, request.into), shape, str(request.patterns))
    model = compile_model(checked, allow_large=request.allow_large)
    model.reset_parameters(torch.Generator().manual_seed(request.seed))
    if request.weights is not None:
        path = request.weights
        load_weights(model, path / WEIGHTS if path.is_dir() else path, path)
    model = in_float64(model)
    if patterns is not None:
        store(model, find_memory(checked, request.block, request.into), patterns)
    return model


def _require_block(spec: CheckedSpec, block: int) -> None:
    count = len(spec.ham.blocks)
    if block >= count:
        some = "block, number 0" if count == 1 else f"blocks, numbered from 0 to {count - 1}"
        raise wrong(f"`{spec.name}` has no block {block}: it has {count} {some}")


# --- the first states -------------------------------------------------------------------------------------------------


def _first_states(model: Model, request: Request) -> torch.Tensor:
    """The first states of the entry layer, [batch, *axes]."""
    block = model.ham.blocks[request.block]
    layer = block.layer(block.entry)
    shape = layer.shape(block.axes)
    if request.state is not None:
        given = torch.from_numpy(load_patterns(request.state))
        if given.shape[1] != math.prod(shape):
            sizes = ", ".join(f"{axis}={block.axes[axis]}" for axis in layer.axes)
            message = f"`{request.state}` holds states of {given.shape[1]} numbers, and layer `{layer.name}` of `{model.spec.name}` has "
            raise wrong(f"{message}{math.prod(shape)} ({sizes})")
    else:
        memory = only_memory(model.spec, request.block)
        if memory is None:
            message = f"the patterns of `{model.spec.name}` are no states of its entry layer `{layer.name}`: nothing says where to start"
            raise wrong(message, helps=("give the first states with `--state FILE`",))
        given = stored_patterns(model, memory)
    return corrupted(given, request.corrupt, request.noise, request.seed).reshape(-1, *shape)
