"""The table of a published model's tensors: which name goes where, and how each is laid out.

A name may have expressions in angle brackets: on `block`, the running number of a block over all stages and depths, on `stage`
and on `depth`, its number inside its stage (`network.<2 * stage>.<depth>`); or the name of an axis of the parameter, where the
published model has a tensor for each position on it (`heads.<h>.weight`).
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StrictStr, WithJsonSchema

from hopgraph.energy.options import TEXT, JsonSchema, OptionModel, as_list, as_mapping, either, name_list, wrong
from hopgraph.frontend.choice import AtMost
from hopgraph.frontend.dims import DimError, names_in

MAX_ENTRIES = 1000
"""How many entries a table may have, and how many parts an entry."""

PLACE = re.compile(r"<([^<>]*)>")
"""An expression inside a name."""

Merged = str | tuple[str, ...]
"""One axis of a published tensor: an axis of ours, or several of ours merged, the last running fastest."""


def _axes(value: Any) -> Any:
    items = as_list(value)
    groups = [item if isinstance(item, str) else name_list(item) for item in items or ()]
    flat = [axis for group in groups for axis in ([group] if isinstance(group, str) else group or [""])]
    if not groups or "" in flat or len(set(flat)) != len(flat):
        raise wrong("a list of axes, merged ones in a list of their own, such as `[[h, y], c]`")
    return tuple(groups)


def _name(value: Any) -> Any:
    if isinstance(value, str):
        try:
            bare = all(names_in(place) for place in PLACE.findall(value))
        except DimError:
            bare = False
        if bare and not set("<>") & set(PLACE.sub("", value)):
            return value
    raise wrong("the name of a tensor, with expressions such as `<block>` in it")


Name = Annotated[StrictStr, BeforeValidator(_name)]
_LAYOUT: JsonSchema = {"type": "array", "items": either(TEXT, {"type": "array", "items": TEXT, "minItems": 1}), "minItems": 1}


class Part(OptionModel):
    """A published tensor, or a part of one, and where it goes.

    `to` is the stored name of a parameter of the compiled model. `axes` is the layout of the published tensor, by the labels of
    that parameter's axes: merged ones in an inner list; the parameter's own order where nothing is said. Axes of size one do
    not count.
    """

    to: Name
    axes: Annotated[tuple[Merged, ...], BeforeValidator(_axes), WithJsonSchema(_LAYOUT)] | None = None


class Entry(OptionModel):
    """Where one published tensor goes: its parts along its first axis, in order; none, where it is read and not used."""

    parts: Annotated[tuple[Part, ...], AtMost(MAX_ENTRIES)]

    @classmethod
    def as_written(cls, mapping: JsonSchema) -> JsonSchema:
        """A name, a mapping, a list of mappings, or nothing."""
        part = mapping["properties"]["parts"]["items"]
        return either(TEXT, part, {"type": "array", "items": part, "minItems": 2}, {"type": "null"})


def _entry(value: Any) -> Any:
    several = as_list(value)
    if value is None:
        return {"parts": []}
    if isinstance(value, str):
        return {"parts": [{"to": value}]}
    if as_mapping(value) is not None:
        return {"parts": [value]}
    if several is None or len(several) < 2 or any(as_mapping(part) is None for part in several):
        raise wrong("a name, a mapping with `to`, or a list of at least two such mappings")
    return {"parts": several}


EntryField = Annotated[Entry, BeforeValidator(_entry)]
WeightTable = Annotated[dict[Name, EntryField], AtMost(MAX_ENTRIES), Field(default_factory=dict)]
