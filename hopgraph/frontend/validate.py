"""A positioned tree to a validated spec: pydantic's errors as diagnostics, all at once."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from hopgraph.errors import At, Findings, Path, listing, rename_help
from hopgraph.frontend.choice import Choice
from hopgraph.frontend.spec import LANGUAGE, Spec
from hopgraph.frontend.tree import Tree

EXPECTED = {
    "string_type": "a name",
    "bool_type": "true or false",
    "int_type": "an integer",
    "float_type": "a number",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "mapping_type": "a mapping",
}
"""What was expected, by pydantic's type of error."""


def validate(tree: Tree, findings: Findings) -> Spec | None:
    """The spec that a tree holds, or None. Every mistake is added to `findings`.

    Unknown fields are reported and left out, so that what remains can still be checked.
    """
    if not isinstance(tree.value, dict):
        findings.add("bad-value", "a spec is a mapping of fields", At(()), helps=["start from a shipped spec"])
        return None
    try:
        return Spec.model_validate(tree.plain())
    except ValidationError as error:
        unknown = _report(error, tree, findings)
    for path in unknown:
        tree = tree.without(path)
    try:
        return Spec.model_validate(tree.plain()) if unknown else None
    except ValidationError as error:
        _report(error, tree, findings)
        return None


def _report(error: ValidationError, tree: Tree, findings: Findings) -> list[Path]:
    """Add each error; give the paths of unknown fields."""
    unknown: list[Path] = []
    numbers: set[Path] = set()
    for item in error.errors(include_url=False):
        path: Path = item["loc"]
        kind = item["type"]
        if kind == "extra_forbidden":
            _unknown_field(path, findings)
            if _has(tree, path):
                unknown.append(path)
        elif kind == "missing":
            _missing_field(path, findings)
        elif path == ("hopgraph",):
            findings.add(
                "version",
                f"this version of hopgraph reads version {LANGUAGE} of the language",
                At(path),
                helps=[f"write `hopgraph: {LANGUAGE}`"],
            )
        elif kind in ("int_type", "float_type") and path[-1:] in (("int",), ("float",)):
            if path[:-1] not in numbers:  # a number is an int or a float: pydantic reports a miss of each
                numbers.add(path[:-1])
                findings.add("bad-value", f"`{_name(path[:-1])}` should be a number", At(path[:-1]))
        else:
            _bad_value(path, dict(item), findings)
    return unknown


def _name(path: Path) -> str:
    return next((str(step) for step in reversed(path) if isinstance(step, str)), "spec")


def _has(tree: Tree, path: Path) -> bool:
    for step in path[:-1]:
        child = tree.child(step)
        if child is None:
            return False
        tree = child
    return isinstance(tree.value, dict) and str(path[-1]) in tree.value and len(tree.value) > 1


def _unknown_field(path: Path, findings: Findings) -> None:
    word = str(path[-1])
    owner = fields_at(Spec, path[:-1])
    title = owner.__name__ if (owner and " " in owner.__name__) or (owner and owner.__name__ in ("Lagrangian", "operation")) else None
    known = list(owner.model_fields) if owner else []
    message = f"no {title} is named `{word}`" if title else f"`{word}` is not a field of {_place(path[:-1])}"
    kind = f"{title}s" if title else "fields"
    findings.add("unknown-field", message, At(path, key=True), notes=[f"known {kind} are {listing(known)}"], helps=rename_help(word, known))


def _place(path: Path) -> str:
    return f"`{At(path)}`" if path else "a spec"


def _missing_field(path: Path, findings: Findings) -> None:
    findings.add(
        "missing-field", f"{_place(path[:-1])} needs the field `{path[-1]}`", At(path[:-1], key=True), helps=[f"add `{path[-1]}:`"]
    )


def _bad_value(path: Path, item: Mapping[str, Any], findings: Findings) -> None:
    context: Mapping[str, Any] = item.get("ctx", {})
    if item["type"] == "literal_error":
        expected = str(context["expected"]).replace("'", "`")
    else:
        expected = str(context.get("expected") or EXPECTED.get(item["type"]) or item["msg"])
    given = item.get("input")
    helps = rename_help(given, _words(expected)) if isinstance(given, str) else []
    findings.add("bad-value", f"`{_name(path)}` should be {expected}", At(path), helps=helps)


def _words(expected: str) -> list[str]:
    return [word.strip(" `") for word in expected.replace(" or ", ",").split(",") if word.strip()]


def fields_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """The model whose fields stand at `path`, found by walking the annotations."""
    current: Any = model
    for step in path:
        current = _step(_stripped(current), step)
    current = _stripped(current)
    return current if isinstance(current, type) and issubclass(current, BaseModel) else None


def _step(annotation: Any, step: str | int) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(str(step))
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
