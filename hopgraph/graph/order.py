"""An order of things that read each other, and the circles that stand in its way.

The order is graphlib's, of the standard library, which names one circle. All of them are found by Kosaraju's algorithm, in time linear in
what is read: the import of networkx alone would take a fifth of the time that `hopgraph check` has. The tests hold the circles against it.
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
    """The circles, in the order of the names.

    The last name that a walk leaves is in a set that reads no set left; all that reaches it, of the names left, is that set.
    """
    readers: dict[str, list[str]] = {name: [] for name in reads}
    for name, others in reads.items():
        for other in others:
            readers.setdefault(other, []).append(name)
    found: list[frozenset[str]] = []
    seen: set[str] = set()
    for name in reversed(_left(readers)):
        if name not in seen:
            members = _reached(name, reads, seen)
            seen |= members
            found += [members] if len(members) > 1 or name in reads.get(name, ()) else []
    rank = {name: index for index, name in enumerate(reads)}
    return tuple(sorted(found, key=lambda members: min(rank[name] for name in members)))


def _left(reads: Reads) -> list[str]:
    """Every name in the order in which a walk in depth leaves it: after all that is reached from it."""
    order: list[str] = []
    seen: set[str] = set()
    for start in reads:
        waiting = [(start, True)]
        while waiting:
            name, entering = waiting.pop()
            if not entering:
                order.append(name)
            elif name not in seen:
                seen.add(name)
                waiting.append((name, False))
                waiting += [(other, True) for other in reads.get(name, ())]
    return order


def _reached(name: str, reads: Reads, without: set[str]) -> frozenset[str]:
    """A name and all that it reads directly or not, on a way without some."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current not in found and current not in without:
            found.add(current)
            waiting += reads.get(current, ())
    return frozenset(found)


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
    return set(_reached(name, reads, set()))
