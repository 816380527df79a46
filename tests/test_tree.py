"""YAML text to a positioned tree: the types of YAML 1.2, and where everything stands."""

import json
import math
from collections.abc import Iterator
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopgraph.errors import At, HopgraphError, Path, Source, Span
from hopgraph.frontend.tree import Tree, parse


def read(text: str) -> Any:
    return parse(Source("test.yaml", text)).plain


def shown(span: Span) -> str:
    """The characters that a span marks."""
    return span.source.line(span.line)[span.column - 1 : span.column - 1 + span.length]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),
        ("1.0e-3", 1e-3),
        ("1E5", 1e5),
        ("+1.5", 1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("-0", 0),
        ("007", 7),
        ("0o17", 15),
        ("0x1F", 31),
        ("123456789012345678901234567890", 123456789012345678901234567890),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
        ("true", True),
        ("False", False),
        ("TRUE", True),
        ("null", None),
        ("Null", None),
        ("NULL", None),
        ("~", None),
        ("", None),
        # strings, where YAML 1.1 sees a boolean, an integer, a date or a float
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("no", "no"),
        ("Y", "Y"),
        ("n", "n"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("0o8", "0o8"),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("1.2.3", "1.2.3"),
        ("e5", "e5"),
        ("tRue", "tRue"),
        ("nULL", "nULL"),
        (".Nan_", ".Nan_"),
        ("=", "="),
        # strings, because they are quoted or a block
        ('"1"', "1"),
        ("'1e-5'", "1e-5"),
        ('"true"', "true"),
        ("'null'", "null"),
        ("''", ""),
        ("|-\n 1", "1"),
        (">-\n true", "true"),
        ('"\\u00e9\\n"', "é\n"),
    ],
)
def test_scalars(text: str, value: object) -> None:
    found = read(f"a: {text}\n")["a"]
    assert found == value
    assert type(found) is type(value)


def test_not_a_number() -> None:
    assert math.isnan(read("a: .nan")["a"])


def test_keys_are_names_whatever_they_look_like() -> None:
    assert read("{1: a, true: b, on: c, 1.5: d, ~: e, <<: f}") == {"1": "a", "true": "b", "on": "c", "1.5": "d", "~": "e", "<<": "f"}


def test_aliases_are_copies() -> None:
    assert read("a: &a {x: [1]}\nb: *a\n") == {"a": {"x": [1]}, "b": {"x": [1]}}


def test_a_duplicate_key_is_an_error_that_shows_both() -> None:
    with pytest.raises(HopgraphError) as raised:
        read("a: 1\nb: {x: 1, y: 2, x: 3, x: 4}\na: 2\n")
    found = raised.value.diagnostics
    assert [diagnostic.code for diagnostic in found] == ["yaml-duplicate"] * 3
    assert [str(diagnostic.at) for diagnostic in found] == ["test.yaml:2:17", "test.yaml:2:23", "test.yaml:3:1"]
    assert [str(place) for diagnostic in found for place, _ in diagnostic.related] == ["test.yaml:2:5", "test.yaml:2:5", "test.yaml:1:1"]


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("!!str 1", "!!str"),
        ("!!int '1'", "!!int"),
        ("!!set {a}", "!!set"),
        ("!mine x", "!mine"),
        ("[!!python/name:os.system x]", "!!python/name:os.system"),
    ],
)
def test_tags_are_refused(text: str, tag: str) -> None:
    with pytest.raises(HopgraphError, match="yaml-tag") as raised:
        read(f"a: {text}")
    assert f"`{tag}`" in raised.value.diagnostics[0].message


def test_a_tag_on_a_key_is_refused() -> None:
    with pytest.raises(HopgraphError, match="yaml-tag"):
        read("!!python/name:os.system x: 1")


def test_lines_are_those_of_yaml() -> None:
    source = Source("test.yaml", "a: 1\r\nb: 2\rc: 3\n\nd: 4")
    assert source.lines == ["a: 1", "b: 2", "c: 3", "", "d: 4"]
    tree = parse(source)
    assert [tree.keys[name].line for name in "abcd"] == [1, 2, 3, 5]
    assert source.line(0) == source.line(6) == ""


# --- positions ----------------------------------------------------------------------------------------------------------

WORDS = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
TEXTS = st.text(st.characters(max_codepoint=0xD7FF), max_size=8)
SCALARS = WORDS | TEXTS | st.integers(-1000, 1000) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.none()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4), max_leaves=20)
DOCUMENTS = st.dictionaries(WORDS, VALUES, min_size=1, max_size=5)


def block_style(value: Any, indent: str = "") -> str:
    """A value as block YAML, with flow style for what is empty and for scalars."""
    if isinstance(value, dict) and value:
        items = cast("dict[str, Any]", value)
        return "".join(f"\n{indent}{name}: {block_style(item, indent + '  ')}" for name, item in items.items())
    if isinstance(value, list) and value:
        entries = cast("list[Any]", value)
        return "".join(f"\n{indent}- {block_style(item, indent + '  ')}" for item in entries)
    return json.dumps(value)


def leaves(tree: Tree, path: Path = ()) -> Iterator[tuple[Path, Tree]]:
    if isinstance(tree.value, dict):
        for name, child in tree.value.items():
            yield from leaves(child, (*path, name))
    elif isinstance(tree.value, tuple):
        for index, child in enumerate(tree.value):
            yield from leaves(child, (*path, index))
    else:
        yield path, tree


@given(DOCUMENTS, st.booleans())
def test_every_span_marks_its_own_text(document: dict[str, Any], flow: bool) -> None:
    text = json.dumps(document) if flow else block_style(document)
    tree = parse(Source("test.yaml", text))
    assert tree.plain == document
    for path, leaf in leaves(tree):
        assert shown(tree.locate(At(path))) == json.dumps(leaf.value)
        if path and isinstance(path[-1], str):
            assert shown(tree.locate(At(path, key=True))).strip('"') == path[-1]


@given(st.text(st.characters(codec="utf-8")))
def test_any_text_gives_a_tree_or_a_diagnostic(text: str) -> None:
    try:
        parse(Source("test.yaml", text))
    except HopgraphError as error:
        for diagnostic in error.diagnostics:
            assert isinstance(diagnostic.at, Span)
            assert diagnostic.at.line <= len(diagnostic.at.source.lines)


# --- places ---------------------------------------------------------------------------------------------------------------

TEXT = """\
dims: {C: 2 * D, quoted: "2 * D", folded: "2 *
    D", hex: 0x10}
layers:
  x: {axes: [n, c]}
factors: {h: hidden}
"""


@pytest.mark.parametrize(
    ("at", "marked"),
    [
        (At(("dims", "C")), "2 * D"),
        (At(("dims", "C"), key=True), "C"),
        (At(("dims", "C"), offset=4, length=1), "D"),
        (At(("dims", "quoted"), offset=4, length=1), "D"),
        (At(("dims", "folded"), offset=4, length=1), '"2 *'),  # its text is not in the file as it reads: all of it
        (At(("dims", "hex"), offset=0, length=2), "0x10"),
        (At(("layers", "x", "axes", 1)), "c"),
        (At(("layers", "x", "axes")), "[n, c]"),
        (At(("layers", "x"), key=True), "x"),
        (At(("layers",), key=True), "layers"),
        # steps that a shorthand implies are passed over
        (At(("factors", "h", "layer")), "hidden"),
        (At(("factors", "h", "layer"), key=True), "hidden"),
        (At(("layers", "x", "lagrangian"), key=True), "x"),
        (At(("layers", "x", "axes", 7)), "[n, c]"),
    ],
)
def test_places(at: At, marked: str) -> None:
    assert shown(parse(Source("test.yaml", TEXT)).locate(at)) == marked


def test_replacing_and_leaving_out() -> None:
    tree = parse(Source("test.yaml", "a: {b: [1, {c: 2}]}"))
    span = Span(Source("other", "9"), 1, 1, 1)
    laid = tree.replaced(("a", "b", 1, "c"), Tree.of(9, span), span)
    assert laid.plain == {"a": {"b": [1, {"c": 9}]}}
    assert str(laid.locate(At(("a", "b", 1, "c")))) == "other:1:1"
    assert laid.without(("a", "b", 1, "c")).plain == {"a": {"b": [1, {}]}}
    assert tree.plain == {"a": {"b": [1, {"c": 2}]}}
    assert tree.at(("a", "b", 0)) == tree.child("a").child("b").child(0)  # type: ignore[union-attr]
    assert tree.at(("a", "z", 0)) is None
    assert Tree.of({"x": [1, {"y": None}]}, span).plain == {"x": [1, {"y": None}]}
