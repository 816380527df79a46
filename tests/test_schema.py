"""The JSON Schema says what the validation does: held against it over specs, snippets and mistakes, by an independent validator."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from hopgraph.energy.lagrangians import LAGRANGIANS
from hopgraph.energy.maps import MAPS
from hopgraph.errors import Findings, HopgraphError, Source
from hopgraph.frontend.ends import ENDS
from hopgraph.frontend.library import shipped
from hopgraph.frontend.overlay import apply_settings, apply_variants, variant_names
from hopgraph.frontend.schema import RENEW, json_schema, schema_text
from hopgraph.frontend.tree import Tree, parse
from hopgraph.frontend.validate import validate
from tests.small import SPEC

ROOT = Path(__file__).resolve().parents[1]
GOLDENS = Path(__file__).parent / "golden" / "diagnostics"
FILE = ROOT / "specs" / "hopgraph.schema.json"
STRUCTURE = {"bad-value", "missing-field", "unknown-field", "version"}


@cache
def validator() -> Draft202012Validator:
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def refused_by_schema(tree: Tree) -> bool:
    return not validator().is_valid(tree.plain)  # pyright: ignore[reportUnknownMemberType]


def codes_of(tree: Tree) -> set[str]:
    findings = Findings()
    validate(tree, findings)
    return {diagnostic.code for diagnostic in findings.found}


def test_the_shipped_file_is_the_generated_one() -> None:
    assert FILE.read_text(encoding="utf-8") == schema_text(), f"renew it: {RENEW}"


def test_it_is_the_same_at_every_call() -> None:
    assert json.dumps(json_schema()) == json.dumps(json_schema())


def shipped_tree(name: str) -> Tree:
    return parse(Source(name, shipped()[name].read_text("utf-8")))


CASES = [(name, variant) for name in shipped() for variant in ("", *variant_names(shipped_tree(name)))]


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_every_shipped_spec_is_valid_under_every_variant(name: str, variant: str) -> None:
    findings = Findings()
    tree = apply_variants(shipped_tree(name), [variant] if variant else [], findings)
    assert findings.found == []
    errors = [error.message for error in validator().iter_errors(tree.plain)]  # pyright: ignore[reportUnknownMemberType]
    assert errors == []


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_spec_names_the_schema(name: str) -> None:
    first, *_ = shipped()[name].read_text("utf-8").splitlines()
    assert first == "# yaml-language-server: $schema=../hopgraph.schema.json"


# --- mistakes -----------------------------------------------------------------------------------------------------------

INEXPRESSIBLE = {
    "bad-value-step": "JSON has no .nan, so its schema cannot refuse it: it is a number that is not below any bound",
}
"""Goldens that the schema accepts, each with the reason."""


def laid(case: str) -> Tree | None:
    """A golden's tree, with the variant or setting of its first line laid over it; None where that fails."""
    text = (GOLDENS / f"{case}.yaml").read_text(encoding="utf-8")
    head = re.match(r"# (set|variant): (.*)\n", text)
    findings = Findings()
    try:
        tree = parse(Source(case, text))
        if head and head.group(1) == "variant":
            tree = apply_variants(tree, [head.group(2)], findings)
        elif head:
            tree = apply_settings(tree, [head.group(2)], findings)
    except HopgraphError:
        return None
    return None if findings.found else tree


TREES = {path.stem: laid(path.stem) for path in sorted(GOLDENS.glob("*.yaml"))}


@pytest.mark.parametrize("case", [case for case, tree in TREES.items() if tree is not None])
def test_a_mistake_of_structure_is_refused_and_nothing_else_is(case: str) -> None:
    tree = TREES[case]
    assert tree is not None
    expected = bool(codes_of(tree) & STRUCTURE) and case not in INEXPRESSIBLE
    assert refused_by_schema(tree) == expected


# --- snippets -----------------------------------------------------------------------------------------------------------

SNIPPETS = parse(Source("schema.yaml", (GOLDENS.parent / "schema.yaml").read_text("utf-8")))


def snippets() -> Iterator[tuple[str, Tree, bool]]:
    """Each path with each value that may or may not stand there."""
    assert isinstance(SNIPPETS.value, dict)
    for path, row in SNIPPETS.value.items():
        for good, key in ((True, "may"), (False, "may not")):
            values = row.child(key)
            for value in values.value if values and isinstance(values.value, tuple) else ():
                yield path, value, good


ROWS = [pytest.param(path, value, good, id=f"{path}={value.plain}") for path, value, good in snippets()]


@pytest.mark.parametrize(("path", "value", "good"), ROWS)
def test_the_schema_agrees_with_the_validation(path: str, value: Tree, good: bool) -> None:
    small = parse(Source("small.yaml", SPEC))
    tree = small.replaced(tuple(path.split(".")), value, small.span)
    assert (not codes_of(tree) & STRUCTURE) == good
    assert refused_by_schema(tree) != good


def test_stages_stand_in_place_of_a_block() -> None:
    tree = parse(Source("small.yaml", SPEC))
    block = tree.at(("block",))
    assert block is not None
    stages = Tree.of([{"block": block.plain, "down": [{"mean": "n"}], "dims": {"C": 4}}], tree.span)
    several = tree.without(("block",)).replaced(("stages",), stages, tree.span)
    assert codes_of(several) == set()
    assert not refused_by_schema(several)
    assert refused_by_schema(tree.without(("block",)))


# --- what an editor shows -----------------------------------------------------------------------------------------------


def test_every_record_is_offered_by_name() -> None:
    for table, key in ((LAGRANGIANS, "Lagrangian"), ({**MAPS, "sum": None}, "linear_map"), ({**ENDS, "sum": None}, "operation")):
        fields = fields_of(json_schema()["$defs"][key])
        assert set(fields) == set(table)
        assert [name for name, field in fields.items() if field == {}] == [], "a record's options do not tell their shorthand (as_written)"


def test_every_field_of_the_grammar_has_a_description() -> None:
    definitions = json_schema()["$defs"]
    owners = ("Block", "Factor", "Group", "Layer", "Stage", "Step", "Synapse", "Update", "Solve", "Drop")
    silent = [f"{owner}.{name}" for owner in owners for name, field in fields_of(definitions[owner]).items() if not described(field)]
    silent += [name for name, field in json_schema()["properties"].items() if not described(field)]
    assert silent == []


def fields_of(definition: dict[str, Any]) -> dict[str, Any]:
    return definition.get("properties") or next(form["properties"] for form in definition["anyOf"] if "properties" in form)


def described(field: dict[str, Any]) -> bool:
    return "description" in field or any("description" in form for form in field.get("anyOf", ()))
