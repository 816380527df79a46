"""Where the layers and synapses of a block stand: rows by distance from the entry layer, ordered so that few lines cross.

Layers have the even ranks, twice their distance from the entry; a synapse has the odd rank above the nearest of its layers.
Every line then joins neighbouring ranks, and runs between their rows, through no box.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hopgraph.graph.ham import Block
from hopgraph.show.svg import Box

GAP_ACROSS, GAP_DOWN = 36.0, 44.0
"""The least space between boxes of a row, and that between rows."""
SWEEPS = 8
"""How often the rows are ordered and moved by their neighbours."""

Key = tuple[str, str]
"""What a box is, a `layer` or a `synapse`, and its name."""


@dataclass(frozen=True)
class Node:
    """A box before it has a place."""

    key: Key
    rank: int
    width: float
    height: float


def ranks(block: Block) -> dict[Key, int]:
    """The rank of every layer and synapse."""
    distance = _distances(block)
    found = {("layer", layer.name): 2 * distance[layer.name] for layer in block.layers}
    for synapse in block.synapses:
        rows = {distance[factor.layer] for factor in synapse.factors}
        found["synapse", synapse.name] = -1 if rows == {0} else 2 * min(rows) + 1
    return found


def _distances(block: Block) -> dict[str, int]:
    """How many synapses each layer is from the entry. Layers that no synapse joins to it stand above all others."""
    found: dict[str, int] = {}
    for start in (block.entry, *(layer.name for layer in block.layers)):
        waiting = [] if start in found else [start]
        if waiting:
            found[start] = max(found.values(), default=-1) + 1
        while waiting:
            name = waiting.pop(0)
            joined = [other for other in _joined(name, block) if other not in found]
            found |= dict.fromkeys(joined, found[name] + 1)
            waiting += joined
    return found


def _joined(name: str, block: Block) -> list[str]:
    """The layers that share a synapse with a layer."""
    layers = [[factor.layer for factor in synapse.factors] for synapse in block.synapses]
    return list(dict.fromkeys(other for names in layers if name in names for other in names))


def placed(nodes: Sequence[Node], links: Sequence[tuple[Key, Key]], last: Key) -> dict[Key, Box]:
    """A place for every node, the lowest rank at the bottom. `last` is the rightmost of its row."""
    rows = [[node for node in nodes if node.rank == rank] for rank in sorted({node.rank for node in nodes}, reverse=True)]
    neighbours: dict[Key, list[Key]] = {node.key: [] for node in nodes}
    for one, other in links:
        neighbours[one].append(other)
        neighbours[other].append(one)
    middles = {node.key: float(index) for row in rows for index, node in enumerate(row)}
    for sweep in range(SWEEPS):
        for row in rows if sweep % 2 else reversed(rows):
            order = sorted(row, key=lambda node: (node.key == last, _mean(neighbours[node.key], middles, middles[node.key])))
            row[:] = order
            middles |= {node.key: float(index) for index, node in enumerate(order)}
    return _boxes(rows, neighbours)


def _mean(keys: Sequence[Key], middles: Mapping[Key, float], otherwise: float) -> float:
    return sum(middles[key] for key in keys) / len(keys) if keys else otherwise


def _boxes(rows: Sequence[Sequence[Node]], neighbours: Mapping[Key, Sequence[Key]]) -> dict[Key, Box]:
    """The rows below each other, each box as near to the mean of its neighbours as the others leave room for."""
    middles: dict[Key, float] = {}
    for row in rows:
        middles |= _packed(row, dict.fromkeys((node.key for node in row), 0.0))
    for sweep in range(SWEEPS):
        for row in rows if sweep % 2 else reversed(rows):
            wanted = {node.key: _mean(neighbours[node.key], middles, middles[node.key]) for node in row}
            middles |= _packed(row, wanted)
    for above, row in pairwise(rows):  # each synapse right below the layers above it
        upper = {node.key for node in above}
        over = {node.key: [key for key in neighbours[node.key] if key in upper] for node in row if node.rank % 2}
        if over:
            middles |= _packed(row, {key: _mean(keys, middles, middles[key]) for key, keys in over.items()})
    boxes: dict[Key, Box] = {}
    y = 0.0
    for row in rows:
        height = max(node.height for node in row)
        boxes |= {node.key: Box(middles[node.key], y + height / 2, node.width, node.height) for node in row}
        y += height + GAP_DOWN
    return boxes


def _packed(row: Sequence[Node], wanted: Mapping[Key, float]) -> dict[Key, float]:
    """Places in the row's order, without overlap, near those wanted: pushed apart, then moved back by the mean push."""
    found: dict[Key, float] = {}
    edge = float("-inf")
    for node in row:
        found[node.key] = max(wanted[node.key], edge + node.width / 2)
        edge = found[node.key] + node.width / 2 + GAP_ACROSS
    push = sum(found[node.key] - wanted[node.key] for node in row) / len(row)
    return {key: middle - push for key, middle in found.items()}


def ports(wanted: Sequence[float], widths: Sequence[float], box: Box, margin: float = 8.0) -> list[float]:
    """Places along an edge of a box, in their order, each with its width around it, near those wanted."""
    low, room = box.left + margin, box.width - 2 * margin - sum(widths)
    places: list[float] = []
    edge = low
    for want, width in zip(wanted, widths, strict=True):
        places.append(max(want, edge + width / 2))
        edge = places[-1] + width / 2
    limit = box.right - margin
    for number in reversed(range(len(places))):
        places[number] = min(places[number], limit - widths[number] / 2)
        limit = places[number] - widths[number] / 2
    if room < 0:  # too many for the edge: all of it is shared out
        share = (box.width - 2 * margin) / len(widths)
        return [low + share * (number + 0.5) for number in range(len(widths))]
    return places
