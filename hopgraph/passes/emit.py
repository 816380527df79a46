"""The updates of one block, written into a program: activations, chains, pulls, circles, groups.

A pull is closed form: the adjoint of its factor's chain, applied to the product of the other factors. No autograd.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from hopgraph.energy.records import ZEROS, ParameterSpec, Value, constant
from hopgraph.graph.ham import Block, Chain, ChainMap, Circle, Factor, Group, Ham, Layer, Pull, Synapse, labelled
from hopgraph.program.builder import Builder

Values = Mapping[str, Value]
"""Values by the names of layers."""


class BlockEmitter:
    """Writes the updates of the block `index`, counted over all stages and depths."""

    def __init__(self, builder: Builder, ham: Ham, index: int) -> None:
        self.builder, self.index, self.blocks = builder, index, len(ham.blocks)
        self.block: Block = ham.blocks[index]
        self._chains: dict[tuple[str, ...], Value] = {}

    def name(self, *parts: str) -> str:
        """The name of a parameter of this block."""
        return ".".join(("blocks", str(self.index), *parts))

    def hint(self, *parts: str) -> str:
        """The name wanted for a value of this block."""
        return "_".join((*parts, str(self.index)))

    # --- updates ---

    def started(self, entry: Value) -> dict[str, Value]:
        """The first states of all slow layers, from the entry's."""
        states = {self.block.entry: entry}
        for start in self.block.starts:
            activations = self.settled(start.fast, self.activations(states))
            states[start.layer] = self.total(start.pulls, activations, start.layer)
        return states

    def update(self, number: int, states: Values) -> dict[str, Value]:
        """One group: residual x + a u, or decay (1 - a) x + a u, for each layer that it moves."""
        group = self.block.schedule[number]
        pulls = self.group_pulls(number, self.activations(states, number), states)
        return {name: self.moved(number, group, name, state, pulls[name]) if name in pulls else state for name, state in states.items()}

    def moved(self, number: int, group: Group, name: str, state: Value, pull: Value) -> Value:
        """The state of a layer after a pull u."""
        if group.step.learned:
            return self.moved_by_learned(number, group, name, state, pull)
        step = group.step.value / self.block.layer(name).tau
        if group.form == "decay" and step == 1:
            return pull
        if step != 1:
            pull = self.builder.op("scale", pull, factor=step)
        if group.form == "decay":
            state = self.builder.op("scale", state, factor=1 - step)
        return self.builder.op("add", state, pull, hint=self.hint(name))

    def moved_by_learned(self, number: int, group: Group, name: str, state: Value, pull: Value) -> Value:
        """X + a u, or x + a (u - x), with a learned a."""
        step = self.learned_step(number, group, self.block.layer(name))
        if group.form == "decay":
            pull = self.builder.op("add", pull, self.builder.op("scale", state, factor=-1.0))
        return self.builder.op("add", state, self.builder.op("multiply", pull, step), hint=self.hint(name))

    def learned_step(self, number: int, group: Group, layer: Layer) -> Value:
        """The step of a group for a layer, divided by the layer's tau."""
        axes = tuple(axis for axis in layer.axes if axis in group.step.axes)
        init = constant(group.step.value if group.step.free else math.log(group.step.value))
        spec = ParameterSpec(axes, tuple(self.block.axes[axis] for axis in axes), init, positive=not group.step.free)
        step = self.builder.parameter(self.name(f"step_{number}", layer.name, "step"), spec)
        return step if layer.tau == 1 else self.builder.once("scale", step, factor=1 / layer.tau)

    # --- activations ---

    def activations(self, states: Values, number: int | None = None) -> dict[str, Value]:
        """G of the slow layers that something in a group reads (or all of them), with the group's own parameters where it has some."""
        read = self.read_by(number) if number is not None else set(states)
        return {name: self.activation(self.block.layer(name), state, number) for name, state in states.items() if name in read}

    def read_by(self, number: int) -> set[str]:
        """The layers whose activations the pulls of a group read, by way of fast layers too."""
        group = self.block.schedule[number]
        read: set[str] = set()
        pulls = [*group.pulls, *((synapse.name, pull.factor) for name in group.fast for synapse, pull in self.block.pulls_on(name))]
        for synapse, target in pulls:
            read |= {factor.layer for factor in self.block.synapse(synapse).factors if factor.name != target}
        return read

    def activation(self, layer: Layer, state: Value, number: int | None = None) -> Value:
        """G of a layer, with its own parameters of a group where the group says so."""
        own = number is not None and layer.name in self.block.schedule[number].own_norms
        owner = f"norm_{number}_{layer.name}" if own else layer.name
        specs = layer.parameters(self.block.axes)
        weights = {field: self.builder.parameter(self.name(owner, field), spec) for field, spec in specs.items()}
        return layer.record.activation(self.builder, state, layer.options, weights, self.hint("g", layer.name))

    def settled(self, fast: tuple[str, ...], activations: Values) -> dict[str, Value]:
        """The activations, and those of the fast layers, each after those that it reads, circles solved."""
        found = dict(activations)
        for name in fast:
            circle = self.block.circle(name)
            if circle is None:
                found[name] = self.fast_activation(name, found)
            elif name == circle.order[0]:
                self.solve(circle, found)
        return found

    def fast_activation(self, name: str, activations: Values) -> Value:
        """G of a fast layer at its input, the sum of the pulls on it that read what is known."""
        pulls = [(synapse.name, pull.factor) for synapse, pull in self.block.pulls_on(name) if _known(synapse, pull, activations)]
        return self.activation(self.block.layer(name), self.total(pulls, activations, name))

    def solve(self, circle: Circle, activations: dict[str, Value]) -> None:
        """Picard: the first layer from outside the circle; then, in each iteration, the rest in order and the first (Gauss-Seidel)."""
        first, *rest = circle.order
        activations[first] = self.fast_activation(first, activations)
        for _ in range(circle.iterations):
            for name in (*rest, first):
                activations[name] = self.fast_activation(name, activations)

    # --- pulls ---

    def group_pulls(self, number: int, activations: Values, like: Values, synapse: str | None = None) -> dict[str, Value]:
        """By layer, the sum of a group's pulls on it (of one synapse, or of all), after the fast layers that it needs.

        `like` are values with a batch and the axes of the layers: a sum of external fields alone has neither.
        """
        group = self.block.schedule[number]
        settled = self.settled(group.fast, activations)
        rate = group.drop.at(self.index, self.blocks) if group.drop else 0.0
        each = rate if group.drop and group.drop.per == "pull" else 0.0
        found: dict[str, Value] = {}
        for layer in self.block.moved(group):
            pulls = [pull for pull in group.pulls if self.target(pull) == layer.name and synapse in (None, pull[0])]
            total = self.total(pulls, settled, rate=each, like=like[layer.name])
            found[layer.name] = total if each else self.dropped(total, rate)
        return found

    def target(self, pull: tuple[str, str]) -> str:
        """The layer that a pull acts on."""
        return self.block.synapse(pull[0]).factor(pull[1]).layer

    def dropped(self, value: Value, rate: float) -> Value:
        """Stochastic depth."""
        return self.builder.op("drop_path", value, rate=rate) if rate else value

    def total(
        self, pulls: Iterable[tuple[str, str]], activations: Values, hint: str = "u", rate: float = 0.0, like: Value | None = None
    ) -> Value:
        """The sum of some pulls; external fields, which have no batch, come last."""
        values = [self.pull(synapse, factor, activations) for synapse, factor in pulls]
        if not any(value.batched for value in values):
            assert like is not None
            values.append(self.builder.op("scale", like, factor=0.0))
        values = [self.dropped(value, rate) if value.batched else value for value in values]
        total, *others = sorted(values, key=lambda value: not value.batched)
        for value in others:
            total = self.builder.op("add", total, value, hint=self.hint(hint))
        return total

    def pull(self, synapse_name: str, factor_name: str, activations: Values) -> Value:
        """-dE/dg on one factor: the adjoint of its chain, applied to the product of the others, and its bias."""
        synapse = self.block.synapse(synapse_name)
        target = synapse.factor(factor_name)
        bias = self.bias(synapse, target)
        if len(synapse.factors) == 1:
            assert bias is not None
            return bias
        hint = self.hint("pull", synapse.name, target.name)
        value = self.returned(synapse, target, self.product(synapse, target, activations, hint), hint)
        return value if bias is None else self.builder.op("add", value, bias, hint=hint)

    def product(self, synapse: Synapse, target: Factor, activations: Values, hint: str) -> Value:
        """The product of the other factors, contracted to the axes of the target."""
        pull = synapse.pull(target.name)
        others = [self.factor(synapse, factor, pull, activations[factor.layer]) for factor in synapse.factors if factor is not target]
        if len(others) == 1 and others[0].axes == target.axes:
            return others[0]
        return self.builder.contract(target.axes, *((other, other.axes) for other in others), hint=hint)

    def returned(self, synapse: Synapse, target: Factor, value: Value, hint: str) -> Value:
        """The product through the adjoint of the target's chain, or through the pull's own chain, with the axes of its layer."""
        pull = synapse.pull(target.name)
        if pull.returns is not None:
            weights = _Weights(self, synapse, pull, (f"return_{target.name}",), own=False)
            value = weights.forward(pull.returns, value, hint)
            value = value if value.axes == target.seen else self.builder.op("permute", value, order=target.seen, hint=hint)
        else:
            value = _Weights(self, synapse, pull, (target.name,)).adjoint(target.chain, value, hint)
        renamed = {new: old for old, new in target.rename.items()}
        return self.builder.rename(value, tuple(renamed.get(axis, axis) for axis in value.axes))

    def bias(self, synapse: Synapse, factor: Factor) -> Value | None:
        """The external field of a factor's layer, if the synapse has one."""
        if factor.name not in synapse.biases:
            return None
        layer = self.block.layer(factor.layer)
        axes = tuple(axis for axis in layer.axes if axis in synapse.biases[factor.name])
        spec = ParameterSpec(axes, tuple(self.block.axes[axis] for axis in axes), ZEROS)
        return self.builder.parameter(self.name(synapse.name, factor.name, "bias"), spec)

    def factor(self, synapse: Synapse, factor: Factor, pull: Pull, g: Value) -> Value:
        """A factor: its layer's activation, renamed, through its chain, with the weights that this pull reads. Computed once."""
        own = pull.factor if pull.symmetry in ("own", "penalized") else ""
        key = (synapse.name, factor.name, own, g.name)
        if key not in self._chains:
            value = self.builder.rename(g, factor.seen)
            self._chains[key] = _Weights(self, synapse, pull, (factor.name,)).forward(
                factor.chain, value, self.hint(synapse.name, factor.name)
            )
        return self._chains[key]


def _known(synapse: Synapse, pull: Pull, activations: Values) -> bool:
    return all(factor.layer in activations for factor in synapse.factors if factor.name != pull.factor)


class _Weights:
    """A chain with the weights that one pull reads: the base, its own copies, or the base plus the penalized departures V."""

    def __init__(self, emitter: BlockEmitter, synapse: Synapse, pull: Pull, owner: tuple[str, ...], own: bool = True) -> None:
        self.emitter, self.builder, self.synapse, self.pull = emitter, emitter.builder, synapse, pull
        self.owner = owner
        self.symmetry = pull.symmetry if own else "tied"
        self.sizes = emitter.block.axes

    def forward(self, chain: Chain, value: Value, hint: str, path: tuple[str, ...] = ()) -> Value:
        """A x + b."""
        for label, step in labelled(chain):
            if step.kind == "sum":
                parts = [self.forward(branch, value, hint, (*path, label, str(index))) for index, branch in enumerate(step.branches)]
                value = self.added(parts, hint)
            else:
                weights = self.weights(step, (*path, label))
                value = step.record.forward(self.builder, value, step.signature(self.sizes), step.options, weights, hint)
        return value

    def adjoint(self, chain: Chain, value: Value, hint: str, path: tuple[str, ...] = ()) -> Value:
        """A* y. The adjoint reads no offset."""
        for label, step in reversed(labelled(chain)):
            if step.kind == "sum":
                parts = [self.adjoint(branch, value, hint, (*path, label, str(index))) for index, branch in enumerate(step.branches)]
                value = self.added(parts, hint)
            else:
                weights = self.weights(step, (*path, label), offsets=False)
                value = step.record.adjoint(self.builder, value, step.signature(self.sizes), step.options, weights, hint)
        return value

    def added(self, parts: list[Value], hint: str) -> Value:
        """The sum of the branches."""
        total, *others = parts
        for part in others:
            total = self.builder.op("add", total, part, hint=hint)
        return total

    def weights(self, step: ChainMap, path: tuple[str, ...], *, offsets: bool = True) -> dict[str, Value]:
        """What a map reads."""
        specs = step.record.parameters(step.options, step.signature(self.sizes))
        wanted = {field: spec for field, spec in specs.items() if offsets or not spec.offset}
        return {field: self.weight(".".join((*path, field)), spec, forward=offsets) for field, spec in wanted.items()}

    def weight(self, label: str, spec: ParameterSpec, *, forward: bool) -> Value:
        """One tensor as the pull reads it. A buffer is copied where a forward map keeps it up; an adjoint reads that of the base."""
        base = self.emitter.name(self.synapse.name, *self.owner, label)
        other = self.emitter.name(self.synapse.name, f"{self.symmetry}_{self.pull.factor}", *self.owner, label)
        if self.symmetry == "own" if spec.trainable else self.symmetry != "tied" and forward:
            return self.builder.parameter(other, spec, base=base)
        value = self.builder.parameter(base, spec)
        if self.symmetry != "penalized" or not spec.trainable:
            return value
        departure = self.builder.parameter(other, spec, penalty=self.pull.penalty, rate=self.rate(), base=base)
        return self.builder.once("add", value, departure, hint=other)

    def rate(self) -> str | None:
        """The stored name of a lambda that is learned."""
        penalty = self.pull.penalty
        if penalty is None or not penalty.learned:
            return None
        spec = ParameterSpec((), (), constant(math.log(penalty.start)), positive=True)
        return self.builder.declare(self.emitter.name(self.synapse.name, f"penalized_{self.pull.factor}", "lambda"), spec).stored_name
