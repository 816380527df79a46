"""order-fast: an order in which every fast layer comes after those that it reads."""

from __future__ import annotations

from dataclasses import replace

import networkx as nx

from hopgraph.errors import At, Findings
from hopgraph.graph.ham import Block, Ham, influences
from hopgraph.passes.base import Pass


def run(ham: Ham, findings: Findings) -> Ham:
    """Order the fast layers. A circle among them, and one that nothing pulls on, are reported."""
    block = ham.block
    graph = influences(block)
    fast = [layer for layer in block.layers if layer.fast]
    for layer in fast:
        if graph.in_degree(layer.name) == 0:
            findings.add(
                "layer-unfed",
                f"nothing pulls on the fast layer `{layer.name}`",
                At(layer.at, key=True),
                helps=["connect it, or leave it out"],
            )
    among = graph.subgraph([layer.name for layer in fast])
    components = nx.condensation(among)
    rank = {layer.name: index for index, layer in enumerate(block.layers)}
    order: list[str] = []
    members_of: dict[int, list[str]] = {node: sorted(components.nodes[node]["members"], key=rank.__getitem__) for node in components.nodes}

    def first(node: int) -> int:
        return rank[members_of[node][0]]

    for component in nx.lexicographical_topological_sort(components, key=first):
        members = members_of[component]
        if len(members) > 1 or among.has_edge(members[0], members[0]):
            _report_cycle(block, members, findings)
        order += members
    return replace(ham, block=replace(block, fast_order=tuple(order)))


def _report_cycle(block: Block, members: list[str], findings: Findings) -> None:
    between = [synapse for synapse in block.synapses if sum(factor.layer in members for factor in synapse.factors) > 1]
    names = ", ".join(f"`{name}`" for name in members)
    findings.add(
        "fast-cycle",
        f"the fast layers {names} feed each other in a circle",
        At(between[0].at if between else block.layer(members[0]).at, key=True),
        related=[(At(block.layer(name).at, key=True), "fast") for name in members],
        notes=["a tied synapse between two fast layers is always a circle; solving one by iteration is not supported yet"],
        helps=["make one of the layers slow, or set one of the pulls between them to `off`"],
    )


def ensures(ham: Ham) -> list[str]:
    """The order holds each fast layer once, after the fast layers that it reads."""
    block = ham.block
    if sorted(block.fast_order) != sorted(layer.name for layer in block.layers if layer.fast):
        return ["the order is not one of the fast layers"]
    position = {name: index for index, name in enumerate(block.fast_order)}
    edges = influences(block).edges
    return [f"{a} comes after {b}, which reads it" for a, b in edges if a in position and b in position and position[a] > position[b]]


PASS = Pass("order-fast", run, ensures)
