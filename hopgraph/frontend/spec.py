"""The models of a spec: the grammar of the language, validated by pydantic.

Shorthands (`s: s` for a factor, `tied` for a symmetry, a bare list for a group) are brought to one form here, so that
nothing later meets two spellings of one thing.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictBool, StrictStr

from hopgraph.energy.lagrangians import LAGRANGIANS
from hopgraph.energy.maps import MAPS
from hopgraph.energy.options import AxisList, AxisName, DimField, NotNegative, OptionModel, Positive, as_list, as_mapping, name_list, wrong
from hopgraph.frontend.choice import Choice, Chosen, as_is
from hopgraph.frontend.ends import ENDS

LANGUAGE = 1
"""The version of the language that this package reads, as `hopgraph:` at the head of a spec."""

LagrangianField = Annotated[Chosen, Choice("Lagrangian", {name: (record.options, as_is) for name, record in LAGRANGIANS.items()})]
MapField = Annotated[Chosen, Choice("linear map", {name: (record.options, record.shorthand) for name, record in MAPS.items()})]
EndField = Annotated[Chosen, Choice("operation", {name: (record.options, record.shorthand) for name, record in ENDS.items()})]

MAX_PARTS = 200
"""How many layers, synapses, groups and axes a block may have, how many operations an encoder, a readout or a chain."""
MAX_FACTORS = 8
"""How many factors a synapse may have."""


def at_most(count: int) -> BeforeValidator:
    """A list or a mapping with a limit to its entries."""

    def check(value: Any) -> Any:
        if isinstance(value, dict | list) and len(value) > count:  # pyright: ignore[reportUnknownArgumentType]
            raise wrong(f"a {'list' if isinstance(value, list) else 'mapping'} of at most {count} entries")
        return value  # pyright: ignore[reportUnknownVariableType]

    return BeforeValidator(check)


Few = at_most(MAX_PARTS)


class SymmetryKind(OptionModel):
    """What one pull reads: `tied`, `own`, `off`, or `{penalized: lambda}`."""

    kind: Literal["tied", "own", "off", "penalized"]
    penalty: NotNegative | None = Field(default=None, alias="penalized")


def _kind(value: Any) -> Any:
    if value in ("tied", "own", "off"):
        return {"kind": value}
    given = as_mapping(value)
    if given is not None and set(given) == {"penalized"}:
        if given["penalized"] is None:
            raise wrong("`{penalized: lambda}` with a number for lambda")
        return {"kind": "penalized", **given}
    raise wrong("`tied`, `own`, `off` or `{penalized: lambda}`")


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
    through: Annotated[tuple[MapField, ...], Few] = ()


def _factor(value: Any) -> Any:
    if not isinstance(value, str | dict):
        raise wrong("a layer, or a mapping with the field `layer`")
    return {"layer": value} if isinstance(value, str) else value  # pyright: ignore[reportUnknownVariableType]


class Synapse(OptionModel):
    """A product of factors, summed over all axes: E = - sum prod_f A_f g_f."""

    factors: Annotated[dict[StrictStr, Annotated[Factor, BeforeValidator(_factor)]], at_most(MAX_FACTORS)]
    symmetry: SymmetryField | None = None


class Group(OptionModel):
    """Synapses whose pulls on slow layers act at the same time; `norm: {x: own}` gives layer x its own norm here."""

    synapses: tuple[StrictStr, ...]
    form: Literal["residual", "decay"] | None = None
    step: Positive | None = None
    norm: dict[StrictStr, Literal["own", "shared"]] = Field(default_factory=dict)


def _group(value: Any) -> Any:
    names = name_list(value)
    if names is None and not isinstance(value, dict):
        raise wrong("a list of synapses, or a mapping with the field `synapses`")
    return value if names is None else {"synapses": names}  # pyright: ignore[reportUnknownVariableType]


class Update(OptionModel):
    """How slow layers move. residual: x + a u; decay: (1 - a) x + a u. Groups act one after the other."""

    form: Literal["residual", "decay"] = "residual"
    step: Positive = 1.0
    groups: Annotated[tuple[Annotated[Group, BeforeValidator(_group)], ...] | None, Few] = None


class Block(OptionModel):
    """Layers and synapses; `depth` repeats the block with new weights, `steps` with the same ones."""

    depth: DimField = Field(default="1", validate_default=True)
    steps: DimField = Field(default="1", validate_default=True)
    axes: Annotated[dict[AxisName, DimField], Few]
    layers: Annotated[dict[StrictStr, Layer], Few]
    synapses: Annotated[dict[StrictStr, Synapse], Few]
    symmetry: SymmetryKindField = Field(default="tied", validate_default=True)
    update: Update = Update()


def _image(value: Any) -> Any:
    sizes = as_list(value)
    if sizes is None or len(sizes) != 3:
        raise wrong("three sizes: channels, height and width")
    return sizes


class ImageInput(OptionModel):
    """What the model reads: an image of channels, height and width."""

    image: Annotated[tuple[DimField, DimField, DimField], BeforeValidator(_image)]


def _version(value: Any) -> Any:
    if type(value) is not int or value != LANGUAGE:
        raise wrong(f"{LANGUAGE}")
    return value


def _overlay(value: Any) -> Any:
    if as_mapping(value) is None:
        raise wrong("a mapping of paths to values, such as `{dims.C: 64}`")
    return value


class Spec(OptionModel):
    """A whole spec, with its variants already laid over it."""

    hopgraph: Annotated[Literal[1], BeforeValidator(_version)]
    name: StrictStr
    cite: StrictStr | None = None
    dims: dict[StrictStr, DimField] = Field(default_factory=dict)
    input: ImageInput
    encoder: Annotated[tuple[EndField, ...], Few] = ()
    block: Block
    readout: Annotated[tuple[EndField, ...], Few] = ()
    variants: dict[StrictStr, Annotated[dict[StrictStr, Any], BeforeValidator(_overlay)]] = Field(default_factory=dict)
