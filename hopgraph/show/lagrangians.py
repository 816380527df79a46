"""Layers with their Lagrangians and activations, as prose and equations."""

from __future__ import annotations

from collections.abc import Sequence

from hopgraph.energy.lagrangians import breaking_gain, gain_axes, over_axes
from hopgraph.graph.ham import Block, Layer
from hopgraph.show.document import Equation, Equations, Item, Paragraph
from hopgraph.show.expression import Axis, Derivative, Expression, Formula, Symbol, Variable, index, product, total
from hopgraph.show.facts import option_text
from hopgraph.show.synapses import activation, state

NO_GAIN, NO_BIAS = ("gain ", r"\gamma "), (" + <bias, @>", r" + \langle \delta, @ \rangle")
"""What a norm's formula has of its gain and its bias, as text and as LaTeX."""


def layer_items(layer: Layer, block: Block, variables: Sequence[Variable]) -> list[Item]:
    """What a layer is, its Lagrangian, and its activation at its own indices."""
    axes = [part for axis in layer.axes for part in (", ", Axis(axis), f" = {block.axes[axis]}")]
    intro = (f"Layer {layer.name} is {kind_text(layer)}, on ", *axes[1:], f". Its Lagrangian: {_lagrangian_text(layer, block)}.")
    g = activation(layer.name, [index(variable) for variable in variables])
    rows = (Equation((Symbol("L", layer.name), lagrangian(layer))), Equation((g, _gradient(layer, variables))))
    items: list[Item] = [Paragraph(intro), Equations(rows)]
    along = breaking_gain(layer.options, layer.axes)
    if along:
        items.append(
            Paragraph((f"The gain varies along [{', '.join(along)}], which the layer normalizes: g is the gradient of no Lagrangian.",))
        )
    return items


def kind_text(layer: Layer) -> str:
    """`slow`, with its tau; `fast`; `clamped`."""
    if layer.fast:
        return "fast (tau = 0)"
    return "clamped" if layer.clamped else f"slow (tau = {layer.tau:g})"


def _lagrangian_text(layer: Layer, block: Block) -> str:
    over = over_axes(layer.options)
    rest = [axis for axis in layer.axes if axis not in over] if over else []
    return ", ".join([layer.lagrangian, *option_text(layer, block), *([f"summed over [{', '.join(rest)}]"] if rest else [])])


def lagrangian(layer: Layer) -> Formula:
    """L as its record writes it, without the gain and the bias that it does not have, or that belong to no Lagrangian."""
    plain, mathematics = layer.record.formula, layer.record.latex
    apart = bool(breaking_gain(layer.options, layer.axes))
    for option, words in {"bias": NO_BIAS, "gain": NO_GAIN}.items():
        if apart or layer.options.get(option) == "none":
            plain, mathematics = plain.replace(words[0], ""), mathematics.replace(words[1], "")
    return Formula(plain, mathematics, state(layer))


def _gradient(layer: Layer, variables: Sequence[Variable]) -> Expression:
    """G = dL/dx; where the gain varies along what it normalizes, gain dL/dx + bias."""
    slope = Derivative(Symbol("L", layer.name), state(layer, variables))
    if not breaking_gain(layer.options, layer.axes):
        return slope
    gain, bias = (_parameter(layer, letter, field, variables) for letter, field in (("gamma", "gain"), ("delta", "bias")))
    scaled = product(*([gain] if gain else []), slope)
    return total(scaled, bias) if bias else scaled


def _parameter(layer: Layer, letter: str, field: str, variables: Sequence[Variable]) -> Symbol | None:
    axes = gain_axes(layer.options, field, layer.axes)
    if axes is None:
        return None
    return Symbol(letter, layer.name, tuple(index(variable) for variable in variables if variable.axis in axes))
