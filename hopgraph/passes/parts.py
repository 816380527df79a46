"""Programs of parts of a model, under the same weight names as the whole, for what measures them.

States are of the slow layers that the block has, in its order; one of several layers takes and gives one value for each.
"""

from __future__ import annotations

from collections.abc import Iterable

from hopgraph.energy.records import Value
from hopgraph.frontend.ends import ENDS
from hopgraph.graph.ham import EndOp, Ham, Layer
from hopgraph.passes.emit import BlockEmitter
from hopgraph.program.builder import Builder
from hopgraph.program.program import Program


def model_input(builder: Builder, ham: Ham) -> Value:
    """The model's input: `image`, `tokens` or `tensor`."""
    return builder.input(ham.input.kind, tuple(ham.input.axes), tuple(ham.input.axes.values()), integer=ham.input.kind == "tokens")


def end_value(builder: Builder, ham: Ham, end: EndOp, part: str, value: Value) -> Value:
    """An encoder, downsampling or readout operation. A tied one reads weights of the encoder's embedding or of the last block's layer."""
    if end.kind == "sum":
        return _end_sum(builder, ham, end, part, value)
    record = ENDS[end.kind]
    ties = record.ties if end.options.get("tied") else ""
    owner = f"blocks.{len(ham.blocks) - 1}.{end.options['tied']}" if ties == "layer" else f"{part}.{end.name}"
    specs = record.parameters(end.options, end.source)
    weights = {name: builder.parameter(f"{owner}.{name}", spec) for name, spec in specs.items()}
    if ties == "embedding":
        weights["weight"] = builder.values[f"encoder.{end.options['tied']}.weight"]
    return record.emit(builder, value, end.options, weights, f"{part}_{end.name}")


def _end_sum(builder: Builder, ham: Ham, end: EndOp, part: str, value: Value) -> Value:
    """The sum of chains of operations, each of which reads the same value."""
    found: list[Value] = []
    for index, branch in enumerate(end.branches):
        result = value
        for inner in branch:
            result = end_value(builder, ham, inner, f"{part}.{end.name}.{index}", result)
        found.append(result)
    total, *others = found
    for other in others:
        total = builder.op("add", total, other, hint=f"{part}_{end.name}")
    return total


def encoder_program(ham: Ham) -> Program:
    """The input to the first state."""
    builder = Builder()
    value = model_input(builder, ham)
    for end in ham.encoder:
        value = end_value(builder, ham, end, "encoder", value)
    return builder.program(f"{ham.name}_encoder", [value])


def start_program(ham: Ham, index: int) -> Program:
    """The entry's state to the first states of all slow layers of a block."""
    builder = Builder()
    block = ham.blocks[index]
    (entry,) = _inputs(builder, ham, index, [block.layer(block.entry)], "{}_in")
    states = BlockEmitter(builder, ham, index).started(entry)
    return builder.program(f"{ham.name}_start", [states[layer.name] for layer in block.slow])


def update_program(ham: Ham, index: int) -> Program:
    """One update of a block, all its groups: slow states to slow states."""
    builder = Builder()
    block = ham.blocks[index]
    states = dict(zip((layer.name for layer in block.slow), _inputs(builder, ham, index, block.slow, "{}_in"), strict=True))
    emitter = BlockEmitter(builder, ham, index)
    for number in range(len(block.schedule)):
        states = emitter.update(number, states)
    return builder.program(f"{ham.name}_update", [states[layer.name] for layer in block.slow])


def activation_program(ham: Ham, index: int, group: int) -> Program:
    """g(x): slow states to the activations that a group reads, with the norm parameters that it reads."""
    builder = Builder()
    block = ham.blocks[index]
    emitter = BlockEmitter(builder, ham, index)
    states = dict(zip((layer.name for layer in block.slow), _inputs(builder, ham, index, block.slow, "{}_in"), strict=True))
    found = [emitter.activation(block.layer(name), states[name], group) for name in read_layers(ham, index, group)]
    return builder.program(f"{ham.name}_activation", found)


def read_layers(ham: Ham, index: int, group: int) -> tuple[str, ...]:
    """The slow layers whose activations a group reads. One that nothing reads has no activation, nor parameters of it."""
    read = BlockEmitter(Builder(), ham, index).read_by(group)
    return tuple(layer.name for layer in ham.blocks[index].slow if layer.name in read)


def pull_program(ham: Ham, index: int, group: int, synapse: str | None = None) -> Program:
    """u(g) of a group: the slow layers' activations to the sums of the pulls on the layers that it moves, of one synapse or of all."""
    builder = Builder()
    block = ham.blocks[index]
    emitter = BlockEmitter(builder, ham, index)
    given = _inputs(builder, ham, index, block.slow, "g_{}_in")
    activations = dict(zip((layer.name for layer in block.slow), given, strict=True))
    pulls = emitter.group_pulls(group, activations, activations, synapse)
    return builder.program(f"{ham.name}_pull", list(pulls.values()))


def _inputs(builder: Builder, ham: Ham, index: int, layers: Iterable[Layer], name: str) -> list[Value]:
    sizes = ham.blocks[index].axes
    return [builder.input(name.format(layer.name), layer.axes, layer.shape(sizes)) for layer in layers]
