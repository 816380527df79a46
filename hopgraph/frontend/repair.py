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
_IN_BLOCK = (
    _Repair(("depth",), HOLE),
    _Repair(("steps",), HOLE),
    _Repair(("axes", ANY), HOLE),
    _Repair(("axes",), {}),
    _Repair(("symmetry",), None),
    _Repair(("solve",), None),
    _Repair(("entry",), None),
    _Repair(("exit",), None),
    _Repair(("update", "groups", ANY, "form"), None),
    _Repair(("update", "groups", ANY, "step"), None),
    _Repair(("update", "groups", ANY, "norm"), None),
    _Repair(("update", "groups", ANY, "drop"), None),
    _Repair(("update", "groups"), None),
    _Repair(("update", "form"), None),
    _Repair(("update", "step"), None),
    _Repair(("update", "drop"), None),
    _Repair(("update",), None),
    _Repair(("layers", ANY, "axes"), [HOLE]),
    _Repair(("layers", ANY, "lagrangian"), "identity"),
    _Repair(("layers", ANY, "fast"), True),
    _Repair(("layers", ANY, "clamped"), None),
    _Repair(("layers", ANY, "tau"), None),
    _Repair(("layers", ANY), {"axes": [HOLE], "lagrangian": "identity", "fast": True}),
    _Repair(("synapses", ANY, "symmetry"), {HOLE: "tied"}),
    _Repair(("synapses", ANY, "bias"), None),
    _Repair(("synapses", ANY, "factors", ANY), _FACTOR),
    _Repair(("synapses", ANY), {"factors": {"left": _FACTOR, "right": _FACTOR}}),
)
"""Of a block: paths from it."""
_BLOCKS = (("block",), ("stages", ANY, "block"))
"""Where blocks stand."""
_REPAIRS = (
    _Repair(("hopgraph",), 1),
    _Repair(("name",), "unnamed"),
    _Repair(("cite",), None),
    _Repair(("dims", ANY), HOLE),
    _Repair(("dims",), None),
    _Repair(("input",), {"image": [HOLE, HOLE, HOLE]}),
    _Repair(("encoder", ANY), {"mean": HOLE}),
    _Repair(("encoder",), [{"mean": HOLE}]),
    _Repair(("readout", ANY), {"mean": HOLE}),
    _Repair(("readout",), None),
    _Repair(("iso_params",), None),
    _Repair(("fold",), None),
    _Repair(("weights", ANY), None),
    _Repair(("weights",), None),
    _Repair(("variants",), None),
    _Repair(("stages", ANY, "dims", ANY), HOLE),
    _Repair(("stages", ANY, "dims"), None),
    _Repair(("stages", ANY, "down", ANY), {"mean": HOLE}),
    _Repair(("stages", ANY, "down"), [{"mean": HOLE}]),
    *(_Repair((*block, *row.path), row.placeholder) for block in _BLOCKS for row in _IN_BLOCK),
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

    def touches(place: Place, *, table: bool) -> bool:
        if not isinstance(place, At):
            return False
        path = place.path
        inside = any(path[:length] in places for length in range(len(path) + 1))
        whole = table and len(path) <= (4 if path[:1] == ("stages",) else 2)
        return inside or (not whole and path in around)

    return [
        item
        for item in found
        if not (touches(item.at, table=False) or any(touches(at, table=True) for at, _ in item.related) or _untold(item, places))
    ]


_SIZES = ("dim-unknown", "dim-value", "axes-mismatch", "map-invalid", "operation-invalid")
_TABLES = {
    "dims": _SIZES,
    "axes": ("axis-unknown", "dim-unknown", "map-invalid"),
    "layers": ("layer-unknown",),
    "synapses": ("synapse-unknown", "solve-invalid"),
    "solve": ("fast-cycle",),
}
"""What may be a consequence, elsewhere in the same block, of a table that is broken as a whole."""


def _untold(item: Diagnostic, places: set[Path]) -> bool:
    """Whether a table is broken that may be the cause of a diagnostic; of dims, that of a stage or of the whole."""
    if not isinstance(item.at, At):
        return False
    stage = item.at.path[:2] if item.at.path[:1] == ("stages",) else ()
    tables = {table for table, codes in _TABLES.items() if item.code in codes}
    owners = (("dims", ()), ("dims", stage), *((table, (*stage, "block")) for table in ("axes", "layers", "synapses", "solve")))
    return any(table in tables and (*owner, table) in places for table, owner in owners)
