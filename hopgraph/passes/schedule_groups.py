"""schedule-groups: which pulls on slow layers act together, which fast layers are computed before, how hidden slow layers start."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hopgraph.errors import At, Findings, listing, rename_help
from hopgraph.graph.ham import Block, Group, Ham, Stage, Start, Synapse, influences, place
from hopgraph.graph.order import Reads, among, upstream
from hopgraph.passes.base import Pass
from hopgraph.passes.known import is_complete, is_known, is_whole

PullName = tuple[str, str]
"""A synapse and a factor of it."""


def run(ham: Ham, findings: Findings) -> Ham:
    """Fill in each group; without any, all pulls act in one."""
    return replace(ham, stages=tuple(_stage(stage, findings) for stage in ham.stages))


def _stage(stage: Stage, findings: Findings) -> Stage:
    block = stage.block
    groups = block.groups
    if groups is None:
        updating = tuple(synapse.name for synapse in block.synapses if _moving_pulls(synapse, block))
        at = (*block.at, "update")
        groups = (Group(updating, block.form, block.step, (), at, (*at, "step"), block.drop),)
    else:
        _check_coverage(groups, block, findings)
    reads = among(block.fast_order, influences(block))
    groups = tuple(_filled(group, block, reads, findings) for group in groups)
    starts = _starts(block, reads, findings) if block.entry and is_complete(block) else ()  # what is not known may be what starts a layer
    return replace(stage, block=replace(block, groups=groups, starts=starts))


def _moving_pulls(synapse: Synapse, block: Block) -> tuple[PullName, ...]:
    moving = {layer.name for layer in block.moving}
    pulls = [pull for pull in synapse.pulls if pull.symmetry != "off" and synapse.factor(pull.factor).layer in moving]
    return tuple((synapse.name, pull.factor) for pull in pulls)


def entry_pulls(entry: str, block: Block) -> tuple[PullName, ...] | None:
    """What an entry of a group names: all of a synapse's pulls on moving layers, or with `synapse.factor` one. None if neither."""
    name, dot, factor = entry.partition(".")
    synapse = next((synapse for synapse in block.synapses if synapse.name == name), None)
    if synapse is None:
        return None
    pulls = _moving_pulls(synapse, block)
    if not dot:
        return pulls
    return ((name, factor),) if (name, factor) in pulls else None


# --- coverage ---------------------------------------------------------------------------------------------------------


def _check_coverage(groups: tuple[Group, ...], block: Block, findings: Findings) -> None:
    first: dict[PullName, At] = {}
    unknown = False
    for group in groups:
        for index, entry in enumerate(group.synapses):
            at = place(group.at, "synapses", index)
            pulls = entry_pulls(entry, block)
            if pulls is None:
                unknown = True
                _report_unknown(entry, at, block, findings)
                continue
            twice = next((pull for pull in pulls if pull in first), None)
            if twice:
                what = f"the pull `{entry}`" if "." in entry else f"synapse `{entry}`"
                findings.add("group-coverage", f"{what} is in two groups", at, related=[(first[twice], "first here")])
            if not pulls and is_whole(block.synapse(entry), block) and block.moving:
                message = f"synapse `{entry}` pulls on no slow layer"
                findings.add("group-coverage", message, at, helps=[f"leave `{entry}` out of the groups"])
            first.update({pull: first.get(pull, at) for pull in pulls})
    if not unknown:  # an unknown name may be meant for one that is missing
        _report_missing(set(first), block, findings)


def _report_unknown(entry: str, at: At, block: Block, findings: Findings) -> None:
    name, dot, factor = entry.partition(".")
    names = [synapse.name for synapse in block.synapses]
    if name not in names:
        notes = [f"declared synapses: {listing(names)}"]
        findings.add("synapse-unknown", f"no synapse is named `{name}`", at, notes=notes, helps=rename_help(name, names))
    elif dot and is_whole(block.synapse(name), block) and block.moving:
        known = [pull for _, pull in _moving_pulls(block.synapse(name), block)]
        message = f"synapse `{name}` has no pull on a slow layer through a factor `{factor}`"
        findings.add("pull-unknown", message, at, notes=[f"such factors: {listing(known)}"], helps=rename_help(factor, known))


def _report_missing(covered: set[PullName], block: Block, findings: Findings) -> None:
    at = At((*block.at, "update", "groups"), key=True)
    for synapse in block.synapses:
        pulls = _moving_pulls(synapse, block)
        missing = [pull for pull in pulls if pull not in covered]
        names = [synapse.name] if len(missing) == len(pulls) else [f"{synapse.name}.{factor}" for _, factor in missing]
        for name in names if missing else ():
            what = f"the pull `{name}`" if "." in name else f"synapse `{name}`"
            findings.add("group-coverage", f"{what} is in no group, so it would never act", at, helps=[f"add `{name}` to a group"])


# --- what a group needs -----------------------------------------------------------------------------------------------


def _filled(group: Group, block: Block, reads: Reads, findings: Findings) -> Group:
    slow = [layer.name for layer in block.slow]
    broken = [layer.name for layer in block.layers if not is_known(layer)]
    for name in group.own_norms:
        if name not in slow and name not in broken:
            at = At((*group.at, "norm", name), key=True)
            notes = [f"slow layers: {listing(slow)}"]
            findings.add("layer-unknown", f"no slow layer is named `{name}`", at, notes=notes, helps=rename_help(name, slow))
    listed = [pull for entry in group.synapses for pull in entry_pulls(entry, block) or ()]
    order = [pull for synapse in block.synapses for pull in _moving_pulls(synapse, block)]
    pulls = tuple(pull for pull in order if pull in listed)
    filled = replace(group, pulls=pulls, fast=_needed(pulls, block, reads))
    for layer in block.moved(filled) if group.step.learned else ():
        for index, axis in enumerate(group.step.axes):
            if axis not in layer.axes and all(axis in block.axes for axis in layer.axes):
                findings.add(
                    "step-axes",
                    f"layer `{layer.name}` has no axis `{axis}` for a step of its own",
                    place(group.step_at, "learned", index),
                    related=[(place(layer.at, "axes"), "the layer's axes")],
                    helps=rename_help(axis, layer.axes),
                )
    return filled


def _needed(pulls: Iterable[PullName], block: Block, reads: Reads) -> tuple[str, ...]:
    """The fast layers that some pulls read, and those that these read in turn, in order."""
    needed: set[str] = set()
    for synapse_name, factor_name in pulls:
        synapse = block.synapse(synapse_name)
        target = synapse.factor(factor_name)
        for other in synapse.factors:
            if other is not target and other.layer in reads:
                needed |= upstream(other.layer, reads)
    return tuple(name for name in block.fast_order if name in needed)


# --- first states -----------------------------------------------------------------------------------------------------


def _starts(block: Block, reads: Reads, findings: Findings) -> tuple[Start, ...]:
    """The slow layers besides the entry, each when a pull on it can be computed from what has started."""
    known = {block.entry}
    waiting = [layer.name for layer in block.slow if layer.name != block.entry]
    found: list[Start] = []
    everything = {name: others if name in reads else () for name, others in influences(block).items()}
    while waiting:
        started = next((start for name in waiting if (start := _start(name, known, block, reads, everything))), None)
        if started is None:
            _report_unstarted(waiting, known, block, findings)
            break
        found.append(started)
        known.add(started.layer)
        waiting.remove(started.layer)
    return tuple(found)


def _start(name: str, known: set[str], block: Block, reads: Reads, everything: Reads) -> Start | None:
    slow = {layer.name for layer in block.slow}

    def settled(layer: str) -> bool:
        return layer in known or (layer in reads and all(other in known for other in upstream(layer, everything) & slow))

    pulls: list[PullName] = []
    for synapse, pull in block.pulls_on(name):
        others = [factor for factor in synapse.factors if factor.name != pull.factor]
        if others and all(settled(factor.layer) for factor in others):
            pulls.append((synapse.name, pull.factor))
    return Start(name, tuple(pulls), _needed(pulls, block, reads)) if pulls else None


def _report_unstarted(waiting: list[str], known: set[str], block: Block, findings: Findings) -> None:
    for name in waiting:
        if not block.pulls_on(name):
            continue  # reported as unfed
        started = " and ".join(f"`{item}`" for item in sorted(known))
        findings.add(
            "layer-unstarted",
            f"the slow layer `{name}` has no first state: no pull on it can be computed from {started}",
            At(block.layer(name).at, key=True),
            notes=[f"`{block.entry}` takes the state that comes before; every other slow layer starts from the pulls on it"],
            helps=["connect it with a layer that has a state, or mark it `fast: true`"],
        )


def ensures(ham: Ham) -> list[str]:
    """The groups are a partition of the pulls on the slow layers that move."""
    broken: list[str] = []
    for stage in ham.stages:
        block = stage.block
        wanted = sorted(pull for synapse in block.synapses for pull in _moving_pulls(synapse, block))
        scheduled = sorted(pull for group in block.schedule for pull in group.pulls)
        broken += [] if wanted == scheduled else [f"scheduled {scheduled} of {wanted}"]
    return broken


PASS = Pass("schedule-groups", run, ensures)
