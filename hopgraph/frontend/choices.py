"""Fields that choose a record by its name, and the chains of maps made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from hopgraph.energy.lagrangians import LAGRANGIANS, installed
from hopgraph.energy.maps import MAPS
from hopgraph.energy.options import (
    JsonSchema,
    OptionModel,
    as_list,
    wrong,
)
from hopgraph.frontend.choice import AtMost, Choice, Chosen, as_is
from hopgraph.frontend.ends import ENDS

MAX_PARTS = 200
"""How many layers, synapses, groups and axes a block may have, how many operations an encoder, a readout or a chain."""
MAX_FACTORS = 8
"""How many factors a synapse may have, and how many chains a sum."""


Few = AtMost(MAX_PARTS)


class Sum(OptionModel):
    """`sum: [[...], [...]]`, the sum of several chains: each of them reads what the sum reads, and all give the same axes."""

    chains: Annotated[tuple[Annotated[tuple[MapField, ...], Few], ...], AtMost(MAX_FACTORS)]

    @classmethod
    def as_written(cls, mapping: JsonSchema) -> JsonSchema:
        """The list of chains alone."""
        return {**mapping["properties"]["chains"], "minItems": 2}


def _sum(what: str, example: str) -> Callable[[Any], Any]:
    """The shorthand of a sum of chains of maps, or of operations."""

    def shorthand(value: Any) -> Any:
        chains = as_list(value)
        if chains is None or len(chains) < 2 or any(as_list(chain) is None for chain in chains):
            raise wrong(f"a list of at least two chains, each a list of {what}, such as `{example}`")
        return {"chains": chains}

    return shorthand


_map_sum = _sum("maps", "[[{pool: {over: [r, w], kernel: 3}}], [{scale: -1}]]")
_end_sum = _sum("operations", "[[{conv: {channels: C, kernel: 1}}], []]")


class EndSum(OptionModel):
    """`sum: [[...], [...]]`, the sum of several chains of operations: each reads what the sum reads, and all give the same sizes."""

    chains: Annotated[tuple[Annotated[tuple[EndField, ...], Few], ...], AtMost(MAX_FACTORS)]

    @classmethod
    def as_written(cls, mapping: JsonSchema) -> JsonSchema:
        """The list of chains alone."""
        return {**mapping["properties"]["chains"], "minItems": 2}


LAGRANGIANS.update(installed())
LagrangianField = Annotated[Chosen, Choice("Lagrangian", {name: (record.options, as_is) for name, record in LAGRANGIANS.items()})]
_MAP = Choice("linear map", {**{name: (record.options, record.shorthand) for name, record in MAPS.items()}, "sum": (Sum, _map_sum)})
MapField = Annotated[Chosen, _MAP]
_END = Choice("operation", {**{name: (record.options, record.shorthand) for name, record in ENDS.items()}, "sum": (EndSum, _end_sum)})
EndField = Annotated[Chosen, _END]
for _model in (Sum, _MAP.model, EndSum, _END.model):
    _model.model_rebuild()
Chain = Annotated[tuple[MapField, ...], Few]
