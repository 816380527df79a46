"""The fields of the language's models, by the names that a spec writes."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hopgraph.errors import Path
from hopgraph.frontend.choice import Choice


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """A model's fields by their names in a spec: `from` is no name in Python, so some have another there."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def fields_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """The model whose fields stand at `path`, found by walking the annotations."""
    current: Any = model
    for step in path:
        current = _step(_stripped(current), step)
    current = _stripped(current)
    return current if isinstance(current, type) and issubclass(current, BaseModel) else None


def _step(annotation: Any, step: str | int) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if isinstance(step, int) and len(annotation.model_fields) == 1:  # written as the list that is its one field
            (field,) = annotation.model_fields.values()
            return _step(_stripped(field.annotation), step)
        field = fields_of(annotation).get(str(step))
        return _chosen(field.metadata, field.annotation) if field else None
    arguments = get_args(annotation)
    if get_origin(annotation) is dict:
        return arguments[1]
    if get_origin(annotation) is tuple:
        return arguments[0]
    return None


def _chosen(metadata: Sequence[Any], annotation: Any) -> Any:
    """The model behind a choice, else the annotation itself."""
    return next((item.model for item in metadata if isinstance(item, Choice)), annotation)


def _stripped(annotation: Any) -> Any:
    """Without Annotated and Optional."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *metadata = get_args(annotation)
        return _stripped(_chosen(metadata, inner))
    if origin in (Union, types.UnionType):
        inner = [argument for argument in get_args(annotation) if argument is not type(None)]
        return _stripped(inner[0])
    return annotation
