"""unroll: the scheduled graph to a program. Depth is written out with new weights; steps become a repeat.

`pull_program` and `update_program` write parts of the same model, under the same weight names, for what measures them:
u(g) of one group, and one whole update of a block.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

from hopgraph.energy.records import ParameterSpec, Value
from hopgraph.errors import At, Findings
from hopgraph.frontend.ends import ENDS
from hopgraph.graph.ham import Block, EndOp, Factor, Group, Ham, Layer, Pull, Synapse
from hopgraph.passes.base import Pass
from hopgraph.program.builder import Builder
from hopgraph.program.operations import OPERATIONS
from hopgraph.program.program import Program, Repeat, Statement

State = dict[str, Value]

MAX_PULLS = 20_000
"""How many pulls a model may evaluate, its depth and its steps written out."""
MAX_ELEMENTS = 10**11
"""How many parameters a model may have, and how many elements a value of one example."""


def run(ham: Ham, findings: Findings) -> Program:
    """The program of the whole model, from the input to the readout. A model past the limits is reported."""
    if _too_long(ham.block, findings):
        return Program(ham.name, (), (), (), ())
    builder = Builder()
    value = builder.input("image", tuple(ham.input), tuple(ham.input.values()))
    for end in ham.encoder:
        value = _end(builder, end, "encoder", value)
    for index in range(ham.block.depth):
        value = _block(builder, ham.block, index, value)
    for end in ham.readout:
        value = _end(builder, end, "readout", value)
    program = builder.program(ham.name, [value])
    _check_sizes(program, findings)
    return program


def _too_long(block: Block, findings: Findings) -> bool:
    """Report a model that evaluates too many pulls: those on slow layers, and in each group those on the fast layers it needs."""
    pulls = Counter(synapse.factor(pull.factor).layer for synapse in block.synapses for pull in synapse.pulls if pull.symmetry != "off")
    once = sum(len(group.pulls) + sum(pulls[name] for name in group.fast) for group in block.schedule)
    total = max(1, once) * block.depth * block.steps
    if total > MAX_PULLS:
        findings.add(
            "too-large",
            f"the model would evaluate {total:,} pulls; {MAX_PULLS:,} are the most",
            At(("block", "steps" if block.steps > block.depth else "depth")),
            notes=[f"depth {block.depth:,} x steps {block.steps:,} x {once:,} pulls"],
            helps=["lower `depth`, `steps` or the number of groups"],
        )
    return total > MAX_PULLS


def _check_sizes(program: Program, findings: Findings) -> None:
    """Report a program with too many parameters, or with a value that has too many elements."""
    largest = max(program.parameters, key=lambda parameter: math.prod(parameter.shape), default=None)
    if largest is not None and program.parameter_count > MAX_ELEMENTS:
        sizes = ", ".join(f"{axis}={size:,}" for axis, size in zip(largest.axes, largest.shape, strict=True))
        findings.add(
            "too-large",
            f"the model has {program.parameter_count:,} parameters; {MAX_ELEMENTS:,} are the most",
            At(("block",), key=True),
            notes=[f"the largest parameter is `{largest.name}`, [{sizes}]"],
            helps=["lower the dims"],
        )
    values = [statement.output for item in program.statements for statement in (item.body if isinstance(item, Repeat) else (item,))]
    value = max((*program.inputs, *values), key=lambda value: math.prod(value.shape))
    if math.prod(value.shape) > MAX_ELEMENTS and not findings.found:
        sizes = ", ".join(f"{axis}={size:,}" for axis, size in zip(value.axes, value.shape, strict=True))
        findings.add(
            "too-large",
            f"a value of the model has [{sizes}] elements; {MAX_ELEMENTS:,} are the most",
            At(("block",), key=True),
            helps=["lower the dims"],
        )


def update_program(ham: Ham, index: int) -> Program:
    """One update of block `index`, all its groups: slow state to slow state."""
    builder = Builder()
    layer = ham.block.slow[0]
    state = builder.input(f"{layer.name}_in", layer.axes, _shape(layer, ham.block))
    return builder.program(f"{ham.name}_update", [_step(builder, ham.block, index, state)])


def encoder_program(ham: Ham) -> Program:
    """The input to the first state."""
    builder = Builder()
    value = builder.input("image", tuple(ham.input), tuple(ham.input.values()))
    for end in ham.encoder:
        value = _end(builder, end, "encoder", value)
    return builder.program(f"{ham.name}_encoder", [value])


def activation_program(ham: Ham, index: int, group: int) -> Program:
    """g(x): the slow layer's state to its activation, with the norm parameters that the group reads."""
    builder = Builder()
    layer = ham.block.slow[0]
    state = builder.input(f"{layer.name}_in", layer.axes, _shape(layer, ham.block))
    emitter = _BlockEmitter(builder, ham.block, index)
    return builder.program(f"{ham.name}_activation", [emitter.activation(layer, state, ham.block.schedule[group], group)])


def pull_program(ham: Ham, index: int, group: int) -> Program:
    """u(g) of one group: the slow layer's activation to the sum of the pulls on it."""
    builder = Builder()
    layer = ham.block.slow[0]
    g = builder.input(f"g_{layer.name}_in", layer.axes, _shape(layer, ham.block))
    emitter = _BlockEmitter(builder, ham.block, index)
    return builder.program(f"{ham.name}_pull", [emitter.total_pull(ham.block.schedule[group], {layer.name: g})])


def _shape(layer: Layer, block: Block) -> tuple[int, ...]:
    return tuple(block.axes[axis] for axis in layer.axes)


def _end(builder: Builder, end: EndOp, part: str, value: Value) -> Value:
    record = ENDS[end.kind]
    weights = {
        name: builder.parameter(f"{part}.{end.name}.{name}", spec) for name, spec in record.parameters(end.options, end.source).items()
    }
    return record.emit(builder, value, end.options, weights, f"{part}_{end.name}")


def _block(builder: Builder, block: Block, index: int, value: Value) -> Value:
    layer = block.slow[0]
    if block.steps == 1:
        return _step(builder, block, index, value)
    carried = builder.placeholder(value, f"{layer.name}_{index}")
    start = len(builder.statements)
    result = _step(builder, block, index, carried)
    if result == carried:  # x <- g = x: the loop still needs a statement for its result
        result = builder.op("rename", carried, axes=carried.axes, hint=carried.name)
    return builder.repeat(block.steps, value, carried, start, result, f"{layer.name}_{index}_end")


def _step(builder: Builder, block: Block, index: int, state: Value) -> Value:
    emitter = _BlockEmitter(builder, block, index)
    for number in range(len(block.schedule)):
        state = emitter.update(number, state)
    return state


class _BlockEmitter:
    """Writes the updates of one block at one depth."""

    def __init__(self, builder: Builder, block: Block, index: int) -> None:
        self.builder, self.block, self.index = builder, block, index

    def name(self, *parts: str) -> str:
        """The name of a parameter of this block."""
        return ".".join(("blocks", str(self.index), *parts))

    def hint(self, *parts: str) -> str:
        return "_".join((*parts, str(self.index)))

    def update(self, number: int, state: Value) -> Value:
        """One group: residual x + a u, or decay (1 - a) x + a u."""
        group = self.block.schedule[number]
        layer = self.block.slow[0]
        if not group.pulls:
            return state
        g = self.activation(layer, state, group, number)
        pull = self.total_pull(group, {layer.name: g})
        if group.step != 1:
            pull = self.builder.op("scale", pull, factor=group.step)
        if group.form == "decay":
            if group.step == 1:
                return pull
            state = self.builder.op("scale", state, factor=1 - group.step)
        return self.builder.op("add", state, pull, hint=self.hint(layer.name))

    def activation(self, layer: Layer, state: Value, group: Group | None = None, number: int = 0) -> Value:
        """G of a layer, with its own parameters of this group where the group says so."""
        own = group is not None and layer.name in group.own_norms
        owner = f"norm_{number}_{layer.name}" if own else layer.name
        specs = layer.parameters(self.block.axes)
        weights = {field: self.builder.parameter(self.name(owner, field), spec) for field, spec in specs.items()}
        return layer.record.activation(self.builder, state, layer.options, weights, self.hint("g", layer.name))

    def total_pull(self, group: Group, activations: State) -> Value:
        """The sum of a group's pulls on the slow layer, after the fast layers that it needs."""
        activations = dict(activations)
        for name in group.fast:
            layer = self.block.layer(name)
            activations[name] = self.activation(layer, self.field(name, activations))
        return self._sum([self.pull(synapse, factor, activations) for synapse, factor in group.pulls], "u")

    def field(self, layer: str, activations: State) -> Value:
        """The state of a fast layer: the sum of all pulls on it."""
        pulls = [
            (synapse.name, pull.factor)
            for synapse in self.block.synapses
            for pull in synapse.pulls
            if pull.symmetry != "off" and synapse.factor(pull.factor).layer == layer
        ]
        return self._sum([self.pull(synapse, factor, activations) for synapse, factor in pulls], layer)

    def _sum(self, values: list[Value], hint: str) -> Value:
        total = values[0]
        for value in values[1:]:
            total = self.builder.op("add", total, value, hint=self.hint(hint))
        return total

    def pull(self, synapse_name: str, factor_name: str, activations: State) -> Value:
        """-dE/dg on one factor: the adjoint of its chain, applied to the product of the others."""
        synapse = self.block.synapse(synapse_name)
        pull = next(pull for pull in synapse.pulls if pull.factor == factor_name)
        target = synapse.factor(factor_name)
        others = [self.chain(synapse, factor, pull, activations[factor.layer]) for factor in synapse.factors if factor is not target]
        hint = self.hint("pull", synapse.name, target.name)
        value = others[0]
        if len(others) > 1 or value.axes != target.axes:
            value = self.builder.contract(target.axes, *((other, other.axes) for other in others), hint=hint)
        for index in reversed(range(len(target.chain))):
            step = target.chain[index]
            weights = self.weights(synapse, target, index, pull, own_chain=True)
            value = step.record.adjoint(self.builder, value, step.signature(self.block.axes), step.options, weights, hint)
        renamed = {new: old for old, new in target.rename.items()}
        axes = tuple(renamed.get(axis, axis) for axis in value.axes)
        return self.builder.rename(value, axes)

    def chain(self, synapse: Synapse, factor: Factor, pull: Pull, g: Value) -> Value:
        """A factor: its layer's activation, renamed, through its chain, with the weights that this pull reads."""
        value = self.builder.rename(g, factor.seen)
        for index, step in enumerate(factor.chain):
            weights = self.weights(synapse, factor, index, pull)
            hint = self.hint(synapse.name, factor.name)
            value = step.record.forward(self.builder, value, step.signature(self.block.axes), step.options, weights, hint)
        return value

    def weights(self, synapse: Synapse, factor: Factor, index: int, pull: Pull, own_chain: bool = False) -> Mapping[str, Value]:
        """What a map reads in one pull. The adjoint of a pull's own chain reads no bias."""
        step = factor.chain[index]
        label = step.kind if len(factor.chain) == 1 else f"{step.kind}_{index}"
        found: dict[str, Value] = {}
        for field, spec in step.parameters(self.block.axes).items():
            if own_chain and spec.offset:
                continue
            found[field] = self._weight(synapse, factor, f"{label}.{field}", spec, pull)
        return found

    def _weight(self, synapse: Synapse, factor: Factor, label: str, spec: ParameterSpec, pull: Pull) -> Value:
        """One weight as a pull reads it: the base, its own copy, or the base plus the penalized departure V."""
        base = self.name(synapse.name, factor.name, label)
        other = self.name(synapse.name, f"{pull.symmetry}_{pull.factor}", factor.name, label)
        if pull.symmetry == "own":
            return self.builder.parameter(other, spec, base=base)
        value = self.builder.parameter(base, spec)
        if pull.symmetry != "penalized":
            return value
        departure = self.builder.parameter(other, spec, pull.penalty, base)
        return self.builder.once("add", value, departure, hint=other)


def ensures(program: Program) -> list[str]:
    """Every input of a statement is computed before it, and every operation is one of the table's."""
    known = {value.name for value in program.inputs} | {parameter.stored_name for parameter in program.parameters}
    broken: list[str] = []
    for item in program.statements:
        if isinstance(item, Repeat):
            broken += _unsound(item.body, known | {item.state.name})
            known |= {statement.output.name for statement in item.body if not statement.output.batched} | {item.output.name}
        else:
            broken += _unsound((item,), known)
            known.add(item.output.name)
    return broken + [f"output {name} is not computed" for name in program.outputs if name not in known]


def _unsound(statements: tuple[Statement, ...], known: set[str]) -> list[str]:
    known = set(known)
    broken: list[str] = []
    for statement in statements:
        broken += [f"{statement.output.name} reads {name} too early" for name in statement.inputs if name not in known]
        broken += [] if statement.op in OPERATIONS else [f"unknown operation {statement.op}"]
        broken += [] if math.prod(statement.output.shape) else [f"{statement.output.name} is empty"]
        known.add(statement.output.name)
    return broken


PASS = Pass("unroll", run, ensures)
