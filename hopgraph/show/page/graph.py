"""The graph of a block as SVG inside the page, each layer and synapse a link to its panel."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from hopgraph.graph.ham import Block
from hopgraph.show import svg
from hopgraph.show.facts import listed, sizes
from hopgraph.show.lagrangians import kind_text
from hopgraph.show.layout import Key
from hopgraph.show.page.accounts import identifier
from hopgraph.show.panel import panel

EDGE, INTO = 3.0, 34.0
"""Around the drawing, and the length of the arrow into it."""


def graph(block: Block, stage: int, name: str) -> Markup:
    """The drawing. It has no style of its own: the page has that of all of them."""

    def link(key: Key, parts: Iterable[str]) -> Iterable[str]:
        kind, item = key
        anchor = identifier(kind, stage, item)
        return [svg.element("a", *parts, href=f"#{anchor}", class_="node", data_shows=anchor, aria_label=_label(block, kind, item))]

    drawn = panel(block, name, link)
    width, height = drawn.width + INTO + 2 * EDGE, drawn.height + 2 * EDGE
    inner = svg.element("g", *drawn.parts, *_arrow(drawn.entry, drawn.spine), transform=f"translate({svg.number(INTO + EDGE)} {EDGE})")
    size = f"0 0 {svg.number(width)} {svg.number(height)}"
    label = f"The layers and synapses of {name}"
    return Markup(svg.element("svg", inner, viewBox=size, role="group", aria_label=label, style=f"--w: {svg.number(width)}"))  # noqa: S704


def _arrow(end: float, y: float) -> list[str]:
    """From the left edge to the entry layer."""
    path = f"M{svg.number(-INTO)} {svg.number(y)} H{svg.number(end - 6)}"
    return [svg.element("path", d=path, class_="line flow"), svg.head(end, y, (1.0, 0.0), "flow")]


def _label(block: Block, kind: str, name: str) -> str:
    """What a reader of the screen hears."""
    if kind == "layer":
        layer = block.layer(name)
        return f"layer {name}, {kind_text(layer)}, {sizes({axis: block.axes[axis] for axis in layer.axes})}, {layer.lagrangian}"
    synapse = block.synapse(name)
    return f"synapse {name}: " + listed(f"{pull.symmetry} pull on {synapse.factor(pull.factor).layer}" for pull in synapse.pulls)
