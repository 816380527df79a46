"""The models of a spec: the grammar of the language, validated by pydantic.

Shorthands (`s: s` for a factor, `tied` for a symmetry, a bare list for a group) are brought to one form here, so that
nothing later meets two spellings of one thing.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictBool, StrictStr

from hopgraph.energy.lagrangians import LAGRANGIANS
from hopgraph.energy.maps import MAPS
from hopgraph.energy.options import AxisList, AxisName, DimField, NotNegative, OptionModel, Positive, as_mapping, name_list, wrong
from hopgraph.frontend.choice import Choice, Chosen, as_is
from hopgraph.frontend.ends import ENDS

LANGUAGE = 1
"""The version of the language that this package reads, as `hopgraph:` at the head of a spec."""

LagrangianField = Annotated[Chosen, Choice("Lagrangian", {name: (record.options, as_is) for name, record in LAGRANGIANS.items()})]
MapField = Annotated[Chosen, Choice("linear map", {name: (record.options, record.shorthand) for name, record in MAPS.items()})]
EndField = Annotated[Chosen, Choice("operation", {name: (record.options, record.shorthand) for name, record in ENDS.items()})]

Word = Literal["tied", "own", "off"]


class SymmetryKind(OptionModel):
    """What one pull reads: `tied`, `own`, `off`, or `{penalized: lambda}`."""

    kind: Literal["tied", "own", "off", "penalized"]
    penalty: NotNegative | None = None


def _kind(value: Any) -> Any:
    if isinstance(value, str):
        if value not in ("tied", "own", "off"):
            raise wrong("tied, own, off or {penalized: lambda}")
        return {"kind": value}
    given = as_mapping(value)
    if given is not None and set(given) == {"penalized"}:
        return {"kind": "penalized", "penalty": given["penalized"]}
    raise wrong("tied, own, off or {penalized: lambda}")


SymmetryKindField = Annotated[SymmetryKind, BeforeValidator(_kind)]


class Symmetry(OptionModel):
    """The symmetry of a whole synapse, or of its pulls by factor (those left out are tied)."""

    whole: SymmetryKindField | None = None
    pulls: dict[StrictStr, SymmetryKindField] = Field(default_factory=dict)


def _symmetry(value: Any) -> Any:
    given = as_mapping(value)
    return {"whole": value} if given is None or "penalized" in given else {"pulls": given}


SymmetryField = Annotated[Symmetry, BeforeValidator(_symmetry)]


class Layer(OptionModel):
    """Neurons on named axes, with the Lagrangian that gives their activation; `fast` ones equal their input at once."""

    axes: AxisList
    lagrangian: LagrangianField
    fast: StrictBool = False


class Factor(OptionModel):
    """One layer's activation as a synapse sees it: axes renamed, then through a chain of linear maps."""

    layer: StrictStr
    rename: dict[AxisName, AxisName] = Field(default_factory=dict)
    through: tuple[MapField, ...] = ()


def _factor(value: Any) -> Any:
    return {"layer": value} if isinstance(value, str) else value


class Synapse(OptionModel):
    """A product of factors, summed over all axes: E = - sum prod_f A_f g_f."""

    factors: dict[StrictStr, Annotated[Factor, BeforeValidator(_factor)]]
    symmetry: SymmetryField | None = None


class Group(OptionModel):
    """Synapses whose pulls on slow layers act at the same time; `norm: {x: own}` gives layer x its own norm here."""

    synapses: tuple[StrictStr, ...]
    form: Literal["residual", "decay"] | None = None
    step: Positive | None = None
    norm: dict[StrictStr, Literal["own", "shared"]] = Field(default_factory=dict)


def _group(value: Any) -> Any:
    names = name_list(value)
    return value if names is None else {"synapses": names}


class Update(OptionModel):
    """How slow layers move. residual: x + a u; decay: (1 - a) x + a u. Groups act one after the other."""

    form: Literal["residual", "decay"] = "residual"
    step: Positive = 1.0
    groups: tuple[Annotated[Group, BeforeValidator(_group)], ...] | None = None


class Block(OptionModel):
    """Layers and synapses; `depth` repeats the block with new weights, `steps` with the same ones."""

    depth: DimField = Field(default="1", validate_default=True)
    steps: DimField = Field(default="1", validate_default=True)
    axes: dict[AxisName, DimField]
    layers: dict[StrictStr, Layer]
    synapses: dict[StrictStr, Synapse]
    symmetry: SymmetryKindField = Field(default="tied", validate_default=True)
    update: Update = Update()


class ImageInput(OptionModel):
    """What the model reads: an image of channels, height and width."""

    image: tuple[DimField, DimField, DimField]


class Spec(OptionModel):
    """A whole spec, with its variants already laid over it."""

    hopgraph: Literal[1]
    name: StrictStr
    cite: StrictStr | None = None
    dims: dict[StrictStr, DimField] = Field(default_factory=dict)
    input: ImageInput
    encoder: tuple[EndField, ...] = ()
    block: Block
    readout: tuple[EndField, ...] = ()
    variants: dict[StrictStr, dict[StrictStr, Any]] = Field(default_factory=dict)
