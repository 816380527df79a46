"""order-fast: an order in which every fast layer comes after those that it reads."""

from __future__ import annotations

from dataclasses import replace

import networkx as nx

from hopgraph.errors import At, Findings
from hopgraph.graph.ham import Block, Ham, influences
from hopgraph.passes.base import Pass


def run(ham: Ham, findings: Findings) -> Ham:
    """Order the fast layers. A circle among them, and a layer that nothing pulls on, are reported."""
    block = ham.block
    graph = influences(block)
    fast = [layer for layer in block.layers if layer.fast]
    if _complete(block):
        _report_unfed(block, graph, findings)
    among = graph.subgraph([layer.name for layer in fast])
    components = nx.condensation(among)
    rank = {layer.name: index for index, layer in enumerate(block.layers)}
    order: list[str] = []
    members_of: dict[int, list[str]] = {node: sorted(components.nodes[node]["members"], key=rank.__getitem__) for node in components.nodes}

    def first(node: int) -> int:
        return rank[members_of[node][0]]

    for component in nx.lexicographical_topological_sort(components, key=first):
        members = members_of[component]
        if block.slow and (len(members) > 1 or among.has_edge(members[0], members[0])):
            _report_cycle(block, members, findings)
        order += members
    return replace(ham, block=replace(block, fast_order=tuple(order)))


def _complete(block: Block) -> bool:
    """Whether every synapse is whole; one that is not is reported elsewhere, and what it would feed is not known."""
    layers = {layer.name for layer in block.layers}
    return all(
        len(synapse.factors) > 1
        and all(factor.layer in layers for factor in synapse.factors)
        and any(pull.symmetry == "tied" for pull in synapse.pulls)
        for synapse in block.synapses
    )


def _report_unfed(block: Block, graph: nx.DiGraph[str], findings: Findings) -> None:
    for layer in block.layers:
        if graph.in_degree(layer.name) == 0:
            kind, so = ("fast", "it has no value") if layer.fast else ("slow", "it never changes")
            off = [pull for synapse in block.synapses for pull in synapse.pulls if synapse.factor(pull.factor).layer == layer.name]
            findings.add(
                "layer-unfed",
                f"nothing pulls on the {kind} layer `{layer.name}`, so {so}",
                At(layer.at, key=True),
                related=[(At(pull.at), "this pull on it is off") for pull in off[:4]],
                helps=["turn a pull on it on" if off else "connect it with a synapse, or leave it out"],
            )


def _report_cycle(block: Block, members: list[str], findings: Findings) -> None:
    between = [synapse for synapse in block.synapses if sum(factor.layer in members for factor in synapse.factors) > 1]
    several = len(members) > 1
    names = " and ".join(f"`{name}`" for name in members)
    findings.add(
        "fast-cycle",
        f"the fast layers {names} feed each other in a circle" if several else f"the fast layer {names} feeds itself",
        At(between[0].at if between else block.layer(members[0]).at, key=True),
        related=[(At(block.layer(name).at, key=True), "fast") for name in members[:4]],
        notes=["solving a circle of fast layers by iteration is not supported yet"],
        helps=["set one of the pulls between them to `off`" if several else "leave this synapse out, or connect it with another layer"],
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
