"""order-fast: an order in which every fast layer comes after those that it reads."""

from __future__ import annotations

from dataclasses import replace

from hopgraph.errors import At, Findings
from hopgraph.graph.ham import Block, Ham, influences
from hopgraph.graph.order import among, arrange
from hopgraph.passes.base import Pass


def run(ham: Ham, findings: Findings) -> Ham:
    """Order the fast layers. A circle among them, and a layer that nothing pulls on, are reported."""
    block = ham.block
    reads = influences(block)
    if _complete(block):
        _report_unfed(block, reads, findings)
    arranged = arrange(among([layer.name for layer in block.layers if layer.fast], reads))
    for members in arranged.circles if block.slow else ():
        _report_cycle(block, [layer.name for layer in block.layers if layer.name in members], findings)
    return replace(ham, block=replace(block, fast_order=arranged.order))


def _complete(block: Block) -> bool:
    """Whether every synapse is whole; one that is not is reported elsewhere, and what it would feed is not known."""
    layers = {layer.name for layer in block.layers}
    return all(
        len(synapse.factors) > 1
        and all(factor.layer in layers for factor in synapse.factors)
        and any(pull.symmetry == "tied" for pull in synapse.pulls)
        for synapse in block.synapses
    )


def _report_unfed(block: Block, reads: dict[str, tuple[str, ...]], findings: Findings) -> None:
    for layer in block.layers:
        if not reads[layer.name]:
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
    reads = among(block.fast_order, influences(block))
    return [f"{a} comes after {b}, which reads it" for b, others in reads.items() for a in others if position[a] > position[b]]


PASS = Pass("order-fast", run, ensures)
