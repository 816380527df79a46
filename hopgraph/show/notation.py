"""Index expressions as text, in a notation: what the LaTeX and the Unicode printers share is here, what differs is data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hopgraph.show.expression import (
    Axis,
    Derivative,
    Equal,
    Expression,
    Formula,
    Index,
    Inside,
    Kept,
    Limited,
    Negative,
    Number,
    Product,
    Quotient,
    Root,
    Sum,
    Symbol,
    Total,
    Variable,
    Written,
)

GREEK = {"alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "lambda": "λ", "mu": "μ", "tau": "τ"}  # noqa: RUF001 (Greek is meant)
"""The letters that have a name, as Unicode."""


@dataclass(frozen=True)
class Notation:
    """How the parts of an expression are written."""

    symbol: Callable[[Symbol, Sequence[str]], str]
    variable: Callable[[Variable], str]
    axis: Callable[[str], str]
    number: Callable[[float], str]
    over: Callable[[Sequence[str]], str]
    fraction: Callable[[str, str], str]
    root: Callable[[str], str]
    limited: Callable[[str], str]
    group: Callable[[str], str]
    bracket: Callable[[str], str]
    formula: Callable[[Formula, str], str]
    written: Callable[[Written], str]
    partial: str
    times: str
    minus: str
    at_most: str
    unequal: str

    # --- expressions ---

    def write(self, expression: Expression) -> str:
        """The expression as text."""
        match expression:
            case Symbol():
                return self.symbol(expression, [self.index(item) for item in expression.indices])
            case Number(value):
                return self.number(value)
            case Sum(over, body):
                return self.over([self.variable(item) for item in over]) + self._factor(body, last=True)
            case Product(parts):
                return self.times.join(self._factor(part, last=part is parts[-1]) for part in parts)
            case Negative(body):
                return self.minus + (self._grouped(body) if isinstance(body, Total | Negative) else self.write(body))
            case Total(terms):
                return self._terms(terms)
            case _:
                return self._rest(expression)

    def _rest(self, expression: Expression) -> str:
        match expression:
            case Quotient(top, bottom):
                return self.fraction(self.write(top), self.write(bottom))
            case Root(body):
                return self.root(self.write(body))
            case Limited():
                return self.limited(self.write(expression.inside))
            case Formula():
                return self.formula(expression, self.write(expression.state))
            case Written():
                return self.written(expression)
            case Derivative(top, bottom):
                return f"{self.partial}{self.write(top)} / {self.partial}{self.write(bottom)}"
            case Axis(name):
                return self.axis(name)
            case _:
                return self.bracket(self._condition(expression))

    def _grouped(self, expression: Expression) -> str:
        return self.group(self.write(expression))

    def _factor(self, expression: Expression, *, last: bool) -> str:
        """A part of a product: sums of terms in parentheses, and sums over indices too unless they come last."""
        loose = isinstance(expression, Total | Negative) or (isinstance(expression, Sum) and not last)
        return self._grouped(expression) if loose else self.write(expression)

    def _terms(self, terms: Sequence[Expression]) -> str:
        first, *rest = terms
        text = self.write(first)
        for term in rest:
            text += f" {self.minus.strip()} " + self._term(term.body) if isinstance(term, Negative) else f" + {self._term(term)}"
        return text

    def _term(self, term: Expression) -> str:
        return self._grouped(term) if isinstance(term, Total | Negative) else self.write(term)

    # --- indices ---

    def index(self, item: Index) -> str:
        """An index: `n`, `2i+d-1`."""
        text = ""
        for variable, count in item.terms:
            sign = self.minus.strip() if count < 0 else "+" if text else ""
            text += sign + ("" if abs(count) == 1 else str(abs(count))) + self.variable(variable)
        if item.constant or not item.terms:
            text += (self.minus.strip() if item.constant < 0 else "+" if text else "") + str(abs(item.constant))
        return text

    def _condition(self, expression: Expression) -> str:
        match expression:
            case Kept("band", width, row, column):
                return f"|{self.index(row)}{self.minus.strip()}{self.index(column)}|{self.at_most}{width}"
            case Kept(pattern, _, row, column):
                sign = {"causal": self.at_most, "strict": "<"}.get(pattern, self.unequal)
                return f"{self.index(column)}{sign}{self.index(row)}"
            case Inside(place, size):
                return f"0{self.at_most}{self.index(place)}<{size}"
            case Equal(left, right):
                return f"{self.index(left)}={self.index(right)}"
            case _:
                raise AssertionError(expression)
