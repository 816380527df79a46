"""The models of a spec: the grammar of the language, validated by pydantic.

Shorthands (`s: s` for a factor, `tied` for a symmetry, a bare list for a group) are brought to one form here, so that
nothing later meets two spellings of one thing.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictBool, StrictStr

from hopgraph.energy.options import (
    AXES,
    TEXT,
    AxisList,
    AxisName,
    DimField,
    JsonSchema,
    OptionModel,
    PositiveReal,
    Real,
    as_list,
    as_mapping,
    either,
    without_null,
    wrong,
)
from hopgraph.frontend.choice import AtMost
from hopgraph.frontend.choices import MAX_FACTORS, Chain, EndField, Few, LagrangianField
from hopgraph.frontend.symmetry import SymmetryField, SymmetryKindField
from hopgraph.frontend.update import Solve, SomeAxes, Update, solves
from hopgraph.frontend.weights import WeightTable

LANGUAGE = 1
"""The version of the language that this package reads, as `hopgraph:` at the head of a spec."""


# --- the parts of a block ---------------------------------------------------------------------------------------------


class Layer(OptionModel):
    """Neurons on named axes, with the Lagrangian that gives their activation.

    `axes` are those of the state x, the batch aside. `lagrangian` is L, by its name and options; the activation is dL/dx.
    `fast` ones equal their input at once (tau = 0); a slow one moves by a / `tau`. A `clamped` one keeps the state that it is given.
    """

    axes: AxisList
    lagrangian: LagrangianField
    fast: StrictBool = False
    clamped: StrictBool = False
    tau: PositiveReal = Real("1")

    @classmethod
    def as_written(cls, mapping: JsonSchema) -> JsonSchema:
        """A mapping in which what is fast has nothing that only a state has."""
        fast = {"properties": {"fast": {"const": True}}, "required": ["fast"]}
        return {**mapping, "if": fast, "then": {"properties": {"clamped": {"const": False}, "tau": False}}}


class Factor(OptionModel):
    """One layer's activation as a synapse sees it: axes renamed, then through a chain of linear maps.

    `layer` is the layer's name. `rename` gives new names to axes, old to new, where one layer takes part twice. `through` is
    the chain of linear maps, the first one applied first.
    """

    layer: StrictStr
    rename: dict[AxisName, AxisName] = Field(default_factory=dict)
    through: Chain = ()

    @classmethod
    def as_written(cls, mapping: JsonSchema) -> JsonSchema:
        """A layer's name, or a mapping."""
        return either(TEXT, mapping)


def _factor(value: Any) -> Any:
    if not isinstance(value, str | dict):
        raise wrong("a layer, or a mapping with the field `layer`")
    return {"layer": value} if isinstance(value, str) else value  # pyright: ignore[reportUnknownVariableType]


FactorField = Annotated[Factor, BeforeValidator(_factor)]
Factors = Annotated[dict[StrictStr, FactorField], AtMost(MAX_FACTORS)]


def _sources(value: Any) -> Any:
    given = as_mapping(value)
    return {"": value} if given is None or given.keys() & set(Factor.model_fields) else given


def _biases(value: Any) -> Any:
    return value if as_mapping(value) is not None else {"": value}


class Synapse(OptionModel):
    """A product of factors, summed over all axes: E = - sum prod_f A_f g_f; or, directed, `from` some factors `to` one.

    `factors` are named, and a pull is called after its factor. `symmetry` is the block's where none is given. `bias` adds a
    learned external field to the pull on a factor, over some axes of its layer: E - <b, g>. A synapse of one factor is such a
    field alone.
    """

    factors: Factors | None = None
    sources: Annotated[Factors, BeforeValidator(_sources)] | None = Field(default=None, alias="from")
    target: FactorField | None = Field(default=None, alias="to")
    symmetry: SymmetryField | None = None
    bias: Annotated[dict[StrictStr, SomeAxes], BeforeValidator(_biases)] = Field(default_factory=dict)

    @classmethod
    def as_written(cls, mapping: JsonSchema) -> JsonSchema:
        """Either `factors`, or `from` and `to` without a symmetry."""
        fields = mapping["properties"]
        several = {**without_null(fields["from"]), "properties": {"layer": False}}
        written = {**fields, "from": either(without_null(fields["to"]), several), "bias": either(AXES, without_null(fields["bias"]))}
        product = {"required": ["factors"], "properties": {"from": False, "to": False}}
        directed = {"required": ["from", "to"], "properties": {"factors": False, "symmetry": False}}
        return {**mapping, "properties": written, **either(product, directed)}


class Block(OptionModel):
    """Layers and synapses; `depth` repeats the block with new weights, `steps` with the same ones.

    The slow layer `entry` takes what comes before, the slow layer `exit` is what goes on; both are the first that is declared
    where nothing is said. `axes` names the axes of the layers, with their sizes. `layers` are the neurons, `synapses` what
    couples them. `symmetry` is that of every synapse that does not say its own. `update` says how slow layers move, `solve` how
    fast layers that feed each other in a circle are solved.
    """

    depth: DimField = Field(default="1", validate_default=True)
    steps: DimField = Field(default="1", validate_default=True)
    axes: Annotated[dict[AxisName, DimField], Few]
    layers: Annotated[dict[StrictStr, Layer], Few]
    synapses: Annotated[dict[StrictStr, Synapse], Few]
    symmetry: SymmetryKindField = Field(default="tied", validate_default=True)
    update: Update = Update()
    solve: Annotated[tuple[Solve, ...], BeforeValidator(solves), Few] = ()
    entry: StrictStr | None = None
    exit: StrictStr | None = None

    @classmethod
    def as_written(cls, mapping: JsonSchema) -> JsonSchema:
        """A mapping, in which one `solve` may stand for a list of one."""
        solve = without_null(mapping["properties"]["solve"])
        return {**mapping, "properties": {**mapping["properties"], "solve": either(solve["items"], solve)}}


class Stage(OptionModel):
    """One stage of a pyramid: operations `down` before its `block`, and `dims` of its own."""

    dims: dict[StrictStr, DimField] = Field(default_factory=dict)
    down: Annotated[tuple[EndField, ...], Few] = ()
    block: Block


# --- the whole --------------------------------------------------------------------------------------------------------


def _image(value: Any) -> Any:
    sizes = as_list(value)
    if sizes is None or len(sizes) != 3:
        raise wrong("three sizes: channels, height and width")
    return sizes


class Tokens(OptionModel):
    """A sequence of `length` token numbers below `vocabulary`."""

    length: DimField
    vocabulary: DimField


class Input(OptionModel):
    """What the model reads: an `image` of channels, height and width; `tokens`; or a `tensor` on named axes."""

    image: Annotated[tuple[DimField, DimField, DimField], BeforeValidator(_image)] | None = None
    tokens: Tokens | None = None
    tensor: Annotated[dict[AxisName, DimField], Few] | None = None

    @classmethod
    def as_written(cls, mapping: JsonSchema) -> JsonSchema:
        """A mapping of exactly one of the fields."""
        return {**mapping, "oneOf": [{"required": [name]} for name in mapping["properties"]]}


class IsoParams(OptionModel):
    """Scale the dims `by` by one factor to as many parameters as `match` has (a variant, several joined by `+`, or a symmetry)."""

    match: StrictStr
    by: AxisList


def _version(value: Any) -> Any:
    if type(value) is not int or value != LANGUAGE:
        raise wrong(f"{LANGUAGE}")
    return value


def _overlay(value: Any) -> Any:
    if as_mapping(value) is None:
        raise wrong("a mapping of paths to values, such as `{dims.C: 64}`")
    return value


class Spec(OptionModel):
    """A whole spec, with its variants already laid over it.

    `hopgraph` is the version of the language. `name` is the model's. `cite` is the paper that it comes from. `dims` names sizes,
    integers or expressions on other dims. `input` is what the model reads. `encoder` are the operations from the input to the first
    state. `block` is the memory: layers, synapses and how they move. `stages` are several blocks in a row instead, with operations
    between them. `readout` are the operations from the last state to the output. `iso_params` scales dims so that two variants have
    as many parameters. `fold` merges batch norms, scales and parallel branches into the linear maps beside them. `weights` says where
    each tensor of a published model goes, by its name. `variants` are named overlays, each a mapping of paths such as `dims.C` to values.
    """

    hopgraph: Annotated[Literal[1], BeforeValidator(_version)]
    name: StrictStr
    cite: StrictStr | None = None
    dims: dict[StrictStr, DimField] = Field(default_factory=dict)
    input: Input
    encoder: Annotated[tuple[EndField, ...], Few] = ()
    block: Block | None = None
    stages: Annotated[tuple[Stage, ...], Few] = ()
    readout: Annotated[tuple[EndField, ...], Few] = ()
    iso_params: IsoParams | None = None
    fold: StrictBool = False
    weights: WeightTable
    variants: dict[StrictStr, Annotated[dict[StrictStr, Any], BeforeValidator(_overlay)]] = Field(default_factory=dict)

    @classmethod
    def as_written(cls, mapping: JsonSchema) -> JsonSchema:
        """A mapping with either `block` or at least one of `stages`."""
        fields = mapping["properties"]
        written = {**fields, "stages": {**fields["stages"], "minItems": 1}}
        return {**mapping, "properties": written, "oneOf": [{"required": ["block"]}, {"required": ["stages"]}]}
