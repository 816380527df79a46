"""A field that names one record of a table and gives its options: `gelu`, or `{layernorm: {over: [c]}}`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, GetCoreSchemaHandler, create_model
from pydantic_core import CoreSchema

from hopgraph.energy.options import OptionModel, as_mapping, wrong

Shorthand = Callable[[Any], Any]


@dataclass(frozen=True)
class Chosen:
    """The record's name and its options."""

    kind: str
    options: OptionModel


class Choice:
    """Metadata of a `Chosen` field: exactly one record of a table of option models, by its name."""

    def __init__(self, title: str, table: Mapping[str, tuple[type[OptionModel], Shorthand]]) -> None:
        self.title = title
        fields: dict[str, Any] = {
            name: (Annotated[options | None, BeforeValidator(shorthand)], None) for name, (options, shorthand) in table.items()
        }
        self.model: type[OptionModel] = create_model(title, __base__=OptionModel, **fields)

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


def _after(value: BaseModel) -> Chosen:
    (kind,) = value.model_fields_set
    return Chosen(kind, getattr(value, kind))


def as_is(value: Any) -> Any:
    """The shorthand of a record that has none."""
    return value
