"""The kinds of fields that records' options are made of, shared with the rest of the language's schema."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StrictFloat, StrictInt, StrictStr, WithJsonSchema
from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic_core import CoreSchema

JsonSchema = dict[str, Any]


@dataclass(frozen=True)
class Dim:
    """A size as the spec states it: the text of an expression on dims."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Real:
    """A number as the spec states it: the text of an expression on dims that need not be whole, such as `y^-0.5`.

    `least` is the greatest number that it must exceed, if there is one.
    """

    text: str
    least: float | None = None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Learned:
    """A positive number that is learned, with the value that it starts at."""

    start: Real


class OptionModel(BaseModel):
    """Base of every model of the language: no unknown fields, frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    implied: ClassVar[tuple[str, ...]] = ()
    """Fields that a spec never names: a shorthand gives them their values."""

    @classmethod
    def as_written(cls, mapping: JsonSchema) -> JsonSchema:
        """The JSON Schema of what a spec may write for the model. `mapping` is that of its fields; a shorthand adds its own."""
        return mapping

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        mapping = dict(handler.resolve_ref_schema(handler(core_schema)))
        fields: JsonSchema = mapping.get("properties", {})
        mapping["properties"] = {name: without_null(field) if NULL in field.get("anyOf", ()) else field for name, field in fields.items()}
        about = {"description": mapping.pop("description")} if "description" in mapping else {}
        return {**about, **cls.as_written(mapping)}


def either(*schemas: JsonSchema) -> JsonSchema:
    """The JSON Schema of what one of several holds for."""
    return {"anyOf": list(schemas)}


def mapping_of(properties: JsonSchema, *required: str) -> JsonSchema:
    """The JSON Schema of a mapping of these fields and no others."""
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": list(required)}


def one_key_beside(options: tuple[str, ...]) -> list[JsonSchema]:
    """JSON Schemas that together ask for exactly one key that is no option, where at most one option is given.

    They cannot count the keys that are not among many.
    """
    some = {"not": {"propertyNames": {"enum": list(options)}}}
    none_but = {option: [other for other in options if other != option] for option in ("", *options)}
    return [
        some,
        *(
            {"if": {"propertyNames": {"not": {"enum": others}}}, "then": {"maxProperties": 2 if option else 1}}
            for option, others in none_but.items()
        ),
    ]


def without_null(schema: JsonSchema) -> JsonSchema:
    """The JSON Schema of an optional field where it is given."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != NULL]
    given = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    return {**given, **kinds[0]} if len(kinds) == 1 else {**given, **(either(*kinds) if kinds else {})}


NULL: JsonSchema = {"type": "null"}
TEXT: JsonSchema = {"type": "string"}
AXES: JsonSchema = either(TEXT, {"type": "array", "items": TEXT, "minItems": 1, "uniqueItems": True})
PAIR: JsonSchema = {"type": "array", "items": TEXT, "minItems": 2, "maxItems": 2, "uniqueItems": True}
SIZE: JsonSchema = {"type": ["integer", "string"]}
POSITIVE: JsonSchema = {"type": "number", "exclusiveMinimum": 0}


def wrong(expected: str) -> PydanticCustomError:
    """The error of a value of the wrong kind; `expected` says what it should be."""
    return PydanticCustomError("bad-value", "expected {expected}", {"expected": expected})


def _dim(value: Any) -> Dim:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise wrong("an integer or an expression on dims, such as `C / 2`")
    return Dim(str(value))


def as_mapping(value: Any) -> dict[str, Any] | None:
    """The value where it is a mapping, else None."""
    return dict(value) if isinstance(value, dict) else None  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def as_list(value: Any) -> list[Any] | None:
    """The value where it is a list, else None."""
    return list(value) if isinstance(value, list) else None  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def name_list(value: Any) -> tuple[str, ...] | None:
    """The value where it is a list of names that is not empty, else None."""
    items = as_list(value)
    return tuple(items) if items and all(isinstance(item, str) for item in items) else None


def axis_list(value: Any) -> tuple[str, ...]:
    """The value as a list of axes, each once; a single axis may stand for a list of one."""
    axes = (value,) if isinstance(value, str) else name_list(value)
    if axes is None or len(set(axes)) < len(axes):
        raise wrong("an axis or a list of axes, each once")
    return axes


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise wrong("a finite number")
    return float(value)


def _positive(value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise wrong("a positive number")
    return float(value)


def _not_negative(value: float) -> float:
    if not (math.isfinite(value) and value >= 0):
        raise wrong("a number that is not negative")
    return float(value)


def _share(value: float) -> float:
    if not 0 <= value < 1:
        raise wrong("a number from 0 to less than 1")
    return float(value)


def _above_one(value: float) -> float:
    if not (math.isfinite(value) and value > 1):
        raise wrong("a number greater than 1")
    return float(value)


def _positive_real(value: Any) -> Real:
    if isinstance(value, str):
        return Real(value, 0.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and value > 0):
        raise wrong("a positive number, or an expression on dims such as `y^-0.5`")
    return Real(repr(value), 0.0)


def _learnable(value: Any) -> Real | Learned:
    given = as_mapping(value)
    if value == "learned":
        return Learned(Real("1", 0.0))
    if given is None:
        return _positive_real(value)
    if set(given) != {"learned"}:
        raise wrong("a positive number, `learned`, or `{learned: 0.5}` with the value to start at")
    return Learned(_positive_real(given["learned"]))


def _gain(value: Any) -> Any:
    if value in ("none", "scalar", "vector"):
        return value
    axes = name_list(value)
    if axes is None:
        raise wrong("`none`, `scalar`, `vector` or a list of axes")
    return axes


Number = StrictInt | StrictFloat
DimField = Annotated[Dim, BeforeValidator(_dim), WithJsonSchema(SIZE)]
AxisName = StrictStr
AxisList = Annotated[tuple[AxisName, ...], BeforeValidator(axis_list), WithJsonSchema(AXES)]
Finite = Annotated[Number, AfterValidator(_finite), WithJsonSchema({"type": "number"})]
Positive = Annotated[Number, AfterValidator(_positive), WithJsonSchema(POSITIVE)]
NotNegative = Annotated[Number, AfterValidator(_not_negative), WithJsonSchema({"type": "number", "minimum": 0})]
Share = Annotated[Number, AfterValidator(_share), WithJsonSchema({"type": "number", "minimum": 0, "exclusiveMaximum": 1})]
Power = Annotated[Number, AfterValidator(_above_one), WithJsonSchema({"type": "number", "exclusiveMinimum": 1})]
PositiveReal = Annotated[Real, BeforeValidator(_positive_real), WithJsonSchema(either(POSITIVE, TEXT))]
"""A positive number, or an expression on dims and axes: a float once the dims are resolved."""
Learnable = Annotated[
    Real | Learned,
    BeforeValidator(_learnable),
    WithJsonSchema(either(POSITIVE, TEXT, mapping_of({"learned": either(POSITIVE, TEXT)}, "learned"))),
]
"""A positive number that may be learned: a float once the dims are resolved, or {"learned": its start}."""
Gain = Annotated[
    Literal["none", "scalar", "vector"] | tuple[str, ...],
    BeforeValidator(_gain),
    WithJsonSchema(either({"enum": ["none", "scalar", "vector"]}, {"type": "array", "items": TEXT, "minItems": 1})),
]
