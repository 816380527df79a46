"""Dim expressions: integer arithmetic on names, by a grammar of our own.

    expression = term (("+" | "-") term)*
    term       = power (("*" | "/") power)*
    power      = atom ["^" power]
    atom       = integer | name | "(" expression ")"

Division is exact: `C / 2` is an error where C is odd. Where a number need not be whole (a temperature, a step) the same
grammar has decimal numbers and signs: `y^-0.5`. Nothing is ever evaluated as Python.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

MAX_LENGTH = 200
MAX_VALUE = 2**31 - 1
MAX_EXPONENT = 31
MAX_DEPTH = 20
MAX_REAL = 1e100
MIN_REAL = 1e-100

_TOKEN = re.compile(r"\s*(?:(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<mark>[-+*/^()]))")


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


@lru_cache(maxsize=4096)
def _tokens(text: str) -> tuple[_Token, ...]:
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
    return (*tokens, _Token("end", "", end))


class _Parser:
    """Evaluates while it parses; `names` says what each name is worth. A `real` one has decimal numbers, signs and any power."""

    def __init__(self, text: str, names: Mapping[str, int], real: bool = False) -> None:
        self.tokens = _tokens(text)
        self.index = 0
        self.depth = 0
        self.names = names
        self.real = real

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
            value = self.bounded(value * right if operator.text == "*" else value / right, operator)
        return value

    def power(self) -> Fraction:
        if self.real and self.next.text == "-":
            self.take()
            return -self.power()
        base = self.atom()
        if self.next.text != "^":
            return base
        operator = self.take()
        exponent = self.power()
        if self.real:
            return self.bounded(_real_power(base, exponent, operator), operator)
        if exponent.denominator != 1 or not 0 <= exponent <= MAX_EXPONENT:
            raise DimError("dim-value", f"the exponent is {_short(exponent)}, not an integer from 0 to {MAX_EXPONENT}", operator.offset)
        if abs(base) > MAX_VALUE:
            raise DimError("dim-value", "the value is far out of range", operator.offset)
        return self.bounded(base ** int(exponent), operator)

    def atom(self) -> Fraction:
        token = self.take()
        if token.kind == "number":
            return self.number(token)
        if token.kind == "name":
            if token.text not in self.names:
                raise DimError("dim-unknown", f"no dim is named `{token.text}`", token.offset, len(token.text), token.text)
            return Fraction(self.names[token.text])
        if token.text == "(":
            value = self.nested(self.expression)
            self.expect(")")
            return value
        if token.text in ("-", "+"):
            raise DimError("dim-syntax", f"`{token.text}` stands between two values; a dim has no sign", token.offset)
        after = " after this" if token.kind == "end" and token.offset else ""
        offset = max(0, token.offset - 1) if after else token.offset
        raise DimError("dim-syntax", f"expected a number, a name or `(`{after}", offset)

    def nested(self, rule: Callable[[], Fraction]) -> Fraction:
        """What a rule gives, one level deeper."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            offset = self.tokens[self.index - 1].offset
            raise DimError("dim-syntax", f"parentheses nest more than {MAX_DEPTH} deep", offset)
        value = rule()
        self.depth -= 1
        return value

    def number(self, token: _Token) -> Fraction:
        """A number; a dim's is whole."""
        if token.text.isdecimal():
            return Fraction(int(token.text))
        if not self.real:
            raise DimError("dim-syntax", "a dim is made of integers", token.offset, len(token.text))
        value = float(token.text)
        if not math.isfinite(value):
            raise DimError("dim-value", "the value is far out of range", token.offset, len(token.text))
        return Fraction(value)

    def bounded(self, value: Fraction, operator: _Token) -> Fraction:
        """A value that is not far out of range; a real one as near as a float is to it."""
        if self.real and MIN_REAL < abs(value) < MAX_REAL:
            return Fraction(float(value))
        if value and (self.real or max(abs(value.numerator), value.denominator) > MAX_VALUE**4):
            raise DimError("dim-value", "the value is far out of range", operator.offset)
        return value

    def expect(self, text: str) -> None:
        token = self.take()
        if token.text == text:
            return
        if token.kind == "end":
            raise DimError("dim-syntax", f"expected `{text}` after this", max(0, token.offset - 1))
        expected = f"an operator or `{text}`" if text else "an operator"
        raise DimError("dim-syntax", f"expected {expected} before `{token.text}`", token.offset, len(token.text))


@lru_cache(maxsize=1024)
def names_in(text: str) -> tuple[str, ...]:
    """The names that an expression uses, each once, in order. Raises DimError where the text has other characters."""
    return tuple(dict.fromkeys(token.text for token in _tokens(text) if token.kind == "name"))


def evaluate(text: str, dims: Mapping[str, int]) -> int:
    """The value of an expression on dims, a positive integer. Raises DimError."""
    return _evaluated(text, tuple((name, dims[name]) for name in names_in(text) if name in dims))


@lru_cache(maxsize=1024)
def _evaluated(text: str, dims: tuple[tuple[str, int], ...]) -> int:
    """The value, which the texts of a spec and its variants ask for again and again."""
    parser = _Parser(text, dict(dims))
    value = parser.expression()
    parser.expect("")
    if value.denominator != 1:
        raise DimError("dim-value", f"`{text}` is {_short(value)}, not an integer", 0, len(text))
    if not 0 < value <= MAX_VALUE:
        worth = "" if text == str(value) else f"{_short(value)}, "
        raise DimError("dim-value", f"`{text}` is {worth}not an integer from 1 to {MAX_VALUE:,}", 0, len(text))
    return int(value)


def evaluate_real(text: str, names: Mapping[str, int], least: float | None = None) -> float:
    """The value of an expression that need not be whole; greater than `least` where that is given. Raises DimError."""
    parser = _Parser(text, names, real=True)
    value = parser.expression()
    parser.expect("")
    number = float(value)
    if least is not None and not number > least:
        raise DimError("dim-value", f"`{text}` is {number:g}, not greater than {least:g}", 0, len(text))
    return number


def _real_power(base: Fraction, exponent: Fraction, operator: _Token) -> Fraction:
    try:
        value = float(base) ** float(exponent)
    except (OverflowError, ZeroDivisionError):
        raise DimError("dim-value", "the value is far out of range", operator.offset) from None
    if isinstance(value, complex):
        raise DimError("dim-value", "a negative number has no such power", operator.offset)
    return Fraction(value)


def _short(value: Fraction) -> str:
    text = str(value)
    return text if len(text) <= 20 else f"a number of {len(text)} digits"
