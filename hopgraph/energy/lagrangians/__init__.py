r"""Lagrangians: a layer's state x, its Lagrangian L(x), and its activation g = dL/dx.

One record each. `value` is the formula of L and feeds the oracle alone; `activation` writes g into the program in closed
form. The two share nothing, so autograd of the one checks the other. A record also states what the certificate needs:
whether L is convex, the range of the activation's slope, and whether g acts element by element.

References: Krotov, "Hierarchical Associative Memory" (arXiv:2107.06446); Hoover et al., "A Universal Abstraction for
Hierarchical Hopfield Networks" (2022); Karakida, Ota and Taki (arXiv:2406.12220).
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points

from pydantic import model_validator

from hopgraph.energy.lagrangians import affine, elementwise, norms, softmax
from hopgraph.energy.lagrangians.elementwise import GELU_MAX_SLOPE, GELU_MIN_SLOPE
from hopgraph.energy.lagrangians.record import Lagrangian, breaking_gain, gain_axes, over_axes, over_dims
from hopgraph.energy.options import OptionModel, wrong

GROUP = "hopgraph.lagrangians"
"""The entry points by which other packages add Lagrangians: `NAME = "MODULE:RECORD"`."""

LAGRANGIANS: dict[str, Lagrangian] = {
    record.name: record for rows in (elementwise.ROWS, affine.ROWS, softmax.ROWS, norms.ROWS) for record in rows
}
"""Every Lagrangian by name. One more is one more record. The frontend adds those of other packages when it is loaded."""


def installed() -> dict[str, Lagrangian]:
    """The Lagrangians of other packages by name.

    One that cannot be had refuses its options and says why, at the place in the spec: others work beside it.
    """
    found: dict[str, Lagrangian] = {}
    points = entry_points(group=GROUP) if any(map(_declares, sys.path)) else ()
    for point in sorted(points, key=lambda point: point.name):
        record = _loaded(point)
        clash = record.name in found or record.name in LAGRANGIANS
        found[record.name] = _refusing(record.name, f"two packages have one of this name, one as `{point.value}`") if clash else record
    return found


def _declares(folder: str) -> bool:
    """Whether a package in a folder of the path has such entry points.

    By the text of the files in which installers write them: most have none, and for importlib to read all of all packages takes four
    times as long, of which `hopgraph check` would feel it.
    """
    with suppress(OSError):
        for name in os.listdir(folder or os.curdir):  # noqa: PTH208 (a Path for each of hundreds takes as long as the rest)
            if name.endswith((".dist-info", ".egg-info")) and _names_group(f"{folder or os.curdir}/{name}/entry_points.txt"):
                return True
    return False


def _names_group(file: str) -> bool:
    with suppress(OSError), open(file, "rb") as written:  # noqa: PTH123 (likewise)
        return f"[{GROUP}]".encode() in written.read()
    return False


def _loaded(point: EntryPoint) -> Lagrangian:
    try:
        record = point.load()
    except Exception as error:  # whatever the import of another's module raises
        return _refusing(point.name, f"`{point.value}` cannot be imported: {error}")
    return record if isinstance(record, Lagrangian) else _refusing(point.name, f"`{point.value}` is no Lagrangian")


def _refusing(name: str, reason: str) -> Lagrangian:
    """A Lagrangian that no layer can have, for a reason; operations of that name still compute what the shipped one does."""

    class Refused(OptionModel):
        """None are right."""

        @model_validator(mode="before")
        @classmethod
        def _refuse(cls, value: object) -> object:
            raise wrong(f"another Lagrangian: {reason}")

    return replace(LAGRANGIANS.get(name, LAGRANGIANS["identity"]), name=name, options=Refused)


__all__ = [
    "GELU_MAX_SLOPE",
    "GELU_MIN_SLOPE",
    "LAGRANGIANS",
    "Lagrangian",
    "breaking_gain",
    "gain_axes",
    "installed",
    "over_axes",
    "over_dims",
]
