"""The oracle: energy and pulls straight from the graph, slow and obvious, to hold the compiled program against.

It shares nothing with the compiled pulls: activations are autograd of the Lagrangians' formulas, chains are einsums, and a
pull is -dE_s/dg by autograd, with the activations as independent leaves (differentiating through the fast layers would
count a pull's indirect parts too).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hopgraph.energy.lagrangians import breaking_gain, over_axes
from hopgraph.graph.ham import Block, Factor, Group, Ham, Layer, Pull, Synapse

Tensors = Mapping[str, Tensor]


class Oracle:
    """The energy of block `index`, with parameters by their stored names."""

    def __init__(self, ham: Ham, index: int, parameters: Tensors) -> None:
        self.block: Block = ham.block
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
        dims = tuple(1 + layer.axes.index(axis) for axis in over_axes(layer.options))
        return layer.record.value(x, dims, layer.options, weights).flatten(1).sum(1)

    def _layer_weights(self, layer: Layer, x: Tensor, group: Group | None) -> dict[str, Tensor]:
        """The layer's parameters, each with a dimension of size 1 for every axis that it lacks."""
        owner = layer.name
        if group is not None and layer.name in group.own_norms:
            owner = f"norm_{self.block.schedule.index(group)}_{layer.name}"
        found: dict[str, Tensor] = {}
        for field, spec in layer.parameters(self.block.axes).items():
            prefix = f"blocks.{self.index}.{owner}."
            tensor = self.parameters[f"{prefix}log_{field}"].exp() if spec.positive else self.parameters[prefix + field]
            found[field] = tensor.reshape([self.block.axes[axis] if axis in spec.axes else 1 for axis in layer.axes])
        return found

    # --- synapses ---

    def synapse_energy(self, synapse: Synapse, g: Mapping[str, Tensor], pull: Pull | None = None) -> Tensor:
        """E_s = - sum over axes of the product of the factors, [batch]. `g` is by factor.

        `pull` says whose weights are read: of an own pull its copies, of a penalized one base + V. The bias of that
        pull's own chain is left out: it adds a constant to E_s as a function of that factor, and may be no one's.
        """
        seen = [self._chain(synapse, factor, g[factor.name], pull) for factor in synapse.factors]
        letters: dict[str, str] = {}
        terms = [
            "a" + "".join(letters.setdefault(axis, chr(ord("b") + len(letters))) for axis in factor.axes) for factor in synapse.factors
        ]
        return -torch.einsum(f"{','.join(terms)}->a", *seen)

    def _chain(self, synapse: Synapse, factor: Factor, g: Tensor, pull: Pull | None) -> Tensor:
        for number, step in enumerate(factor.chain):
            label = step.kind if len(factor.chain) == 1 else f"{step.kind}_{number}"
            weights: dict[str, Tensor] = {}
            for field, spec in step.parameters(self.block.axes).items():
                if pull is None or not spec.offset or pull.factor != factor.name:
                    weights[field] = self._weight(synapse, factor, f"{label}.{field}", pull)
            g = step.record.reference(g, step.signature(self.block.axes), step.options, weights)
        return g

    def _weight(self, synapse: Synapse, factor: Factor, label: str, pull: Pull | None) -> Tensor:
        prefix = f"blocks.{self.index}.{synapse.name}"
        base = f"{prefix}.{factor.name}.{label}"
        if pull is None or pull.symmetry == "tied":
            return self.parameters[base]
        other = self.parameters[f"{prefix}.{pull.symmetry}_{pull.factor}.{factor.name}.{label}"]
        return other if pull.symmetry == "own" else self.parameters[base] + other

    def pull(self, synapse: Synapse, pull: Pull, activations: Mapping[str, Tensor]) -> Tensor:
        """-dE_s/dg on one factor by autograd, that factor's activation a leaf of its own."""
        target = synapse.factor(pull.factor)
        with torch.enable_grad():
            g = {factor.name: activations[factor.layer] for factor in synapse.factors if factor is not target}
            some = next(iter(g.values()))
            shape = [self.block.axes[axis] for axis in self.block.layer(target.layer).axes]
            leaf = some.new_zeros((len(some), *shape)).requires_grad_()  # E_s is affine in each factor: any value will do
            g[target.name] = leaf
            (gradient,) = torch.autograd.grad(-self.synapse_energy(synapse, g, pull).sum(), leaf, create_graph=True)
        return gradient

    def field(self, layer: Layer, activations: Mapping[str, Tensor], synapses: tuple[str, ...] | None = None) -> Tensor:
        """The sum of the pulls on a layer, of some synapses or of all."""
        total = None
        for synapse in self.block.synapses:
            for pull in synapse.pulls:
                wanted = synapses is None or synapse.name in synapses
                if wanted and pull.symmetry != "off" and synapse.factor(pull.factor).layer == layer.name:
                    part = self.pull(synapse, pull, activations)
                    total = part if total is None else total + part
        assert total is not None
        return total

    # --- blocks ---

    def settled(self, g: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The fast layers' states and all activations, given the slow layer's activation."""
        activations = {self.block.slow[0].name: g}
        states: dict[str, Tensor] = {}
        read = {name for group in self.block.schedule for name in group.fast}  # a layer that nothing reads has no weights
        for name in (name for name in self.block.fast_order if name in read):
            layer = self.block.layer(name)
            states[name] = self.field(layer, activations)
            activations[name] = self.activation(layer, states[name])
        return states, activations

    def update(self, x: Tensor) -> Tensor:
        """One update of all groups, each by its form and step."""
        layer = self.block.slow[0]
        for group in self.block.schedule:
            _, activations = self.settled(self.activation(layer, x, group))
            u = self.field(layer, activations, group.synapses)
            kept = x if group.form == "residual" else (1 - group.step) * x
            x = kept + group.step * u
        return x

    def energy(self, x: Tensor, which: str) -> Tensor:
        """E_eff = sum_l [<x_l, g_l> - L_l] + sum_s E_s at the fast layers' values, or E_h, the same without the slow layers' terms."""
        layer = self.block.slow[0]
        group = self.block.schedule[0]  # all groups see one norm, or there is no one energy
        states, activations = self.settled(self.activation(layer, x, group))
        if which == "E_eff":
            states[layer.name] = x
        total = torch.zeros(len(x), dtype=x.dtype, device=x.device)
        for name, state in states.items():
            total = total + self._legendre(self.block.layer(name), state, activations[name], group)
        for synapse in self.block.synapses:
            total = total + self.synapse_energy(synapse, {factor.name: activations[factor.layer] for factor in synapse.factors})
        return total

    def _legendre(self, layer: Layer, x: Tensor, g: Tensor, group: Group) -> Tensor:
        """<x, g> - L(x), [batch]."""
        return (x * g).flatten(1).sum(1) - self.lagrangian(layer, x, group)
