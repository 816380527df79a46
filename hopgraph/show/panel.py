"""The picture of one block: its layers and synapses with the lines between them, in a frame."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from hopgraph.graph.ham import Block, Layer, Pull, Synapse
from hopgraph.show import svg
from hopgraph.show.boxes import factor_lines, is_product, layer_kind, layer_words, synapse_words
from hopgraph.show.layout import Key, Node, placed, ports, ranks
from hopgraph.show.svg import INDENT, Box

PADDING, GUTTER = 22.0, 26.0
NOTE = 78
"""How many signs a line below the boxes may have."""
LANE = 10.0
"""How far apart the lines of one factor are."""
MANY = 2
"""From how many synapses on a layer grows as wide as they reach."""
NODE_EDGE = 60.0
"""How far from the edge of a node its outer lines are, about."""
LOOP = 24.0
"""The height that each loop above a frame takes."""


Link = Callable[[Key, Iterable[str]], Iterable[str]]
"""What a layer or a synapse and its parts are made into: a page makes a link of them."""


def bare(key: Key, parts: Iterable[str]) -> Iterable[str]:
    """The parts as they are."""
    return parts


@dataclass(frozen=True)
class Lane:
    """A line between a synapse and a layer: its kind, and whether it has a head at the layer."""

    kind: str
    head: bool


@dataclass(frozen=True)
class Joint:
    """One factor's lines. `words` are written at the synapse's end, where it is a node."""

    synapse: str
    layer: str
    lanes: tuple[Lane, ...]
    words: tuple[tuple[str, str], ...] = ()

    @property
    def width(self) -> float:
        """The room that it takes along an edge."""
        return LANE * len(self.lanes) + 6

    @property
    def word_width(self) -> float:
        """The room that it takes along the synapse's edge, with its words."""
        return max(self.width, svg.extent(self.words)[0] + 14) if self.words else self.width


@dataclass(frozen=True)
class Panel:
    """A drawn block: its parts, its size, and where the flow enters and leaves, all from its upper left corner."""

    parts: tuple[str, ...]
    width: float
    height: float
    spine: float
    entry: float


def joints(synapse: Synapse) -> list[Joint]:
    """The lines of every factor."""
    found: list[Joint] = []
    simple = not is_product(synapse)
    others = [pull for pull in synapse.pulls if pull.symmetry in ("own", "penalized")]
    for factor in synapse.factors:
        pull = synapse.pull(factor.name)
        lanes = [Lane("tied" if pull.symmetry != "off" else "off", pull.symmetry == "tied")]
        lanes += [Lane(other.symmetry, other is pull) for other in others if simple or other is pull]
        words: list[tuple[str, str]] = [] if simple else [(factor.name, "plain"), *((line, "small") for line in factor_lines(factor))]
        found.append(Joint(synapse.name, factor.layer, tuple(lanes), tuple(words)))
    return found


class _Drawing:
    """A block while it is drawn."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.joints = [joint for synapse in block.synapses for joint in joints(synapse)]
        self.rank = ranks(block)
        links = list(dict.fromkeys((("synapse", joint.synapse), ("layer", joint.layer)) for joint in self.joints))
        nodes = self._nodes()
        self.boxes = placed(nodes, links, ("layer", block.exit))
        self.boxes = placed([self._widened(node) for node in nodes], links, ("layer", block.exit))
        self.at_synapse = self._at_synapses()
        self.at_layer = self._at_layers()

    # --- sizes ---

    def _nodes(self) -> list[Node]:
        nodes = [self._node(("layer", layer.name), *svg.extent(layer_words(layer, self.block)), 28, 18) for layer in self.block.layers]
        for synapse in self.block.synapses:
            width, height = svg.extent(synapse_words(synapse))
            key = ("synapse", synapse.name)
            for up in (True, False):
                side = [joint for joint in self.joints if joint.synapse == synapse.name and self._is_up(joint) == up]
                width = max(width, sum(joint.word_width for joint in side))
                height += _tallest(side)
            nodes.append(self._node(key, width, height, 18, 10))
        return nodes

    def _widened(self, node: Node) -> Node:
        """A layer as wide as the synapses above it reach: else their lines would bend and crowd."""
        above = {joint.synapse for joint in self.joints if ("layer", joint.layer) == node.key and not self._is_up(joint)}
        if len(above) < MANY:
            return node
        reach = [place for name in above for place in self._reach(name)]
        return replace(node, width=max(node.width, max(reach) - min(reach) + 40))

    def _reach(self, name: str) -> tuple[float, float]:
        """From where to where the lines of a synapse leave it, about."""
        box = self.boxes["synapse", name]
        return (box.left + NODE_EDGE, box.right - NODE_EDGE) if is_product(self.block.synapse(name)) else (box.x, box.x)

    def _node(self, key: Key, width: float, height: float, across: float, down: float) -> Node:
        least = max(
            (sum(joint.width for joint in self.joints if joint.layer == key[1] and self._is_up(joint) == up) for up in (True, False)),
            default=0.0,
        )
        return Node(key, self.rank[key], max(width + across, least + 20 if key[0] == "layer" else 0), height + down)

    def _is_up(self, joint: Joint) -> bool:
        """Whether a factor's lines go up from its synapse."""
        return self.rank["layer", joint.layer] > self.rank["synapse", joint.synapse]

    # --- lines ---

    def _side(self, key: Key, *, up: bool) -> list[Joint]:
        """The factors whose lines meet a synapse or a layer on one side: those that go up from their synapse, or down."""
        kind, name = key
        return [
            joint for joint in self.joints if name == (joint.synapse if kind == "synapse" else joint.layer) and self._is_up(joint) == up
        ]

    def _at_synapses(self) -> dict[int, float]:
        """Where every factor's lines meet its synapse: in the middle, or with room for its words."""
        found: dict[int, float] = {}
        for synapse in self.block.synapses:
            box = self.boxes["synapse", synapse.name]
            for up in (True, False):
                here = sorted(self._side(("synapse", synapse.name), up=up), key=lambda joint: self.boxes["layer", joint.layer].x)
                wanted, widths = [box.x] * len(here), [joint.width for joint in here]
                if is_product(synapse):
                    wanted, widths = [self.boxes["layer", joint.layer].x for joint in here], [joint.word_width for joint in here]
                    widths = [width + (box.width - 18 - sum(widths)) / len(widths) for width in widths]
                found |= {id(joint): place for joint, place in zip(here, ports(wanted, widths, box), strict=True)}
        return found

    def _at_layers(self) -> dict[int, float]:
        """Where every factor's lines meet its layer: as near to straight as the others leave room for."""
        found: dict[int, float] = {}
        for layer in self.block.layers:
            for up in (True, False):
                here = sorted(self._side(("layer", layer.name), up=up), key=lambda joint: self.at_synapse[id(joint)])
                wanted = [self.at_synapse[id(joint)] for joint in here]
                places = ports(wanted, [joint.width for joint in here], self.boxes["layer", layer.name])
                found |= {id(joint): place for joint, place in zip(here, places, strict=True)}
        return found

    def _joint(self, joint: Joint, start: float, end: float) -> list[str]:
        synapse, layer = self.boxes["synapse", joint.synapse], self.boxes["layer", joint.layer]
        up = self._is_up(joint)
        y0, y1 = (synapse.top, layer.bottom) if up else (synapse.bottom, layer.top)
        down = -1.0 if up else 1.0
        parts: list[str] = []
        for number, lane in enumerate(joint.lanes):
            shift = LANE * (number - (len(joint.lanes) - 1) / 2)
            tip = y1 - 6 * down if lane.head else y1
            bend = (tip - y0) * 0.5
            path = f"M{svg.number(start + shift)} {svg.number(y0)} C{svg.number(start + shift)} {svg.number(y0 + bend)} "
            path += f"{svg.number(end + shift)} {svg.number(tip - bend)} {svg.number(end + shift)} {svg.number(tip)}"
            parts.append(svg.element("path", d=path, class_=f"line {lane.kind}"))
            parts += [svg.head(end + shift, y1, (0.0, down), lane.kind)] if lane.head else []
        return parts

    def _words(self, joint: Joint, x: float) -> list[str]:
        """What a factor is, inside the node at its lines."""
        box, up = self.boxes["synapse", joint.synapse], self._is_up(joint)
        height = svg.extent(joint.words)[1]
        middle = box.top + 5 + height / 2 if up else box.bottom - 5 - height / 2
        return svg.lines(joint.words, Box(x, middle, 0, height))

    # --- boxes ---

    def drawn(self, link: Link) -> list[str]:
        """Every synapse with its lines, then every layer."""
        parts = [part for synapse in self.block.synapses for part in link(("synapse", synapse.name), self._synapse(synapse))]
        return [*parts, *(part for layer in self.block.layers for part in link(("layer", layer.name), self._layer(layer)))]

    def _synapse(self, synapse: Synapse) -> list[str]:
        """A synapse: its lines, its box and its text."""
        box = self.boxes["synapse", synapse.name]
        mine = [joint for joint in self.joints if joint.synapse == synapse.name]
        return [
            *(part for joint in mine for part in self._joint(joint, self.at_synapse[id(joint)], self.at_layer[id(joint)])),
            svg.rectangle(box, "product" if is_product(synapse) else "synapse", 12, data_synapse=synapse.name),
            *svg.lines(synapse_words(synapse), self._title(synapse, box)),
            *(part for joint in mine for part in self._words(joint, self.at_synapse[id(joint)])),
        ]

    def _layer(self, layer: Layer) -> list[str]:
        """A layer: its box and its text."""
        box = self.boxes["layer", layer.name]
        return [
            svg.rectangle(box, f"layer {layer_kind(layer)}", data_layer=layer.name),
            *svg.lines(layer_words(layer, self.block), box),
        ]

    def _title(self, synapse: Synapse, box: Box) -> Box:
        """Where a synapse's own words stand: between those of its factors."""
        mine = [joint for joint in self.joints if joint.synapse == synapse.name]
        above, below = (_tallest([joint for joint in mine if self._is_up(joint) == up]) for up in (True, False))
        return box.moved(0, (above - below) / 2)


def _tallest(found: Sequence[Joint]) -> float:
    return max((svg.extent(joint.words)[1] for joint in found), default=0.0)


def panel(block: Block, name: str, link: Link = bare) -> Panel:
    """The picture of a block, its layers and synapses made into what `link` gives."""
    drawing = _Drawing(block)
    loops = _loops(block)
    notes = [(line, "small") for note in _notes(block) for line in textwrap.wrap(note, NOTE, subsequent_indent=INDENT)]
    boxes = list(drawing.boxes.values())
    left, top = min(box.left for box in boxes), min(box.top for box in boxes)
    inner = max(box.right for box in boxes) - left
    head = LOOP * len(loops)
    note_width, note_height = svg.extent(notes)
    width = max(inner + 2 * PADDING + GUTTER, note_width + 2 * PADDING, svg.width_of(name, svg.FONT) + 2 * PADDING)
    across, down = (width - inner) / 2 - left, head + 34 - top
    bottom = max(box.bottom for box in boxes) + down + 18
    frame = Box(width / 2, (head + bottom + note_height + 12) / 2, width, bottom + note_height + 12 - head)
    drawn = svg.element("g", *drawing.drawn(link), transform=f"translate({svg.number(across)} {svg.number(down)})")
    entry, exit_box = (drawing.boxes["layer", layer].moved(across, down) for layer in (block.entry, block.exit))
    parts = [
        svg.rectangle(frame, "panel", 12),
        svg.text(name, frame.left + 16, frame.top + 18, "bold", "start"),
        *_loop_parts(loops, frame),
        *_exit_parts(entry, exit_box, frame, block),
        drawn,
        *_note_parts(notes, frame.left + PADDING, bottom),
    ]
    return Panel(tuple(parts), width, frame.bottom, entry.y, entry.left)


def _note_parts(notes: Sequence[tuple[str, str]], left: float, top: float) -> list[str]:
    height = svg.line_height("small")
    return [svg.text(line, left, top + height * (number + 0.5), "small", "start") for number, (line, _) in enumerate(notes)]


def _notes(block: Block) -> list[str]:
    """The groups in their order, and how pulls differ."""
    several = len(block.schedule) > 1
    lines: list[str] = []
    for number, group in enumerate(block.schedule):
        own = f", own norm of {', '.join(group.own_norms)}" if group.own_norms else ""
        lines.append(f"{f'group {number + 1}' if several else 'update'}: {', '.join(group.synapses)}; {group.form}, step {group.step}{own}")
    lines += [
        f"{synapse.name}, pull on {pull.factor}: {words}" for synapse in block.synapses for pull in synapse.pulls if (words := _pull(pull))
    ]
    return lines


def _pull(pull: Pull) -> str:
    if pull.penalty is not None:
        return f"penalized, lambda {pull.penalty}"
    return f"own chain, {' '.join(step.kind for step in pull.returns) or 'identity'}" if pull.returns is not None else ""


# --- frame ------------------------------------------------------------------------------------------------------------


def _loops(block: Block) -> list[str]:
    """What repeats the block, the inner first."""
    steps = [f"{block.steps} steps, same weights"] if block.steps > 1 else []
    return [*steps, *([f"depth {block.depth}, new weights"] if block.depth > 1 else [])]


def _loop_parts(loops: Sequence[str], frame: Box) -> list[str]:
    """Arrows back over the frame, from its right to its left."""
    parts: list[str] = []
    for number, words in enumerate(loops):
        inset = 30.0 - 12 * number
        y, right, left = frame.top - 14 - LOOP * number, frame.right - inset, frame.left + inset
        corner = f"V{svg.number(y + 8)} q0 -8 -8 -8 H{svg.number(left + 8)} q-8 0 -8 8"
        path = f"M{svg.number(right)} {svg.number(frame.top)} {corner} V{svg.number(frame.top - 6)}"
        width = svg.width_of(words, svg.SMALL) + 14
        parts += [
            svg.element("path", d=path, class_="line loop"),
            svg.head(left, frame.top, (0.0, 1.0), "flow"),
            svg.rectangle(Box(frame.x, y, width, 16), "paper", 4),
            svg.text(words, frame.x, y, "small"),
        ]
    return parts


def _exit_parts(entry: Box, exit_box: Box, frame: Box, block: Block) -> list[str]:
    """The line from the exit layer to the right edge of the frame, at the height of the entry."""
    if block.entry == block.exit:
        path = f"M{svg.number(entry.right)} {svg.number(entry.y)} H{svg.number(frame.right)}"
    else:
        across = f"H{svg.number(frame.right - GUTTER / 2)} V{svg.number(entry.y)} H{svg.number(frame.right)}"
        path = f"M{svg.number(exit_box.right)} {svg.number(exit_box.y)} {across}"
    return [svg.element("path", d=path, class_="line flow")]
