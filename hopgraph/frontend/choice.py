"""A field that names one record of a table and gives its options: `gelu`, or `{layernorm: {over: [c]}}`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError, create_model
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from hopgraph.energy.options import JsonSchema, OptionModel, as_mapping, either, without_null, wrong

Shorthand = Callable[[Any], Any]


@dataclass(frozen=True)
class Chosen:
    """The record's name and its options."""

    kind: str
    options: OptionModel


class _Table(OptionModel):
    """Base of the model of a choice: one field per record, of which one is given."""

    @classmethod
    def as_written(cls, mapping: JsonSchema) -> JsonSchema:
        """The name of a record that needs no options, or one name with its options."""
        records = {name: without_null(field) if cls._is_told(name) else {} for name, field in mapping["properties"].items()}
        bare = [name for name in records if cls._may_be_bare(name)]
        options = {name: either(field, {"type": "null"}) if name in bare else field for name, field in records.items()}
        one = {**mapping, "properties": options, "minProperties": 1, "maxProperties": 1}
        return either({"enum": bare}, one) if bare else one

    @classmethod
    def _is_told(cls, name: str) -> bool:
        """Whether a record's options tell the schema of its shorthand. Of one that does not, the schema allows anything."""
        options, _ = get_args(cls.model_fields[name].annotation)
        (validator,) = cls.model_fields[name].metadata
        return options.as_written.__func__ is not OptionModel.as_written.__func__ or _is_as_is(validator.func)

    @classmethod
    def _may_be_bare(cls, name: str) -> bool:
        try:
            cls.model_validate({name: {}})
        except ValidationError:
            return False
        return True


def _is_as_is(shorthand: Shorthand) -> bool:
    """Whether a shorthand leaves what it is given as it is."""
    given = object()
    try:
        return shorthand(given) is given
    except PydanticCustomError:
        return False


class Choice:
    """Metadata of a `Chosen` field: exactly one record of a table of option models, by its name."""

    def __init__(self, title: str, table: Mapping[str, tuple[type[OptionModel], Shorthand]]) -> None:
        self.title = title
        fields: dict[str, Any] = {
            name: (Annotated[options | None, BeforeValidator(shorthand)], None) for name, (options, shorthand) in table.items()
        }
        self.model: type[OptionModel] = create_model(title, __base__=_Table, **fields)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validated as the model with one field per record, of which one is given."""
        return handler.generate_schema(Annotated[self.model, BeforeValidator(self._before), AfterValidator(_after)])

    def _before(self, value: Any) -> Any:
        if isinstance(value, str):
            return {value: {}}
        given = as_mapping(value)
        if given is None or len(given) != 1:
            raise wrong(f"the name of one {self.title}, or one name with its options")
        ((name, options),) = given.items()
        return {name: {} if options is None else options}


class AtMost:
    """Metadata of a list or a mapping: a limit to its entries."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Counted before the entries are read."""
        return core_schema.no_info_before_validator_function(self._counted, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        """Each limit holds for its own kind of value."""
        counted = handler(schema)
        limits = {"array": "maxItems", "object": "maxProperties"}
        kinds = [counted["type"]] if "type" in counted else list(limits)
        return {**counted, **{limits[kind]: self.count for kind in kinds}}

    def _counted(self, value: Any) -> Any:
        if isinstance(value, dict | list) and len(value) > self.count:  # pyright: ignore[reportUnknownArgumentType]
            raise wrong(f"a {'list' if isinstance(value, list) else 'mapping'} of at most {self.count} entries")
        return value  # pyright: ignore[reportUnknownVariableType]


def _after(value: BaseModel) -> Chosen:
    (kind,) = value.model_fields_set
    return Chosen(kind, getattr(value, kind))


def as_is(value: Any) -> Any:
    """The shorthand of a record that has none."""
    return value
