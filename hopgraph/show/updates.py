"""How slow layers start and move, and how circles of fast layers are solved, as equations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from hopgraph.graph.ham import Block, Circle, Group, Layer
from hopgraph.show.document import Equation, Equations, Item, Paragraph, Prose
from hopgraph.show.expression import Expression, Negative, Number, Quotient, Symbol, product, total
from hopgraph.show.facts import listed
from hopgraph.show.synapses import pull_label


class Writer(Protocol):
    """What writes the parts of a block."""

    block: Block

    def indexed(self, letter: str, layer: Layer, label: str = "") -> Symbol:
        """A tensor on a layer's axes, at the layer's own indices."""
        ...

    def sum_of_pulls(self, layer: Layer, pulls: Iterable[tuple[str, str]]) -> Expression:
        """The sum of some pulls on a layer, by name."""
        ...


def start_items(writer: Writer) -> list[Item]:
    """The first states of the slow layers that the block's input does not give."""
    block = writer.block
    items: list[Item] = [Paragraph((f"{block.entry} starts as the block's input.",))]
    for start in block.starts:
        layer = block.layer(start.layer)
        before = f", after the fast {_layers(start.fast)}" if start.fast else ""
        row = Equation((writer.indexed("x", layer), writer.sum_of_pulls(layer, start.pulls)), sign="←")
        items += [Paragraph((f"{start.layer} starts from pulls on it{before}:",)), Equations((row,))]
    return items


def circle_items(writer: Writer) -> list[Item]:
    """Each circle: the first layer from outside it, then so many times the others in order and the first."""
    items: list[Item] = []
    for circle in writer.block.circles:
        first, *rest = circle.order
        items.append(Paragraph((f"{listed(circle.order)} feed each other. {first} starts from the pulls from outside the circle:",)))
        items.append(Equations((_settled(writer, first, _outside(writer.block, circle, first)),)))
        absent = _too_early(writer.block, circle)
        items.append(Paragraph((_iterations_text(writer.block, circle, absent),)))
        left_out = absent if circle.iterations == 1 else []
        rows = [_settled(writer, name, [pull for pull in _all(writer.block, name) if pull not in left_out]) for name in (*rest, first)]
        items.append(Equations(tuple(rows)))
    return items


def _iterations_text(block: Block, circle: Circle, absent: list[tuple[str, str]]) -> str:
    """How often the rows below are computed, and what the first time lacks."""
    once = circle.iterations == 1
    text = f"Then, {'once' if once else f'{circle.iterations} times'}, in this order (Picard iteration)"
    if not absent:
        return f"{text}:"
    names = listed(pull_label(block.synapse(synapse), block.synapse(synapse).pull(factor)) for synapse, factor in absent)
    return f"{text}; {'' if once else 'the first time '}without {names}, which would read a layer that has no value yet:"


def _too_early(block: Block, circle: Circle) -> list[tuple[str, str]]:
    """The pulls that the first iteration leaves out: they read a layer of the circle that is not computed before."""
    found: list[tuple[str, str]] = []
    for number, name in enumerate(circle.order[1:], start=1):
        later = circle.order[number:]
        found += [pull for pull in _all(block, name) if _reads(block, pull, later)]
    return found


def _reads(block: Block, pull: tuple[str, str], layers: tuple[str, ...]) -> bool:
    """Whether a pull reads one of some layers."""
    synapse, target = pull
    return any(factor.layer in layers for factor in block.synapse(synapse).factors if factor.name != target)


def _all(block: Block, name: str) -> list[tuple[str, str]]:
    return [(synapse.name, pull.factor) for synapse, pull in block.pulls_on(name)]


def _outside(block: Block, circle: Circle, name: str) -> list[tuple[str, str]]:
    """The pulls on a layer that read nothing of the circle."""
    return [pull for pull in _all(block, name) if not _reads(block, pull, circle.order)]


def _settled(writer: Writer, name: str, pulls: list[tuple[str, str]]) -> Equation:
    layer = writer.block.layer(name)
    return Equation((writer.indexed("x", layer), writer.sum_of_pulls(layer, pulls)), sign="←")


def group_items(writer: Writer, number: int) -> list[Item]:
    """One group: what is computed before, and how each layer moves."""
    block = writer.block
    group = block.schedule[number]
    rows = [moved_row(writer, number, layer) for layer in block.moved(group)]
    text = _group_text(group, number, len(block.schedule))
    return [Paragraph((text, *_own_norms(group, number), ":")), Equations(tuple(rows))]


def moved_row(writer: Writer, number: int, layer: Layer) -> Equation:
    """How one layer moves in a group."""
    return Equation((writer.indexed("x", layer), _moved(writer, number, layer)), sign="←")


def _own_norms(group: Group, number: int) -> Prose:
    """`; here g_x is g_x (2), with parameters of its own`."""
    own = [
        ("; here ", Symbol("g", name), " is ", Symbol("g", f"{name} ({number + 1})"), ", with parameters of its own")
        for name in group.own_norms
    ]
    return tuple(part for prose in own for part in prose)


def _group_text(group: Group, number: int, count: int) -> str:
    name = f"Group {number + 1}" if count > 1 else "One group"
    text = f"{name}: {', '.join(group.synapses)}; {group.form}, step a = {group.step}"
    text += f", after the fast {_layers(group.fast)}" if group.fast else ""
    if group.drop is not None and group.drop.rate:
        text += f"; in training a {group.drop.per} is left out at rate {group.drop.rate:g} ({group.drop.schedule} in depth)"
    return text


def _layers(names: tuple[str, ...]) -> str:
    return f"{'layer' if len(names) == 1 else 'layers'} {', '.join(names)}"


def _moved(writer: Writer, number: int, layer: Layer) -> Expression:
    """X + a u, or (1 - a) x + a u."""
    block = writer.block
    group = block.schedule[number]
    pulls = [pull for pull in group.pulls if block.synapse(pull[0]).factor(pull[1]).layer == layer.name]
    x, u = writer.indexed("x", layer), writer.sum_of_pulls(layer, pulls)
    a = _step(writer, number, layer)
    if group.form == "residual":
        return total(x, product(a, u))
    if a == Number(1.0):
        return u
    rest = Number(1 - a.value) if isinstance(a, Number) else total(Number(1.0), Negative(a))
    kept = product(rest, x) if not isinstance(rest, Number) or rest.value > 0 else Negative(product(Number(-rest.value), x))
    return total(kept, product(a, u))


def _step(writer: Writer, number: int, layer: Layer) -> Expression:
    """A / tau."""
    step = writer.block.schedule[number].step
    if not step.learned:
        return Number(step.value / layer.tau)
    axes = [item for axis, item in zip(layer.axes, writer.indexed("x", layer).indices, strict=True) if axis in step.axes]
    a = Symbol("a", f"({number + 1})", tuple(axes), source=f"step_{number}.{layer.name}.step")
    return a if layer.tau == 1 else Quotient(a, Number(layer.tau))
