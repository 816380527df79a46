"""Dim expressions: integer arithmetic on names, by a grammar of our own.

    expression = term (("+" | "-") term)*
    term       = power (("*" | "/") power)*
    power      = atom ["^" power]
    atom       = integer | name | "(" expression ")"

Division is exact: `C / 2` is an error where C is odd. Nothing is ever evaluated as Python.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

MAX_LENGTH = 200
MAX_VALUE = 2**31 - 1
MAX_EXPONENT = 31
MAX_DEPTH = 20

_TOKEN = re.compile(r"\s*(?:(?P<number>[0-9]+)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<mark>[-+*/^()]))")


class DimError(Exception):
    """A dim expression that cannot be read or evaluated: a diagnostic's code and message, and the characters it is about."""

    def __init__(self, code: str, message: str, offset: int = 0, length: int = 1, name: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.offset, self.length, self.name = code, message, offset, length, name


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    offset: int


def _tokens(text: str) -> list[_Token]:
    if len(text) > MAX_LENGTH:
        raise DimError("dim-syntax", f"a dim expression has at most {MAX_LENGTH} characters, this one {len(text):,}", 0, 1)
    tokens: list[_Token] = []
    position = 0
    end = len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            offset = position + len(text[position:]) - len(text[position:].lstrip())
            raise DimError("dim-syntax", f"`{text[offset]}` is not part of a dim expression", offset)
        kind = match.lastgroup or ""
        tokens.append(_Token(kind, match.group(kind), match.start(kind)))
        position = match.end()
    return [*tokens, _Token("end", "", end)]


class _Parser:
    """Evaluates while it parses; `names` says what each name is worth."""

    def __init__(self, text: str, names: Mapping[str, Fraction]) -> None:
        self.tokens = _tokens(text)
        self.index = 0
        self.depth = 0
        self.names = names

    @property
    def next(self) -> _Token:
        return self.tokens[self.index]

    def take(self) -> _Token:
        token = self.next
        self.index += 1
        return token

    def expression(self) -> Fraction:
        value = self.term()
        while self.next.text in ("+", "-"):
            sign = 1 if self.take().text == "+" else -1
            value += sign * self.term()
        return value

    def term(self) -> Fraction:
        value = self.power()
        while self.next.text in ("*", "/"):
            operator = self.take()
            right = self.power()
            if operator.text == "/" and right == 0:
                raise DimError("dim-value", "division by zero", operator.offset)
            value = _bounded(value * right if operator.text == "*" else value / right, operator)
        return value

    def power(self) -> Fraction:
        base = self.atom()
        if self.next.text != "^":
            return base
        operator = self.take()
        exponent = self.power()
        if exponent.denominator != 1 or not 0 <= exponent <= MAX_EXPONENT:
            raise DimError("dim-value", f"the exponent is {_short(exponent)}, not an integer from 0 to {MAX_EXPONENT}", operator.offset)
        if abs(base) > MAX_VALUE:
            raise DimError("dim-value", "the value is far out of range", operator.offset)
        return _bounded(base ** int(exponent), operator)

    def atom(self) -> Fraction:
        token = self.take()
        if token.kind == "number":
            return Fraction(int(token.text))
        if token.kind == "name":
            if token.text not in self.names:
                raise DimError("dim-unknown", f"no dim is named `{token.text}`", token.offset, len(token.text), token.text)
            return self.names[token.text]
        if token.text == "(":
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise DimError("dim-syntax", f"parentheses nest more than {MAX_DEPTH} deep", token.offset)
            value = self.expression()
            self.expect(")")
            self.depth -= 1
            return value
        if token.text in ("-", "+"):
            raise DimError("dim-syntax", f"`{token.text}` stands between two values; a dim has no sign", token.offset)
        after = " after this" if token.kind == "end" and token.offset else ""
        offset = max(0, token.offset - 1) if after else token.offset
        raise DimError("dim-syntax", f"expected a number, a name or `(`{after}", offset)

    def expect(self, text: str) -> None:
        token = self.take()
        if token.text == text:
            return
        if token.kind == "end":
            raise DimError("dim-syntax", f"expected `{text}` after this", max(0, token.offset - 1))
        expected = f"an operator or `{text}`" if text else "an operator"
        raise DimError("dim-syntax", f"expected {expected} before `{token.text}`", token.offset, len(token.text))


def names_in(text: str) -> tuple[str, ...]:
    """The names that an expression uses, each once, in order. Raises DimError where the text has other characters."""
    return tuple(dict.fromkeys(token.text for token in _tokens(text) if token.kind == "name"))


def evaluate(text: str, dims: Mapping[str, int]) -> int:
    """The value of an expression on dims, a positive integer. Raises DimError."""
    parser = _Parser(text, {name: Fraction(value) for name, value in dims.items()})
    value = parser.expression()
    parser.expect("")
    if value.denominator != 1:
        raise DimError("dim-value", f"`{text}` is {_short(value)}, not an integer", 0, len(text))
    if not 0 < value <= MAX_VALUE:
        worth = "" if text == str(value) else f"{_short(value)}, "
        raise DimError("dim-value", f"`{text}` is {worth}not an integer from 1 to {MAX_VALUE:,}", 0, len(text))
    return int(value)


def _short(value: Fraction) -> str:
    text = str(value)
    return text if len(text) <= 20 else f"a number of {len(text)} digits"


def _bounded(value: Fraction, operator: _Token) -> Fraction:
    if max(abs(value.numerator), value.denominator) > MAX_VALUE**4:
        raise DimError("dim-value", "the value is far out of range", operator.offset)
    return value
