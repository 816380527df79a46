"""schedule-groups: which pulls on slow layers act together, and which fast layers are computed before them."""

from __future__ import annotations

from dataclasses import replace

from hopgraph.errors import At, Findings, listing, rename_help
from hopgraph.graph.ham import Block, Group, Ham, Synapse, influences, place
from hopgraph.graph.order import Reads, among, upstream
from hopgraph.passes.base import Pass


def run(ham: Ham, findings: Findings) -> Ham:
    """Fill in each group; without any, all pulls act in one."""
    block = ham.block
    updating = [synapse.name for synapse in block.synapses if _slow_pulls(synapse, block)]
    groups = block.groups
    if groups is None:
        groups = (Group(tuple(updating), block.form, block.step, (), ("block", "update")),)
    else:
        _check_coverage(groups, updating, block, findings)
    reads = among(block.fast_order, influences(block))
    groups = tuple(_filled(group, block, reads, findings) for group in groups)
    return replace(ham, block=replace(block, groups=groups))


def _slow_pulls(synapse: Synapse, block: Block) -> tuple[tuple[str, str], ...]:
    slow = {layer.name for layer in block.slow}
    pulls = [pull for pull in synapse.pulls if pull.symmetry != "off" and synapse.factor(pull.factor).layer in slow]
    return tuple((synapse.name, pull.factor) for pull in pulls)


def _check_coverage(groups: tuple[Group, ...], updating: list[str], block: Block, findings: Findings) -> None:
    names = [synapse.name for synapse in block.synapses]
    layers = {layer.name for layer in block.layers}
    idle = {synapse.name for synapse in block.synapses if block.slow and all(factor.layer in layers for factor in synapse.factors)}
    idle -= set(updating)
    first: dict[str, At] = {}
    for group in groups:
        for index, name in enumerate(group.synapses):
            at = place(group.at, "synapses", index)
            if name not in names:
                notes = [f"declared synapses: {listing(names)}"]
                findings.add("synapse-unknown", f"no synapse is named `{name}`", at, notes=notes, helps=rename_help(name, names))
            elif name in first:
                findings.add("group-coverage", f"synapse `{name}` is in two groups", at, related=[(first[name], "first here")])
            elif name in idle:
                findings.add("group-coverage", f"synapse `{name}` pulls on no slow layer", at, helps=[f"leave `{name}` out of the groups"])
            first.setdefault(name, at)
    for name in updating if set(first) <= set(names) else ():  # an unknown name may be meant for one that is missing
        if name not in first:
            at = At(("block", "update", "groups"), key=True)
            findings.add(
                "group-coverage", f"synapse `{name}` is in no group, so it would never act", at, helps=[f"add `{name}` to a group"]
            )


def _filled(group: Group, block: Block, reads: Reads, findings: Findings) -> Group:
    slow = [layer.name for layer in block.slow]
    for name in group.own_norms:
        if name not in slow:
            at = At((*group.at, "norm", name), key=True)
            findings.add(
                "layer-unknown",
                f"no slow layer is named `{name}`",
                at,
                notes=[f"slow layers: {listing(slow)}"],
                helps=rename_help(name, slow),
            )
    synapses = [synapse for synapse in block.synapses if synapse.name in group.synapses]
    pulls = tuple(pull for synapse in synapses for pull in _slow_pulls(synapse, block))
    return replace(group, pulls=pulls, fast=_needed(pulls, block, reads))


def _needed(pulls: tuple[tuple[str, str], ...], block: Block, reads: Reads) -> tuple[str, ...]:
    """The fast layers that some pulls read, and those that these read in turn, in order."""
    needed: set[str] = set()
    for synapse_name, factor_name in pulls:
        synapse = block.synapse(synapse_name)
        target = synapse.factor(factor_name)
        for other in synapse.factors:
            if other is not target and other.layer in reads:
                needed |= upstream(other.layer, reads)
    return tuple(name for name in block.fast_order if name in needed)


def ensures(ham: Ham) -> list[str]:
    """The groups are a partition of the pulls on slow layers."""
    block = ham.block
    wanted = sorted(pull for synapse in block.synapses for pull in _slow_pulls(synapse, block))
    scheduled = sorted(pull for group in block.schedule for pull in group.pulls)
    return [] if wanted == scheduled else [f"scheduled {scheduled} of {wanted}"]


PASS = Pass("schedule-groups", run, ensures)
