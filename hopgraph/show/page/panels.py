"""What the page tells of each layer and synapse, as data for its template."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from markupsafe import Markup

from hopgraph.graph.ham import Block, Factor, Layer, Pull, Synapse
from hopgraph.show.boxes import layer_kind
from hopgraph.show.document import Equation, Equations, Paragraph
from hopgraph.show.equations import BlockWriter
from hopgraph.show.expression import Symbol
from hopgraph.show.facts import chain_text, listed, option_text, pull_text, sizes
from hopgraph.show.lagrangians import kind_text, layer_items
from hopgraph.show.page.accounts import Sizes, Tensor, identifier
from hopgraph.show.page.mathml import Mathematics
from hopgraph.show.updates import moved_row

_SHORT = re.compile(r"^blocks\.\d+\.")


@dataclass(frozen=True)
class Link:
    """A name and the panel that it leads to."""

    name: str
    anchor: str


@dataclass(frozen=True)
class FactorRow:
    """A factor: its layer, the axes that its chain reads, the chain in words, and the axes that it gives."""

    name: str
    layer: Link
    seen: str
    chain: str
    given: str


@dataclass(frozen=True)
class PullRow:
    """A pull: its symmetry, when it acts, its closed form, and its operations in one update."""

    on: str
    layer: Link
    symmetry: str
    about: str
    acts: str
    equation: Markup | None
    flops: int


@dataclass(frozen=True)
class SynapsePanel:
    """A synapse."""

    anchor: str
    graph: str
    name: str
    place: str
    energy: Markup
    factors: tuple[FactorRow, ...]
    biases: tuple[tuple[str, str], ...]
    pulls: tuple[PullRow, ...]
    remarks: tuple[Markup, ...]
    tensors: tuple[Tensor, ...]
    flops: int
    share: float

    kind: str = "synapse"


@dataclass(frozen=True)
class LayerPanel:
    """A layer. `moves` are the equations of its state, each with when it holds; `synapses` those that touch it."""

    anchor: str
    graph: str
    name: str
    place: str
    speed: str
    about: str
    axes: tuple[tuple[str, int], ...]
    lagrangian: str
    options: str
    convex: bool
    size: int
    equations: tuple[Markup, ...]
    moves: tuple[tuple[str, Markup], ...]
    remarks: tuple[Markup, ...]
    synapses: tuple[Link, ...]
    tensors: tuple[Tensor, ...]
    flops: int
    share: float

    kind: str = "layer"


class StagePanels:
    """Writes the panels of one stage."""

    def __init__(self, sizes: Sizes, number: int, mathematics: Mathematics) -> None:
        ham = sizes.spec.ham
        self.number, self.block, self.mathematics = number, ham.stages[number].block, mathematics
        self.flops, self.writer = sizes.flops.stages[number], BlockWriter(self.block)
        self.tensors = [(owner, tensor) for stage, owner, tensor in sizes.tensors() if stage == number]
        self.place = f"stage {number + 1}" if len(ham.stages) > 1 else ""
        self.graph = f"graph-{number + 1}"
        self.update = max(1, sum(self.flops.update.values()))

    def panels(self) -> Iterator[SynapsePanel | LayerPanel]:
        """The synapses, then the layers."""
        yield from map(self.synapse, self.block.synapses)
        yield from map(self.layer, self.block.layers)

    def owned(self, name: str) -> tuple[Tensor, ...]:
        """The tensors of a layer or synapse, named below their block."""
        return tuple(replace(tensor, name=_SHORT.sub("", tensor.name)) for owner, tensor in self.tensors if owner == name)

    def link(self, kind: str, name: str) -> Link:
        """To a panel of this stage."""
        return Link(name, identifier(kind, self.number, name))

    # --- synapses ---

    def synapse(self, synapse: Synapse) -> SynapsePanel:
        """The panel of a synapse."""
        energy = Equation((Symbol("E", synapse.name), self.writer.synapse_energy(synapse)))
        flops = self.flops.of_synapse(synapse.name)
        return SynapsePanel(
            identifier("synapse", self.number, synapse.name),
            self.graph,
            synapse.name,
            self.place,
            self.mathematics.equation(energy),
            tuple(self.factor(factor) for factor in synapse.factors),
            tuple((name, f"[{', '.join(axes)}]") for name, axes in synapse.biases.items()),
            tuple(self.pull(synapse, pull) for pull in synapse.pulls),
            tuple(self.mathematics.prose(prose) for prose in self.writer.notes((synapse,))),
            self.owned(synapse.name),
            flops,
            flops / self.update,
        )

    def factor(self, factor: Factor) -> FactorRow:
        """A factor with the sizes before and after its chain."""
        known = self.block.axes
        seen, given = (sizes({axis: known[axis] for axis in axes}) for axes in (factor.seen, factor.axes))
        return FactorRow(factor.name, self.link("layer", factor.layer), seen, chain_text(factor.chain).replace("->", "→"), given)

    def pull(self, synapse: Synapse, pull: Pull) -> PullRow:
        """A pull with its closed form; one that is off has none."""
        layer = self.block.layer(synapse.factor(pull.factor).layer)
        row = None if pull.symmetry == "off" else self.writer.pull_row(synapse, pull, layer)
        bare = None if row is None else self.mathematics.equation(Equation(row.sides))
        about = pull_text(pull).removeprefix(pull.symmetry).removeprefix(", ").replace("->", "→")
        flops = self.flops.of_pull(synapse.name, pull.factor)
        link = self.link("layer", layer.name)
        return PullRow(pull.factor, link, pull.symmetry, about, acts(self.block, synapse, pull, layer), bare, flops)

    # --- layers ---

    def layer(self, layer: Layer) -> LayerPanel:
        """The panel of a layer."""
        items = layer_items(layer, self.block, self.writer.free[layer.name])
        flops = self.flops.of_layer(layer.name)
        touching = [synapse for synapse in self.block.synapses if any(factor.layer == layer.name for factor in synapse.factors)]
        return LayerPanel(
            identifier("layer", self.number, layer.name),
            self.graph,
            layer.name,
            self.place,
            layer_kind(layer),
            kind_text(layer),
            tuple((axis, self.block.axes[axis]) for axis in layer.axes),
            layer.lagrangian,
            ", ".join(option_text(layer, self.block)),
            layer.convex,
            math.prod(layer.shape(self.block.axes)),
            tuple(self.mathematics.equation(row) for item in items if isinstance(item, Equations) for row in item.rows),
            tuple((when, self.mathematics.equation(row)) for when, row in self.moves(layer)),
            tuple(self.mathematics.prose(item.prose) for item in items[1:] if isinstance(item, Paragraph)),
            tuple(self.link("synapse", synapse.name) for synapse in touching),
            self.owned(layer.name),
            flops,
            flops / self.update,
        )

    def moves(self, layer: Layer) -> Iterator[tuple[str, Equation]]:
        """How the state of a layer comes to be."""
        for row in self.writer.fast_row(layer):
            yield "At once", row
        for number, group in enumerate(self.block.schedule):
            if layer in self.block.moved(group):
                name = f"In group {number + 1}" if len(self.block.schedule) > 1 else "In each update"
                yield f"{name}, {group.form}, a = {group.step}", moved_row(self.writer, number, layer)


def acts(block: Block, synapse: Synapse, pull: Pull, layer: Layer) -> str:
    """When a pull acts."""
    if pull.symmetry == "off":
        return "absent"
    if layer.fast:
        return "sets it"
    if layer.clamped:
        return "never acts, the layer is clamped"
    groups = [number + 1 for number, group in enumerate(block.schedule) if (synapse.name, pull.factor) in group.pulls]
    return "moves it" + (f" in group {listed(map(str, groups))}" if len(block.schedule) > 1 and groups else "")
