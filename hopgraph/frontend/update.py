"""The models of an update: steps, stochastic depth, groups, and how circles are solved."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, StrictStr, WithJsonSchema

from hopgraph.energy.options import (
    AXES,
    AxisList,
    AxisName,
    DimField,
    JsonSchema,
    OptionModel,
    PositiveReal,
    Real,
    Share,
    as_mapping,
    axis_list,
    either,
    mapping_of,
    name_list,
    without_null,
    wrong,
)
from hopgraph.frontend.choices import Few


def _some_axes(value: Any) -> tuple[str, ...]:
    if value == "scalar":
        return ()
    return axis_list(value)


SomeAxes = Annotated[tuple[AxisName, ...], BeforeValidator(_some_axes), WithJsonSchema(AXES)]
"""`scalar`, or axes."""


class Step(OptionModel):
    """The step a: a number, or learned, as a scalar or over axes of the layer (layer scale).

    `learned` gives these axes, or `scalar`. `start` is the value that it starts at. `sign: free` lets it pass through 0.
    """

    implied: ClassVar[tuple[str, ...]] = ("fixed",)

    fixed: PositiveReal | None = None
    learned: SomeAxes | None = None
    start: PositiveReal = Real("1")
    sign: Literal["positive", "free"] = "positive"

    @classmethod
    def as_written(cls, mapping: JsonSchema) -> JsonSchema:
        """A number, `learned`, or a mapping."""
        fields = {name: without_null(field) for name, field in mapping["properties"].items()}
        return either(fields.pop("fixed"), mapping_of(fields, "learned"))


def _step(value: Any) -> Any:
    if value == "learned":
        return {"learned": "scalar"}
    given = as_mapping(value)
    if given is None:
        return {"fixed": value}
    if given.get("learned") is None or "fixed" in given:
        raise wrong("a positive number, `learned`, or `{learned: scalar}` or `{learned: [c], start: 0.1}`")
    return given


StepField = Annotated[Step, BeforeValidator(_step)]


class Drop(OptionModel):
    """Stochastic depth: in training a pull is left out with this rate, drawn `per: group` or `per: pull`.

    `rate` is the probability, from 0 to less than 1. `per` says what is drawn at once, all pulls of a group or each pull.
    `schedule: linear` lets the rate grow from 0 at the first block to the whole at the last.
    """

    rate: Share
    per: Literal["group", "pull"] = "group"
    schedule: Literal["constant", "linear"] = "constant"

    @classmethod
    def as_written(cls, mapping: JsonSchema) -> JsonSchema:
        """A rate, or a mapping."""
        return either(mapping["properties"]["rate"], mapping)


def _drop(value: Any) -> Any:
    return {"rate": value} if as_mapping(value) is None else value


DropField = Annotated[Drop, BeforeValidator(_drop)]


class Group(OptionModel):
    """Synapses whose pulls on slow layers act at the same time; `norm: {x: own}` gives layer x its own norm here.

    `synapses` are their names. `form`, `step` and `drop` are the update's where none are given. `norm` says of slow layers
    whether the parameters of their Lagrangian are this group's own or shared.
    """

    synapses: tuple[StrictStr, ...]
    form: Literal["residual", "decay"] | None = None
    step: StepField | None = None
    norm: dict[StrictStr, Literal["own", "shared"]] = Field(default_factory=dict)
    drop: DropField | None = None

    @classmethod
    def as_written(cls, mapping: JsonSchema) -> JsonSchema:
        """A list of synapses, or a mapping."""
        return either({**mapping["properties"]["synapses"], "minItems": 1}, mapping)


def _group(value: Any) -> Any:
    names = name_list(value)
    if names is None and not isinstance(value, dict):
        raise wrong("a list of synapses, or a mapping with the field `synapses`")
    return value if names is None else {"synapses": names}  # pyright: ignore[reportUnknownVariableType]


class Update(OptionModel):
    """How slow layers move, with u the pulls on them. Groups act one after the other.

    `form` is residual, x + a u, or decay, (1 - a) x + a u. `step` is a. `drop` is stochastic depth. `groups` say which synapses
    act together; without them all act at once.
    """

    form: Literal["residual", "decay"] = "residual"
    step: StepField = Field(default=1.0, validate_default=True)
    drop: DropField | None = None
    groups: Annotated[tuple[Annotated[Group, BeforeValidator(_group)], ...] | None, Few] = None


class Solve(OptionModel):
    """How a cycle of fast layers is solved: in this order, by so many Picard iterations (Gauss-Seidel).

    `order` names the layers of the cycle; what leaves it is the first one's value. `iterations` is how often all are updated.
    """

    order: AxisList
    iterations: DimField


def solves(value: Any) -> Any:
    """One `solve` as a list of one."""
    if not isinstance(value, dict | list):
        raise wrong("a mapping with `order` and `iterations`, or a list of these")
    return [value] if isinstance(value, dict) else value  # pyright: ignore[reportUnknownVariableType]
