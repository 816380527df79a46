"""The forward of a whole model, driven by the oracle: compiled encoder, downsampling and readout, and the oracle's updates between."""

from __future__ import annotations

from torch import Tensor

from hopgraph.graph.ham import EndOp
from hopgraph.lower.model import Model, compiled
from hopgraph.passes.parts import end_value
from hopgraph.program.builder import Builder


def oracle_forward(model: Model, image: Tensor) -> Tensor:
    """What the model gives, by way of the oracle's first states and updates."""
    value, index = model.encode(image), 0
    for number, stage in enumerate(model.ham.stages):
        value = through_ends(model, stage.down, f"down_{number}", value)
        for _ in range(stage.block.depth):
            value = oracle_block(model, index, value)
            index += 1
    return through_ends(model, model.ham.readout, "readout", value)


def oracle_block(model: Model, index: int, value: Tensor) -> Tensor:
    """One depth: its first states, and its steps."""
    oracle = model.oracle(index)
    states = oracle.started(value)
    for _ in range(oracle.block.steps):
        states = oracle.update(states)
    return states[oracle.block.exit]


def through_ends(model: Model, ends: tuple[EndOp, ...], part: str, value: Tensor) -> Tensor:
    """A state through encoder, downsampling or readout operations alone."""
    if not ends:
        return value
    builder = Builder()
    given = builder.input("state", tuple(ends[0].source), tuple(ends[0].source.values()))
    for end in ends:
        given = end_value(builder, model.ham, end, part, given)
    return compiled(builder.program("ends", [given]), "ends")(model, value)
