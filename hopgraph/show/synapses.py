"""Energies and pulls of synapses as index expressions, from the graph alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hopgraph.graph.ham import Block, Chain, ChainMap, Factor, Layer, Pull, Synapse, chain_parameters
from hopgraph.show.chains import adjoint, forward
from hopgraph.show.expression import Expression, Index, Negative, Symbol, Variable, index, product, summed, total
from hopgraph.show.indices import Array, At, Scope, Weight, Weights, place

LETTERS = {
    "dense": {"weight": "W", "bias": "b", "diagonals": "t", "left": "P", "right": "Q"},
    "conv": {"weight": "K", "bias": "b"},
    "scale": {"gain": "w"},
    "batch_norm": {"weight": "gamma", "bias": "beta", "running_mean": "mu", "running_var": "v"},
}
"""What a map's parameter is called in an equation."""
MAIN = ("W", "K", "t")
"""The letters of whole maps: the penalized departure of one of these is V, of another letter V with this letter above."""


def state(layer: Layer, variables: Sequence[Variable] = ()) -> Symbol:
    """X of a layer."""
    return Symbol("x", layer.name, tuple(index(variable) for variable in variables), source=layer.name)


def activation(layer: str, indices: Sequence[Index]) -> Symbol:
    """G of a layer."""
    return Symbol("g", layer, tuple(indices), source=layer)


def pull_label(synapse: Synapse, pull: Pull) -> str:
    """What a pull is called: `token→x`, or `attention→x.query` where the layer takes part more than once."""
    layer = synapse.factor(pull.factor).layer
    several = sum(factor.layer == layer for factor in synapse.factors) > 1
    return f"{synapse.name}→{layer}.{pull.factor}" if several else f"{synapse.name}→{layer}"


@dataclass(frozen=True)
class SynapseWriter:
    """Writes one synapse: its energy and its pulls."""

    block: Block
    synapse: Synapse
    scope: Scope

    # --- parameters ---

    def weights(self, factor: Factor, pull: Pull | None, *, returns: bool = False) -> Weights:
        """The parameters of a factor's chain as a pull reads them: base, own, or base plus the penalized departure V."""

        def of_map(path: str, step: ChainMap) -> Weight:
            def weight(name: str, indices: tuple[Index, ...], first: tuple[int, ...] = ()) -> Expression:
                letter = LETTERS.get(step.kind, {}).get(name, name)
                label = self._label(factor, path, returns=returns)
                symbol = Symbol(letter, label, indices, source=f"{path}.{name}", first=first)
                if returns and pull:
                    return self._returned(symbol, pull)
                spec = step.record.parameters(step.options, step.signature(self.block.axes))[name]
                return self._read(symbol, factor, pull, trainable=spec.trainable)

            return weight

        return of_map

    def _read(self, symbol: Symbol, factor: Factor, pull: Pull | None, *, trainable: bool) -> Expression:
        """A parameter as a pull reads it; the source of `symbol` is its path in the chain.

        Of a buffer a pull has a copy where it goes forward through the map; its adjoint reads the base's.
        """
        base = replace(symbol, source=f"{self.synapse.name}.{factor.name}.{symbol.source}")
        if pull is None or pull.symmetry == "tied" or (not trainable and factor.name == pull.factor):
            return base
        label = self._of_pull(symbol.label, pull)
        source = f"{self.synapse.name}.{pull.symmetry}_{pull.factor}.{factor.name}.{symbol.source}"
        if pull.symmetry == "own" or not trainable:
            return replace(symbol, label=label, source=source, mark="tilde")
        if symbol.letter not in MAIN:
            label = f"{label}.{symbol.letter}"
        return total(base, replace(symbol, letter="V", label=label, source=source))

    def _returned(self, symbol: Symbol, pull: Pull) -> Expression:
        """A parameter of an explicit return chain."""
        source = f"{self.synapse.name}.return_{pull.factor}.{symbol.source}"
        return replace(symbol, label=self._of_pull(symbol.label, pull), source=source, mark="hat")

    def _of_pull(self, label: str, pull: Pull) -> str:
        """A label with the pull's name, where several pulls have parameters of this kind."""
        return f"{label}→{pull.factor}" if sum(other.symmetry == pull.symmetry for other in self.synapse.pulls) > 1 else label

    def _label(self, factor: Factor, path: str, *, returns: bool) -> str:
        """The synapse, with its factor and the number of the map where these are needed to tell two weights apart."""
        chains = {other.name: self._maps(other.chain) for other in self.synapse.factors}
        mine = chains[factor.name]
        if returns:
            chain = self.synapse.pull(factor.name).returns or ()
            chains, mine = {factor.name: self._maps(chain)}, self._maps(chain)
        parts = [self.synapse.name]
        if sum(bool(maps) for maps in chains.values()) > 1:
            parts.append(factor.name)
        if len(mine) > 1:
            parts.append(str(1 + mine.index(path)))
        return ".".join(parts)

    def _maps(self, chain: Chain) -> list[str]:
        """The maps of a chain that have parameters, by label."""
        return list(dict.fromkeys(name.rpartition(".")[0] for name in chain_parameters(chain, self.block.axes)))

    # --- energy ---

    def seen(self, factor: Factor, pull: Pull | None) -> Array:
        """The factor A g at a place."""

        def read(at: At) -> Expression:
            return activation(factor.layer, [at[axis] for axis in factor.seen])

        return forward(self.scope, factor.chain, self.weights(factor, pull), read)

    def energy(self) -> Expression:
        """E_s with the base weights."""
        terms: list[Expression] = []
        if len(self.synapse.factors) > 1:
            variables = self.scope.each(tuple(dict.fromkeys(axis for factor in self.synapse.factors for axis in factor.axes)))
            at = place(variables)
            body = product(*(self.seen(factor, None)(at) for factor in self.synapse.factors))
            terms.append(Negative(summed(variables.values(), body)))
        return total(*terms, *(Negative(self._bias_energy(self.synapse.factor(name))) for name in self.synapse.biases))

    def _bias_energy(self, factor: Factor) -> Expression:
        variables = self.scope.each(self.block.layer(factor.layer).axes)
        at = place(variables)
        return summed(variables.values(), product(self._bias(factor, None, at), activation(factor.layer, list(at.values()))))

    def _bias(self, factor: Factor, pull: Pull | None, at: At) -> Expression:
        name, label = self.synapse.name, self.synapse.name
        if len(self.synapse.biases) > 1:
            label = f"{label}.{factor.name}"
        indices = tuple(at[axis] for axis in self.block.layer(factor.layer).axes if axis in self.synapse.biases[factor.name])
        return Symbol("b", label, indices, "hat", f"{name}.{factor.name}.bias")

    # --- pulls ---

    def pull(self, pull: Pull, variables: Sequence[Variable]) -> Expression:
        """-dE_s/dg on one factor, at the place that the layer's own indices name."""
        factor = self.synapse.factor(pull.factor)
        at = {axis: index(variable) for axis, variable in zip(factor.seen, variables, strict=True)}
        terms: list[Expression] = []
        if len(self.synapse.factors) > 1:
            terms.append(self._product(factor, pull)(at))
        if factor.name in self.synapse.biases:
            layer = self.block.layer(factor.layer)
            terms.append(self._bias(factor, pull, dict(zip(layer.axes, at.values(), strict=True))))
        return total(*terms)

    def _product(self, factor: Factor, pull: Pull) -> Array:
        """The product of the other factors, sent back through the factor's chain."""
        others = [self.seen(other, pull) for other in self.synapse.factors if other is not factor]
        axes = tuple(dict.fromkeys(axis for other in self.synapse.factors if other is not factor for axis in other.axes))

        def read(at: At) -> Expression:
            apart = self.scope.each(tuple(axis for axis in axes if axis not in factor.axes))
            inside = {**at, **place(apart)}
            return summed(apart.values(), product(*(other(inside) for other in others)))

        if pull.returns is not None:
            return forward(self.scope, pull.returns, self.weights(factor, pull, returns=True), read)
        return adjoint(self.scope, factor.chain, self.weights(factor, pull), read)
