"""The JSON Schema of a language (draft 2020-12), from the models that validate it: editors complete and check by it.

The models tell their shorthands themselves (`as_written`, `WithJsonSchema`). Added here are the descriptions of fields, which
are what the docstring of their model says of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema

from hopgraph.energy.lagrangians import LAGRANGIANS
from hopgraph.energy.options import Dim, Real
from hopgraph.frontend import choice, choices, spec, symmetry, update, weights
from hopgraph.frontend.grammar import SPEC, Grammar, Model

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TOLD = tuple(module.__name__ for module in (choice, choices, spec, symmetry, update, weights))
"""The modules whose models tell every shorthand of their fields."""
RENEW = "hopgraph schema -o specs/hopgraph.schema.json"
"""The command that writes the shipped file anew."""


class _Generator(GenerateJsonSchema):
    """Pydantic's generator, with descriptions of fields and without titles, which only repeat names."""

    schema_dialect = DIALECT

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """A model's fields, each with what the model's docstring says of it."""
        made = super().model_schema(schema)
        for name, field in made.get("properties", {}).items():
            about = _said_of(name, schema["cls"].__doc__ or "")
            if about and "description" not in field:
                field["description"] = about
        return made

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        """What a validator reads before a field's type. A record whose field does not tell it (`WithJsonSchema`) allows anything."""
        told = schema["function"]["function"].__module__ in TOLD or _holds_model(schema)
        return super().function_before_schema(schema) if told else {}

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """A field with its default where that is a word, a number or a list: what a spec could write."""
        made = super().default_schema(schema)
        if made.get("default", {}) in (None, [], {}) or isinstance(made.get("default"), dict):
            made.pop("default", None)
        return made

    def encode_default(self, dft: Any) -> Any:
        """A size and a number on dims as the text of them."""
        return dft.text if isinstance(dft, Dim | Real) else super().encode_default(dft)

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never."""
        return False

    def generate(self, schema: core_schema.CoreSchema, mode: JsonSchemaMode = "validation") -> JsonSchemaValue:
        """The whole, without the titles of models."""
        made = super().generate(schema, mode)
        for part in (made, *made["$defs"].values()):
            _drop_title(part)
        return {"$schema": self.schema_dialect, **made}


def json_schema(grammar: Grammar[Model] = SPEC) -> dict[str, Any]:
    """The JSON Schema of a language; the same at every call."""
    made = grammar.model.model_json_schema(schema_generator=_Generator)
    if "Lagrangian" in made["$defs"]:
        _add_formulas(made["$defs"]["Lagrangian"])
    return {"$schema": made.pop("$schema"), "title": f"HopGraph {grammar.noun}", **made}


def schema_text(grammar: Grammar[Model] = SPEC) -> str:
    """The JSON Schema as the text of the shipped file."""
    return json.dumps(json_schema(grammar), indent=1, ensure_ascii=False) + "\n"


def _holds_model(schema: Mapping[str, Any]) -> bool:
    """Whether what a validator reads before is a model or nothing: the choice knows whether that model tells it."""
    while "schema" in schema and schema["type"] != "model":
        schema = schema["schema"]
    return schema["type"] in ("model", "definition-ref")


def _drop_title(part: JsonSchemaValue) -> None:
    """Without its title, which pydantic makes of the model's name, here and in the forms that it may have."""
    part.pop("title", None)
    for form in part.get("anyOf", ()):
        form.pop("title", None)


def _add_formulas(table: JsonSchemaValue) -> None:
    """Describe each Lagrangian by its formula, of the state x."""
    for record in LAGRANGIANS.values():
        field = table["anyOf"][1]["properties"][record.name]
        field["description"] = f"L = {record.formula.replace('@', 'x')}"


def _said_of(name: str, docstring: str) -> str:
    """The sentences of a docstring that name a field."""
    sentences = re.split(r"(?<=[.])\s+|\n\s*\n", docstring)
    return " ".join(" ".join(sentence.split()) for sentence in sentences if re.search(f"`{name}[`:]", sentence))
