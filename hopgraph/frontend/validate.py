"""A positioned tree to a validated model: pydantic's errors as diagnostics, all at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hopgraph.errors import At, Findings, Path, article, listing, rename_help, similar
from hopgraph.frontend.fields import fields_at, fields_of
from hopgraph.frontend.grammar import SPEC, Grammar, Model
from hopgraph.frontend.repair import repaired
from hopgraph.frontend.spec import Spec
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


def validate(tree: Tree, findings: Findings) -> tuple[Spec | None, tuple[Path, ...]]:
    """The spec that a tree holds, or None, and the places where a placeholder stands for what is wrong.

    Every mistake is added to `findings`. With placeholders in their places (see :mod:`hopgraph.frontend.repair`) what
    remains can still be checked; None where too little does.
    """
    spec, mistakes = read_model(tree, SPEC, findings)
    return (spec, ()) if spec or mistakes is None else _without_mistakes(tree, mistakes)


def read_model(tree: Tree, grammar: Grammar[Model], findings: Findings) -> tuple[Model | None, list[Path] | None]:
    """The model that a tree holds in a language, and the places of its mistakes: one of the two, or neither where too little is known.

    Every mistake is added to `findings`.
    """
    if not isinstance(tree.value, dict):
        what = article(grammar.noun)
        findings.add("bad-value", f"{what} is a mapping of fields", At(()), helps=[f"start from a shipped {grammar.noun}"])
        return None, None
    version = tree.child(grammar.version)
    if version is not None and (type(version.value) is not int or version.value != grammar.number):
        _other_version(grammar, findings)
        return None, None
    model, errors = _validated(tree, grammar)
    mistakes = [*_report(errors, tree, grammar, findings), *grammar.forms(tree, findings)]
    mistakes += _report_nulls(tree, mistakes, grammar, findings)
    return (None, mistakes) if errors or mistakes else (model, None)


def _validated(tree: Tree, grammar: Grammar[Model]) -> tuple[Model | None, list[ErrorDetails]]:
    """The model of a tree, or pydantic's errors. A file says its version, whether or not the model can do without."""
    model, errors = None, list[ErrorDetails]()
    try:
        model = grammar.model.model_validate(tree.plain)
    except ValidationError as error:
        errors = error.errors(include_url=False)
    head = (grammar.version,)
    if tree.child(grammar.version) is None and not any(item["loc"] == head for item in errors):
        errors.insert(0, {"type": "missing", "loc": head, "msg": "", "input": tree.plain})
    return model, errors


def _without_mistakes(tree: Tree, mistakes: list[Path]) -> tuple[Spec | None, tuple[Path, ...]]:
    """The spec with placeholders for its mistakes, and their places."""
    broken: list[Path] = []
    for path in mistakes:
        repair = repaired(tree, path)
        if repair is None:
            return None, ()
        tree, place = repair
        broken.append(place)
    for path in list(_unknown(tree)):
        tree = tree.without(path)
        if len(path) > 3 and _meant(path, SPEC) is None:  # what it was to say of a layer or a factor is not known
            broken.append(path[:-1])
    try:
        return Spec.model_validate(tree.plain), tuple(broken)
    except ValidationError:
        return None, ()


def _unknown(tree: Tree) -> Iterator[Path]:
    """The fields of a tree that are not part of the language."""
    try:
        Spec.model_validate(tree.plain)
    except ValidationError as error:
        for item in error.errors(include_url=False):
            path = item["loc"]
            owner = tree.at(path[:-1])
            if item["type"] == "extra_forbidden" and owner is not None and isinstance(owner.value, dict):
                yield path


def _report(errors: list[ErrorDetails], tree: Tree, grammar: Grammar[Model], findings: Findings) -> list[Path]:
    """Add each error; give the places that need a placeholder."""
    extra = [item["loc"] for item in errors if item["type"] == "extra_forbidden"]
    meant = [_meant(path, grammar) for path in extra]
    mistakes = [place for place in meant if place is not None and (place in extra or tree.at(place) is None)]
    for path in extra:
        _unknown_field(path, _owner(path, tree), grammar, findings)
    for item in errors:
        path: Path = item["loc"]
        if item["type"] == "missing":
            if path not in mistakes:  # else it is there under a misspelt name, which is reported
                _missing_field((*_owner(path, tree), path[-1]), grammar, findings)
            mistakes.append(path)
        elif item["type"] != "extra_forbidden":
            written = _written(path, tree)
            if written not in mistakes:  # else it is none of several things that it could be, and the first is told
                _bad_value(written, dict(item), grammar, findings)
            mistakes.append(written)
    return mistakes


def _report_nulls(tree: Tree, mistakes: list[Path], grammar: Grammar[Model], findings: Findings) -> list[Path]:
    """Report names without a value, where no other mistake is; a record may stand without options."""
    found: list[Path] = []
    told = {_written(mistake, tree) for mistake in mistakes}
    for path in tree.nulls:
        told_of = path in told or any(path[: len(mistake)] == mistake for mistake in mistakes)
        if not path or path[0] in grammar.open_fields or isinstance(path[-1], int) or told_of:
            continue
        owner = fields_at(grammar.model, path[:-1])
        if owner is None or not _is_table(owner):
            findings.add("bad-value", f"`{path[-1]}` has no value", At(path, key=True), helps=["write its value, or leave it out"])
            found.append(path)
    return found


def _meant(path: Path, grammar: Grammar[Model]) -> Path | None:
    """The field that an unknown one was meant to be: nothing is known of that one. Itself, for a record of a table."""
    owner = fields_at(grammar.model, path[:-1])
    if owner is None or _is_table(owner):
        return path
    near = similar(str(path[-1]), fields_of(owner))
    return (*path[:-1], near[0]) if near else None


def _is_table(owner: type[BaseModel]) -> bool:
    """Whether a model is that of a choice among records, with one field for each."""
    return owner.__name__ in ("Lagrangian", "linear map", "operation")


def _other_version(grammar: Grammar[Model], findings: Findings) -> None:
    message = f"this version of hopgraph reads version {grammar.number} of {grammar.name}"
    findings.add("version", message, At((grammar.version,)), helps=[f"write `{grammar.version}: {grammar.number}`"])


def _unknown_field(path: Path, place: Path, grammar: Grammar[Model], findings: Findings) -> None:
    word = str(path[-1])
    owner = fields_at(grammar.model, path[:-1])
    known = [name for name in fields_of(owner) if name not in getattr(owner, "implied", ())] if owner else []
    if owner and _is_table(owner):
        message, kind = f"no {owner.__name__} is named `{word}`", f"{owner.__name__}s"
    else:
        message, kind = f"`{word}` is not a field of {_place(place, grammar)}", "fields"
    findings.add("unknown-field", message, At(path, key=True), notes=[f"known {kind}: {listing(known)}"], helps=rename_help(word, known))


def _place(path: Path, grammar: Grammar[Model]) -> str:
    return f"`{At(path)}`" if path else article(grammar.noun)


def _missing_field(path: Path, grammar: Grammar[Model], findings: Findings) -> None:
    value = f" {grammar.number}" if path == (grammar.version,) else ""
    message = f"{_place(path[:-1], grammar)} needs the field `{path[-1]}`"
    findings.add("missing-field", message, At(path[:-1], key=True), helps=[f"add `{path[-1]}:{value}`"])


def _bad_value(path: Path, item: Mapping[str, Any], grammar: Grammar[Model], findings: Findings) -> None:
    context: Mapping[str, Any] = item.get("ctx", {})
    if item["loc"][-1:] in (("int",), ("float",)):  # a number is an int or a float: pydantic reports a miss of each
        expected = "a number"
    elif item["type"] == "literal_error":
        expected = str(context["expected"]).replace("'", "`")
    else:
        expected = str(context.get("expected") or EXPECTED.get(item["type"]) or item["msg"])
    given = item.get("input")
    near = similar(given, _words(expected)) if isinstance(given, str) else []
    helps = ["write " + " or ".join(f"`{word}`" for word in near)] if near else []
    at = At(path, key=item["loc"][-1:] == ("[key]",))
    findings.add("bad-value", f"{_subject(path, grammar)} should be {expected}", at, helps=helps)


def _written(path: Path, tree: Tree) -> Path:
    """The path without the steps that the text does not have: the fields that a shorthand implies."""
    node, found = tree, list[str | int]()
    for step in path:
        child = node.child(step)
        if child is not None:
            node = child
            found.append(step)
    return tuple(found)


def _owner(path: Path, tree: Tree) -> Path:
    """The owner of a field as a message has it: without the steps that a shorthand implies, but for its own name."""
    *outer, last = path[:-1] or ("",)
    implied = last == "" or (isinstance(last, int) and tree.at(path[:-1]) is None)
    return (*_written(tuple(outer), tree), *(() if implied else (last,)))


def _subject(path: Path, grammar: Grammar[Model]) -> str:
    """What a place is called: its field, or an entry of it."""
    name = next((str(step) for step in reversed(path) if isinstance(step, str)), grammar.noun)
    return f"an entry of `{name}`" if path and isinstance(path[-1], int) else f"`{name}`"


def _words(expected: str) -> list[str]:
    return re.findall(r"`([\w-]+)`", expected)
