"""Placeholders for the parts of a spec that are wrong, so that one run checks the rest of it too.

Every placeholder is valid for the models and stands for "unknown" to the passes. What they say about its place, or about
another in relation to it, is a consequence of a mistake that is reported already: :func:`independent` drops it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hopgraph.errors import At, Diagnostic, Path, Place
from hopgraph.frontend.tree import Tree

HOLE = "?"
"""No name and no expression on dims: whatever reads it is reported at its place, and that report is dropped."""

ANY = "*"


@dataclass(frozen=True)
class _Repair:
    """A place, with `*` for any step, and what to put there; None takes an optional field out."""

    path: tuple[str, ...]
    placeholder: Any


_FACTOR = {"layer": HOLE}
_REPAIRS = (
    _Repair(("hopgraph",), 1),
    _Repair(("name",), "unnamed"),
    _Repair(("cite",), None),
    _Repair(("dims", ANY), HOLE),
    _Repair(("input",), {"image": [HOLE, HOLE, HOLE]}),
    _Repair(("encoder", ANY), {"mean": HOLE}),
    _Repair(("encoder",), [{"mean": HOLE}]),
    _Repair(("readout", ANY), {"mean": HOLE}),
    _Repair(("readout",), None),
    _Repair(("variants",), None),
    _Repair(("block", "depth"), HOLE),
    _Repair(("block", "steps"), HOLE),
    _Repair(("block", "axes", ANY), HOLE),
    _Repair(("block", "axes"), {}),
    _Repair(("block", "symmetry"), None),
    _Repair(("block", "update", "groups", ANY, "form"), None),
    _Repair(("block", "update", "groups", ANY, "step"), None),
    _Repair(("block", "update", "groups", ANY, "norm"), None),
    _Repair(("block", "update", "groups"), None),
    _Repair(("block", "update", "form"), None),
    _Repair(("block", "update", "step"), None),
    _Repair(("block", "update"), None),
    _Repair(("block", "layers", ANY, "axes"), [HOLE]),
    _Repair(("block", "layers", ANY, "lagrangian"), "identity"),
    _Repair(("block", "layers", ANY, "fast"), True),
    _Repair(("block", "layers", ANY), {"axes": [HOLE], "lagrangian": "identity", "fast": True}),
    _Repair(("block", "synapses", ANY, "symmetry"), None),
    _Repair(("block", "synapses", ANY, "factors", ANY), _FACTOR),
    _Repair(("block", "synapses", ANY), {"factors": {"left": _FACTOR, "right": _FACTOR}}),
)


def repaired(tree: Tree, path: Path) -> tuple[Tree, Path] | None:
    """The tree with a placeholder at or above `path`, and the place of it; None where nothing can stand in."""
    for row in _REPAIRS:
        if len(path) < len(row.path) or any(want not in (ANY, step) for want, step in zip(row.path, path, strict=False)):
            continue
        place = path[: len(row.path)]
        owner = tree.at(place[:-1])
        if owner is None or not isinstance(owner.value, dict | tuple):
            continue
        span = tree.locate(At(place, key=True))
        if row.placeholder is None:
            return tree.without(place), place
        return tree.replaced(place, Tree.of(row.placeholder, span), span), place
    return None


def independent(found: Iterable[Diagnostic], broken: Iterable[Path]) -> list[Diagnostic]:
    """The diagnostics that have nothing to do with the broken places: are not at one, in one or around one, nor relate to one.

    A whole table of the block, such as `block.axes`, is around much; to relate to it is not to relate to all that it holds.
    """
    places = set(broken)
    around = {path[:length] for path in places for length in range(len(path))}

    def touches(place: Place, table: int) -> bool:
        if not isinstance(place, At):
            return False
        path = place.path
        inside = any(path[:length] in places for length in range(len(path) + 1))
        return inside or (len(path) > table and path in around)

    return [item for item in found if not (touches(item.at, 0) or any(touches(place, 2) for place, _ in item.related))]
