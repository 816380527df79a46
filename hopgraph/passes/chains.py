"""The axes of a chain of linear maps, from those that it reads to those that it gives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hopgraph.energy.maps import MAPS
from hopgraph.energy.records import RecordError, words
from hopgraph.errors import At, Findings, listing, rename_help
from hopgraph.graph.ham import Axes, Block, Chain, ChainMap, EndOp, place

MAX_AXES = 8
"""How many axes a value may have. The product of a synapse may be over twice as many: einsum has a letter for each."""


def inferred(chain: Chain, axes: Axes, block: Block, findings: Findings) -> tuple[Chain, Axes] | None:
    """The chain with the axes of every map, and those that it ends in; None where they cannot be known."""
    found: list[ChainMap] = []
    for step in chain:
        known = _sum(step, axes, block, findings) if step.kind == "sum" else _map(step, axes, block, findings)
        if known is None or not check_count(len(known.target), MAX_AXES, "the result of this map", At(step.at), findings):
            return None
        found.append(known)
        axes = known.target
    return tuple(found), axes


def _map(step: ChainMap, axes: Axes, block: Block, findings: Findings) -> ChainMap | None:
    try:
        target = MAPS[step.kind].target(step.options, axes, block.axes)
    except RecordError as error:
        if error.word and error.word not in error.known and error.word not in block.axes and error.word not in axes:
            check_axes([(error.word, fault(step, error))], block, findings)
            return None
        at = fault(step, error)
        notes, helps = [f"its input has the axes [{', '.join(axes)}]"], rename_help(error.word, error.known)
        findings.add("map-invalid", error.message, at, notes=notes, helps=helps)
        return None
    if not check_axes(((axis, naming(step, axis)) for axis in target if axis not in axes), block, findings):
        return None
    return replace(step, source=axes, target=target)


def _sum(step: ChainMap, axes: Axes, block: Block, findings: Findings) -> ChainMap | None:
    branches: list[Chain] = []
    target: Axes | None = None
    for index, branch in enumerate(step.branches):
        known = inferred(branch, axes, block, findings)
        if known is None:
            return None
        chain, ends = known
        if target is not None and ends != target:
            message = f"the chains of a sum give the same axes: the first gives [{', '.join(target)}], this one [{', '.join(ends)}]"
            findings.add("map-invalid", message, place(step.at, index), related=[(place(step.at, 0), "the first")])
            return None
        target = ends
        branches.append(chain)
    assert target is not None
    return replace(step, source=axes, target=target, branches=tuple(branches))


def check_axes(places: Iterable[tuple[str, At]], block: Block, findings: Findings) -> bool:
    """Whether the block declares every axis that is named at some place."""
    unknown = [(axis, at) for axis, at in places if axis not in block.axes]
    for axis, at in unknown:
        findings.add(
            "axis-unknown",
            f"the block declares no axis `{axis}`",
            at,
            related=[(At((*block.at, "axes"), key=True), "axes are declared here")],
            notes=[f"declared axes: {listing(block.axes)}"],
            helps=rename_help(axis, block.axes),
        )
    return not unknown


def check_count(count: int, most: int, what: str, at: At, findings: Findings) -> bool:
    """Whether something has at most so many axes."""
    if count > most:
        findings.add("too-large", f"{what} has {count} axes; {most} are the most", at)
    return count <= most


def fault(step: ChainMap | EndOp, error: RecordError) -> At:
    """Where the options of a map or an operation have what its record refuses."""
    if error.field is None:
        return At(step.at)
    value = step.options.get(error.field)
    if isinstance(value, dict) and error.word in value:
        return At((*step.at, error.field, error.word), key=True)
    if isinstance(value, tuple) and error.word in value:
        return place(step.at, error.field, value.index(error.word))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    return place(step.at, error.field)


def naming(step: ChainMap | EndOp, axis: str) -> At:
    """Where the options of a map or an operation name an axis that it gives."""
    for field, value in step.options.items():
        for path, word in words(value):
            if word == axis:
                return place(step.at, field, *path)
    return At(step.at)
