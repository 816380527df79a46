"""unroll: the scheduled graph to a program. Depth is written out with new weights; steps become a repeat."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

from hopgraph.energy.records import Value
from hopgraph.errors import At, Findings
from hopgraph.graph.ham import Block, Ham
from hopgraph.passes.base import Pass
from hopgraph.passes.emit import BlockEmitter
from hopgraph.passes.parts import end_value, model_input
from hopgraph.passes.sound import ensures
from hopgraph.program.builder import Builder
from hopgraph.program.program import Program, Repeat

MAX_PULLS = 20_000
"""How many pulls a model may evaluate, its depth and its steps written out."""
MAX_ELEMENTS = 10**11
"""How many parameters a model may have, and how many elements a value of one example."""


def run(ham: Ham, findings: Findings) -> Program:
    """The program of the whole model, from the input to the readout. A model past the limits is reported."""
    known = len(findings.found)
    parameter_count(ham, findings)
    return _written(ham) if len(findings.found) == known else Program(ham.name, (), (), (), ())


def parameter_count(ham: Ham, findings: Findings) -> int:
    """How many parameters the model has. A model past the limits is reported, without writing out its depth.

    Every depth of a block has as many parameters, and values of the same sizes, so one of each is written out.
    """
    if _too_long(ham, findings):
        return 0
    program = _written(replace(ham, stages=tuple(replace(stage, block=replace(stage.block, depth=1, steps=1)) for stage in ham.stages)))
    total = program.parameter_count
    for index, stage in enumerate(ham.stages):
        own = sum(item.size for item in program.parameters if item.trainable and item.stored_name.startswith(f"blocks.{index}."))
        total += (stage.block.depth - 1) * own
    _check_sizes(program, total, findings)
    return total


def _written(ham: Ham) -> Program:
    builder = Builder()
    value = model_input(builder, ham)
    for end in ham.encoder:
        value = end_value(builder, ham, end, "encoder", value)
    index = 0
    for number, stage in enumerate(ham.stages):
        for end in stage.down:
            value = end_value(builder, ham, end, f"down_{number}", value)
        for _ in range(stage.block.depth):
            value = _block(builder, ham, index, value)
            index += 1
    for end in ham.readout:
        value = end_value(builder, ham, end, "readout", value)
    return builder.program(ham.name, [value])


def _block(builder: Builder, ham: Ham, index: int, entry: Value) -> Value:
    """One depth of a block: its steps."""
    emitter = BlockEmitter(builder, ham, index)
    block = emitter.block
    states = emitter.started(entry)
    if block.steps > 1:
        return _repeated(builder, emitter, states)[block.exit]
    for number in range(len(block.schedule)):
        states = emitter.update(number, states)
    return states[block.exit]


def _repeated(builder: Builder, emitter: BlockEmitter, first: dict[str, Value]) -> dict[str, Value]:
    """The steps of a block as a loop that carries the layers that move; one that is clamped is read from outside."""
    block, index = emitter.block, emitter.index
    moving = [layer.name for layer in block.moving]
    carried = {name: builder.placeholder(first[name], f"{name}_{index}") for name in moving}
    start = len(builder.statements)
    states = {**first, **carried}
    for number in range(len(block.schedule)):
        states = emitter.update(number, states)
    for name in moving:
        if states[name] == carried[name]:  # x <- x: the loop still needs a statement for its result
            states[name] = builder.op("rename", carried[name], axes=carried[name].axes, hint=name)
    items = [(first[name], carried[name], states[name], f"{name}_{index}_end") for name in moving]
    return {**first, **dict(zip(moving, builder.repeat(block.steps, start, items), strict=True))}


# --- limits -----------------------------------------------------------------------------------------------------------


def _too_long(ham: Ham, findings: Findings) -> bool:
    """Report a model that evaluates too many pulls: those on slow layers, and in each group those on the fast layers it needs."""
    counts = [(stage.block, _pulls_of_step(stage.block)) for stage in ham.stages]
    total = sum(count * block.depth * block.steps for block, count in counts)
    if total > MAX_PULLS:
        block, count = max(counts, key=lambda item: item[1] * item[0].depth * item[0].steps)
        findings.add(
            "too-large",
            f"the model would evaluate {total:,} pulls; {MAX_PULLS:,} are the most",
            _longest(block),
            notes=[f"depth {block.depth:,} x steps {block.steps:,} x {count:,} pulls"],
            helps=["lower `depth`, `steps`, the iterations of a circle or the number of groups"],
        )
    return total > MAX_PULLS


def _longest(block: Block) -> At:
    """Where the spec says what is repeated most."""
    counts = {(*block.at, "depth"): block.depth, (*block.at, "steps"): block.steps}
    counts |= {(*circle.at, "iterations"): circle.iterations for circle in block.circles}
    return At(max(counts, key=lambda path: counts[path]))


def _pulls_of_step(block: Block) -> int:
    pulls = Counter({layer.name: len(block.pulls_on(layer.name)) for layer in block.layers})
    for circle in block.circles:
        for name in circle.order:
            pulls[name] *= 1 + circle.iterations
    return max(1, sum(len(group.pulls) + sum(pulls[name] for name in group.fast) for group in block.schedule))


def _check_sizes(program: Program, count: int, findings: Findings) -> None:
    """Report a model with too many parameters, or with a value that has too many elements. `program` has a depth of 1."""
    largest = max(program.parameters, key=lambda parameter: math.prod(parameter.shape), default=None)
    if largest is not None and count > MAX_ELEMENTS:
        sizes = ", ".join(f"{axis}={size:,}" for axis, size in zip(largest.axes, largest.shape, strict=True))
        findings.add(
            "too-large",
            f"the model has {count:,} parameters; {MAX_ELEMENTS:,} are the most",
            At(("block",), key=True),
            notes=[f"the largest parameter is `{largest.name}`, [{sizes}]"],
            helps=["lower the dims"],
        )
    value = largest_value(program)
    if math.prod(value.shape) > MAX_ELEMENTS and not findings.found:
        sizes = ", ".join(f"{axis}={size:,}" for axis, size in zip(value.axes, value.shape, strict=True))
        findings.add(
            "too-large",
            f"a value of the model has [{sizes}] elements; {MAX_ELEMENTS:,} are the most",
            At(("block",), key=True),
            helps=["lower the dims"],
        )


def largest_value(program: Program) -> Value:
    """The value with the most elements for one example."""
    values = [statement.output for item in program.statements for statement in (item.body if isinstance(item, Repeat) else (item,))]
    return max((*program.inputs, *values), key=lambda value: math.prod(value.shape))


PASS = Pass("unroll", run, ensures)
