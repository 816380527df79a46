"""The oracle: energy and pulls straight from the graph, slow and obvious, to hold the compiled program against.

It shares nothing with the compiled pulls: activations are autograd of the Lagrangians' formulas, chains are the maps'
references, and a pull is -dE_s/dg by autograd, with the activations as independent leaves (differentiating through the fast
layers would count a pull's indirect parts too, and through a truncated circle miss the pull).

States and activations are tensors [batch, *axes] by the names of layers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from hopgraph.energy.lagrangians import breaking_gain
from hopgraph.energy.records import ParameterSpec
from hopgraph.graph.ham import Block, Chain, Circle, Factor, Group, Ham, Layer, Pull, Synapse, labelled

Tensors = Mapping[str, Tensor]


class Oracle:
    """The energy of block `index`, with parameters and buffers by their stored names."""

    def __init__(self, ham: Ham, index: int, parameters: Tensors) -> None:
        self.block: Block = ham.blocks[index]
        self.index = index
        self.parameters = parameters

    # --- Lagrangians ---

    def lagrangian(self, layer: Layer, x: Tensor, group: Group | None = None) -> Tensor:
        """L(x), [batch]."""
        return self._value(layer, x, self._layer_weights(layer, x, group))

    def activation(self, layer: Layer, x: Tensor, group: Group | None = None) -> Tensor:
        """G = dL/dx by autograd, differentiable again.

        A gain along a normalized axis belongs to no Lagrangian: there g is the gain times the gradient without it.
        """
        weights = self._layer_weights(layer, x, group)
        apart = dict(weights) if breaking_gain(layer.options, layer.axes) else {}
        inside = {} if apart else weights
        with torch.enable_grad():
            leaf = x if x.requires_grad else x.detach().requires_grad_()
            (g,) = torch.autograd.grad(self._value(layer, leaf, inside).sum(), leaf, create_graph=True)
        return g * apart["gain"] + apart.get("bias", 0.0) if apart else g

    def _value(self, layer: Layer, x: Tensor, weights: Tensors) -> Tensor:
        return layer.record.value(x, layer.axes, layer.options, weights).flatten(1).sum(1)

    def _layer_weights(self, layer: Layer, x: Tensor, group: Group | None) -> dict[str, Tensor]:
        """The layer's parameters, each with a dimension of size 1 for every axis that it lacks."""
        found: dict[str, Tensor] = {}
        for field, spec in layer.parameters(self.block.axes).items():
            prefix = f"{self._owner(layer, group)}."
            tensor = self.parameters[f"{prefix}log_{field}"].exp() if spec.positive else self.parameters[prefix + field]
            found[field] = tensor.reshape([self.block.axes[axis] if axis in spec.axes else 1 for axis in layer.axes])
        return found

    # --- synapses ---

    def synapse_energy(self, synapse: Synapse, g: Tensors, pull: Pull | None = None) -> Tensor:
        """E_s = - sum over axes of the product of the factors - sum of <b_f, g_f>, [batch]. `g` is by factor.

        `pull` says whose weights are read: of an own pull its copies, of a penalized one base + V. The offsets of that
        pull's own chain are left out: they add a constant to E_s as a function of that factor, and may be no one's.
        """
        some = next(iter(g.values()))
        total = torch.zeros(len(some), dtype=some.dtype, device=some.device)
        if len(synapse.factors) > 1:
            seen = [self._factor(synapse, factor, g[factor.name], pull) for factor in synapse.factors]
            total = total - _product([factor.axes for factor in synapse.factors], seen)
        for name in synapse.biases:
            if pull is None or pull.factor == name:
                total = total - (self._bias(synapse, synapse.factor(name)) * g[name]).flatten(1).sum(1)
        return total

    def _bias(self, synapse: Synapse, factor: Factor) -> Tensor:
        """The external field with a dimension of size 1 for every axis of the layer that it lacks; 0 where it never acts."""
        bias = self.parameters.get(f"blocks.{self.index}.{synapse.name}.{factor.name}.bias")
        if bias is None:
            return torch.zeros(())
        axes = self.block.layer(factor.layer).axes
        return bias.reshape([self.block.axes[axis] if axis in synapse.biases[factor.name] else 1 for axis in axes])

    def _factor(self, synapse: Synapse, factor: Factor, g: Tensor, pull: Pull | None) -> Tensor:
        symmetry = pull.symmetry if pull else "tied"
        own = pull is not None and pull.factor == factor.name
        return self._chain(synapse, factor.chain, g, factor.name, symmetry, pull, offsets=not own)

    def _chain(
        self,
        synapse: Synapse,
        chain: Chain,
        g: Tensor,
        path: str,
        symmetry: str,
        pull: Pull | None,
        *,
        offsets: bool = True,
        own: bool = False,
    ) -> Tensor:
        """A g + b through a chain; with `offsets` false A g, the linear part alone, as the difference to what 0 gives.

        `own` says that it is the pull's own chain, whose buffers are the base's.
        """
        if not offsets:
            zero = self._chain(synapse, chain, torch.zeros_like(g), path, symmetry, pull, own=True)
            return self._chain(synapse, chain, g, path, symmetry, pull, own=True) - zero
        for label, step in labelled(chain):
            here = f"{path}.{label}"
            if step.kind == "sum":
                branches = enumerate(step.branches)
                g = sum(
                    (self._chain(synapse, branch, g, f"{here}.{index}", symmetry, pull, own=own) for index, branch in branches),
                    torch.zeros(()),
                )
                continue
            specs = step.record.parameters(step.options, step.signature(self.block.axes))
            weights = {field: self._weight(synapse, f"{here}.{field}", symmetry, pull, spec, g, own) for field, spec in specs.items()}
            g = step.record.reference(g, step.signature(self.block.axes), step.options, weights)
        return g

    def _weight(
        self, synapse: Synapse, label: str, symmetry: str, pull: Pull | None, spec: ParameterSpec, like: Tensor, own: bool
    ) -> Tensor:
        """A weight as a pull reads it. An offset that no pull reads is no parameter: any value does, since it cancels."""
        prefix = f"blocks.{self.index}.{synapse.name}"
        none = like.new_zeros(spec.shape)
        base = self.parameters.get(f"{prefix}.{label}", none)
        if pull is None or symmetry == "tied" or (own and not spec.trainable):
            return base
        other = self.parameters.get(f"{prefix}.{symmetry}_{pull.factor}.{label}", none)
        return other if symmetry == "own" or not spec.trainable else base + other

    def pull(self, synapse: Synapse, pull: Pull, activations: Tensors) -> Tensor:
        """-dE_s/dg on one factor by autograd, that factor's activation a leaf of its own; or its return chain, applied forwards."""
        target = synapse.factor(pull.factor)
        given = {factor.name: activations[factor.layer] for factor in synapse.factors if factor is not target}
        if pull.returns is not None:
            return self._returned(synapse, pull, given)
        some = next(iter(activations.values()))
        shape = self.block.layer(target.layer).shape(self.block.axes)
        with torch.enable_grad():
            leaf = some.new_zeros((len(some), *shape)).requires_grad_()  # E_s is affine in each factor: any value will do
            energy = self.synapse_energy(synapse, {**given, target.name: leaf}, pull)
            (gradient,) = torch.autograd.grad(-energy.sum(), leaf, create_graph=True)
        return gradient

    def _returned(self, synapse: Synapse, pull: Pull, given: Tensors) -> Tensor:
        """The product of the other factors through the explicit return chain, with the axes of the layer in their order."""
        target = synapse.factor(pull.factor)
        others = [factor for factor in synapse.factors if factor is not target]
        seen = [self._factor(synapse, factor, given[factor.name], pull) for factor in others]
        value = _product([factor.axes for factor in others], seen, target.axes)
        assert pull.returns is not None
        value = self._chain(synapse, pull.returns, value, f"return_{pull.factor}", "tied", pull)
        ends = pull.returns[-1].target if pull.returns else target.axes
        value = value.permute(0, *(1 + ends.index(axis) for axis in target.seen))
        return value if target.name not in synapse.biases else value + self._bias(synapse, target)

    def field(self, layer: Layer, activations: Tensors, pulls: Iterable[tuple[str, str]] | None = None) -> Tensor:
        """The sum of the pulls on a layer, of some pulls or of all."""
        chosen = None if pulls is None else set(pulls)
        parts = [
            self.pull(synapse, pull, activations)
            for synapse, pull in self.block.pulls_on(layer.name)
            if chosen is None or (synapse.name, pull.factor) in chosen
        ]
        assert parts
        return sum(parts[1:], parts[0])

    # --- blocks ---

    def settled(self, activations: Tensors, fast: Iterable[str] | None = None) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The fast layers' states and all activations, given the slow layers' activations. `fast` are those needed, else all read."""
        found, states = dict(activations), dict[str, Tensor]()
        needed = set(fast) if fast is not None else {name for group in self.block.schedule for name in group.fast}
        for name in self.block.fast_order:
            circle = self.block.circle(name)
            if name not in needed or (circle is not None and name != circle.order[0]):
                continue
            for member in self._turns(circle) if circle else (name,):
                layer = self.block.layer(member)
                states[member] = self.field(layer, found, self._available(layer, found))
                found[member] = self.activation(layer, states[member])
        return states, found

    def _turns(self, circle: Circle) -> list[str]:
        """The layers of a circle in the order in which they are computed."""
        first, *rest = circle.order
        return [first, *([*rest, first] * circle.iterations)]

    def _available(self, layer: Layer, activations: Tensors) -> list[tuple[str, str]]:
        """The pulls on a layer that read what is known."""
        found: list[tuple[str, str]] = []
        for synapse, pull in self.block.pulls_on(layer.name):
            if all(factor.layer in activations for factor in synapse.factors if factor.name != pull.factor):
                found.append((synapse.name, pull.factor))
        return found

    def residuals(self, states: Tensors) -> dict[str, Tensor]:
        """By the first layer of each circle, how far it is from a fixed point: |g' - g| / |g| after one more iteration, [batch]."""
        found: dict[str, Tensor] = {}
        for circle in self.block.circles:
            first, *rest = circle.order
            group = next((group for group in self.block.schedule if first in group.fast), None)
            if group is None:
                continue
            _, activations = self.settled(self.activations(states, group), group.fast)
            more = dict(activations)
            for name in (*rest, first):
                layer = self.block.layer(name)
                more[name] = self.activation(layer, self.field(layer, more))
            before, after = activations[first], more[first]
            change, size = ((after - before).flatten(1).square().sum(1), before.flatten(1).square().sum(1))
            least = torch.finfo(before.dtype).tiny  # a relu may be 0 everywhere
            found[first] = (change / size.clamp(min=least)).sqrt().detach()
        return found

    def activations(self, states: Tensors, group: Group | None = None) -> dict[str, Tensor]:
        """G of the slow layers, but for those whose parameters nothing reads."""
        layers = {name: self.block.layer(name) for name in states}
        return {name: self.activation(layer, states[name], group) for name, layer in layers.items() if self._is_read(layer, group)}

    def _is_read(self, layer: Layer, group: Group | None) -> bool:
        owner = self._owner(layer, group)
        specs = layer.parameters(self.block.axes).items()
        return all(f"{owner}.{'log_' if spec.positive else ''}{field}" in self.parameters for field, spec in specs)

    def _owner(self, layer: Layer, group: Group | None) -> str:
        """What a layer's parameters are named after: the layer, or a group that has its own."""
        if group is not None and layer.name in group.own_norms:
            return f"blocks.{self.index}.norm_{self.block.schedule.index(group)}_{layer.name}"
        return f"blocks.{self.index}.{layer.name}"

    def started(self, entry: Tensor) -> dict[str, Tensor]:
        """The first states of all slow layers, from the entry's."""
        states = {self.block.entry: entry}
        for start in self.block.starts:
            _, activations = self.settled(self.activations(states), start.fast)
            states[start.layer] = self.field(self.block.layer(start.layer), activations, start.pulls)
        return states

    def update(self, states: Tensors) -> dict[str, Tensor]:
        """One update of all groups, each by its form and step."""
        found = dict(states)
        for group in self.block.schedule:
            _, activations = self.settled(self.activations(found, group), group.fast)
            moved = {layer.name: self._moved(layer, group, found[layer.name], activations) for layer in self.block.moved(group)}
            found |= moved
        return found

    def _moved(self, layer: Layer, group: Group, x: Tensor, activations: Tensors) -> Tensor:
        u = self.field(layer, activations or {layer.name: x}, group.pulls)  # external fields alone read only the batch
        a = self._step(layer, group) / layer.tau
        return x + a * u if group.form == "residual" else (1 - a) * x + a * u

    def _step(self, layer: Layer, group: Group) -> Tensor:
        if not group.step.learned:
            return torch.tensor(group.step.value, dtype=torch.float64)
        prefix = f"blocks.{self.index}.step_{self.block.schedule.index(group)}.{layer.name}"
        step = self.parameters[f"{prefix}.step"] if group.step.free else self.parameters[f"{prefix}.log_step"].exp()
        return step.reshape([self.block.axes[axis] if axis in group.step.axes else 1 for axis in layer.axes])

    def energy(self, states: Tensors, relaxed: Iterable[str], group: Group | None = None) -> Tensor:
        """E = sum_l [<x_l, g_l> - L_l] + sum_s E_s, [batch]: over the fast layers at their values and the slow ones `relaxed`.

        Of a `group` the part that it descends: its own synapses and norms, the fast layers that it needs.
        """
        seen = group or self.block.schedule[0]  # all groups see one norm, or there is no one energy
        fast, activations = self.settled(self.activations(states, seen), group.fast if group else None)
        read = [name for name in relaxed if name in activations]  # a layer that nothing reads may have no parameters: it has no part
        shown = {**fast, **{name: states[name] for name in read}}
        some = next(iter(states.values()))
        total = torch.zeros(len(some), dtype=some.dtype, device=some.device)
        for name, state in shown.items():
            total = total + self._legendre(self.block.layer(name), state, activations[name], seen)
        for synapse in self._synapses(group):
            if all(factor.layer in activations for factor in synapse.factors):
                total = total + self.synapse_energy(synapse, {factor.name: activations[factor.layer] for factor in synapse.factors})
        return total

    def _synapses(self, group: Group | None) -> list[Synapse]:
        """The synapses of the block, or those that act in a group: on a layer that it moves, or on a fast one that it needs."""
        if group is None:
            return list(self.block.synapses)
        names = {name for name, _ in group.pulls} | {synapse.name for name in group.fast for synapse, _ in self.block.pulls_on(name)}
        return [synapse for synapse in self.block.synapses if synapse.name in names]

    def _legendre(self, layer: Layer, x: Tensor, g: Tensor, group: Group) -> Tensor:
        """<x, g> - L(x), [batch]."""
        return (x * g).flatten(1).sum(1) - self.lagrangian(layer, x, group)


def _product(axes: list[tuple[str, ...]], values: list[Tensor], out: tuple[str, ...] = ()) -> Tensor:
    """The product of tensors [batch, *axes], summed over every axis that is not in `out`, by einsum."""
    letters: dict[str, str] = {}
    terms = ["a" + "".join(letters.setdefault(axis, chr(ord("b") + len(letters))) for axis in each) for each in (*axes, out)]
    return torch.einsum(f"{','.join(terms[:-1])}->{terms[-1]}", *values)
