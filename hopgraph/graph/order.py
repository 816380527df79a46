"""An order of things that read each other, and the circles that stand in its way.

The order is graphlib's, of the standard library. Graphs are small here, so a circle is found as it is defined: names that reach each
other. The import of networkx alone would take a fifth of the time that `hopgraph check` has; the tests hold the circles against it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

Reads = Mapping[str, Iterable[str]]
"""Each name with those that it reads."""


@dataclass(frozen=True)
class Arrangement:
    """`order` has every name that is in no circle, each after those that it reads; `circles` the sets that all reach each other."""

    order: tuple[str, ...]
    circles: tuple[frozenset[str], ...] = ()


def arrange(reads: Reads) -> Arrangement:
    """Order names by what they read. A name that reads itself is a circle of one."""
    try:
        return Arrangement(tuple(TopologicalSorter(reads).static_order()))
    except CycleError:
        found = _circles(reads)
        inside = frozenset[str]().union(*found)
        rest = {name: [other for other in others if other not in inside] for name, others in reads.items() if name not in inside}
        return Arrangement(tuple(TopologicalSorter(rest).static_order()), found)


def _circles(reads: Reads) -> tuple[frozenset[str], ...]:
    """The circles, in the order of the names."""
    reached = {name: frozenset[str]().union(*(upstream(other, reads) for other in others)) for name, others in reads.items()}
    sets = {name: frozenset(other for other in below if name in reached[other]) for name, below in reached.items() if name in below}
    return tuple(dict.fromkeys(sets.values()))


def contracted(reads: Reads, sets: Iterable[tuple[str, ...]]) -> tuple[str, ...] | None:
    """An order of the names in which each set stands together, in its own order; None where other circles remain."""
    sets = tuple(sets)
    owner = {name: members[0] for members in sets for name in members}
    merged: dict[str, set[str]] = {}
    for name, others in reads.items():
        unit = owner.get(name, name)
        merged.setdefault(unit, set()).update(owner.get(other, other) for other in others)
    arranged = arrange({name: sorted(others - {name}) if name in owner else sorted(others) for name, others in merged.items()})
    expanded = {members[0]: members for members in sets}
    return None if arranged.circles else tuple(name for unit in arranged.order for name in expanded.get(unit, (unit,)))


def among(names: Iterable[str], reads: Reads) -> dict[str, tuple[str, ...]]:
    """What some names read of each other."""
    inside = dict.fromkeys(names)
    return {name: tuple(other for other in reads[name] if other in inside) for name in inside}


def upstream(name: str, reads: Reads) -> set[str]:
    """A name, and all that it reads directly or not."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting += reads.get(current, ())
    return found
