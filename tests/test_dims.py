"""Dim expressions against Python's own arithmetic of fractions."""

from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopgraph.frontend.dims import MAX_DEPTH, MAX_EXPONENT, MAX_LENGTH, MAX_VALUE, DimError, evaluate, names_in

DIMS = {"image": 32, "patch": 4, "C": 512, "one": 1}


@dataclass(frozen=True)
class Node:
    """An expression tree: a leaf's text, or an operator between two trees."""

    text: str
    left: "Node | None" = None
    right: "Node | None" = None


LEAVES = st.sampled_from([*DIMS, "1", "2", "3", "7", "12"]).map(Node)
TREES = st.recursive(LEAVES, lambda inner: st.builds(Node, st.sampled_from("+-*/^"), inner, inner), max_leaves=8)


def value(node: Node) -> Fraction:
    """What Python makes of the tree. Raises ArithmeticError where there is no value, or a power that is no integer's."""
    if node.left is None or node.right is None:
        return Fraction(DIMS.get(node.text) or int(node.text))
    left, right = value(node.left), value(node.right)
    if node.text == "^":
        if right.denominator != 1 or not 0 <= right <= MAX_EXPONENT:
            raise ArithmeticError
        return left ** int(right)
    return {"+": left.__add__, "-": left.__sub__, "*": left.__mul__, "/": left.__truediv__}[node.text](right)


LEVEL = {"+": 1, "-": 1, "*": 2, "/": 2, "^": 3}


def written(node: Node, space: str) -> str:
    """The tree as text with no more parentheses than precedence and associativity ask for."""
    if node.left is None or node.right is None:
        return node.text
    level = LEVEL[node.text]
    left, right = written(node.left, space), written(node.right, space)
    if LEVEL.get(node.left.text, 9) < level or (node.text == "^" and node.left.text == "^"):
        left = f"({left})"
    if LEVEL.get(node.right.text, 9) < level or (node.right.text in LEVEL and LEVEL[node.right.text] == level and node.text != "^"):
        right = f"({right})"
    return f"{left}{space}{node.text}{space}{right}"


@given(TREES, st.sampled_from(["", " ", "  "]))
def test_against_fractions(tree: Node, space: str) -> None:
    text = written(tree, space)
    try:
        expected = value(tree)
    except ArithmeticError:
        expected = Fraction(0)
    found = outcome(text)
    if expected.denominator == 1 and 0 < expected <= MAX_VALUE:
        assert found == expected or "far out of range" in str(found)  # as a part may be where the whole is not
    else:
        assert isinstance(found, DimError)


def outcome(text: str) -> int | DimError:
    try:
        return evaluate(text, DIMS)
    except DimError as error:
        return error


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("512", 512),
        ("(image / patch)^2", 64),
        ("2^3^2", 512),
        ("(2^3)^2", 64),
        ("2 + 3 * 4 ^ 2", 50),
        ("20 - 4 - 3", 13),
        ("64 / 4 / 2", 8),
        ("3 / 2 * 4", 6),
        ("1 / 3 + 2 / 3", 1),
        ("4 * C", 2048),
        ("C/2", 256),
        ("  C  ", 512),
        ("((((C))))", 512),
        ("007", 7),
        ("one^31", 1),
        (str(MAX_VALUE), MAX_VALUE),
    ],
)
def test_values(text: str, expected: int) -> None:
    assert evaluate(text, DIMS) == expected


@pytest.mark.parametrize(
    ("text", "code", "offset", "length"),
    [
        ("", "dim-syntax", 0, 1),
        ("  ", "dim-syntax", 0, 1),
        ("C C", "dim-syntax", 2, 1),
        ("2 * ", "dim-syntax", 2, 1),
        ("* 2", "dim-syntax", 0, 1),
        ("-2", "dim-syntax", 0, 1),
        ("2 * -2", "dim-syntax", 4, 1),
        ("(C", "dim-syntax", 1, 1),
        ("C)", "dim-syntax", 1, 1),
        ("2 ** 3", "dim-syntax", 3, 1),
        ("C // 2", "dim-syntax", 3, 1),
        ("C % 2", "dim-syntax", 2, 1),
        ("C.real", "dim-syntax", 1, 1),
        ("f(2)", "dim-unknown", 0, 1),
        ("2.5", "dim-syntax", 0, 3),
        ("2 * width", "dim-unknown", 4, 5),
        ("C / 5", "dim-value", 0, 5),
        ("C - 512", "dim-value", 0, 7),
        ("1 / (2 - 2)", "dim-value", 2, 1),
        ("2 ^ 32", "dim-value", 2, 1),
        ("2 ^ (1 / 2)", "dim-value", 2, 1),
        ("2 ^ (0 - 1)", "dim-value", 2, 1),
        ("2147483648", "dim-value", 0, 10),
        ("1" * 100 + " * 2 / 3", "dim-value", 101, 1),
        ("1" * (MAX_LENGTH + 1), "dim-syntax", 0, 1),
        ("(" * (MAX_DEPTH + 1) + "1" + ")" * (MAX_DEPTH + 1), "dim-syntax", MAX_DEPTH, 1),
    ],
)
def test_errors_mark_their_place(text: str, code: str, offset: int, length: int) -> None:
    with pytest.raises(DimError) as raised:
        evaluate(text, DIMS)
    assert (raised.value.code, raised.value.offset, raised.value.length) == (code, offset, length)


@given(st.text(max_size=40))
def test_any_text_is_a_size_or_a_dim_error(text: str) -> None:
    found = outcome(text)
    if isinstance(found, DimError):
        assert 0 <= found.offset <= len(text)
    else:
        assert 0 < found <= MAX_VALUE


def test_names() -> None:
    assert names_in("(image / patch)^2 + image") == ("image", "patch")
    assert names_in("2 * 3") == ()
