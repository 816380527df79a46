"""Index expressions: sums over named indices of products of indexed symbols, as frozen trees that two printers write.

A tree says how to compute a number from tensors and nothing of how it looks: `tests/test_show.py` evaluates the trees that
are printed and holds them against the oracle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, cast


@dataclass(frozen=True)
class Variable:
    """An index that runs over 0 .. size - 1 of an axis. `serial` tells two indices of one axis apart until they are named.

    An `offset` is the place in a window, such as that of a convolution's kernel.
    """

    axis: str
    size: int
    serial: int
    offset: bool = False
    primes: int = 0

    @property
    def name(self) -> str:
        """The axis, with as many primes as keep it apart from the indices around it."""
        return self.axis + "'" * self.primes


@dataclass(frozen=True)
class Index:
    """A place along an axis, a sum of variables times whole numbers: `n`, `i - j`, `2 i + d - 1`."""

    terms: tuple[tuple[Variable, int], ...]
    constant: int = 0

    @property
    def variable(self) -> Variable | None:
        """The variable, where the index is one and nothing else."""
        return self.terms[0][0] if len(self.terms) == 1 and self.terms[0][1] == 1 and not self.constant else None

    def plus(self, terms: Iterable[tuple[Variable, int]] = (), constant: int = 0) -> Index:
        """The index moved."""
        return Index((*self.terms, *terms), self.constant + constant)

    def times(self, factor: int) -> Index:
        """The index in steps of `factor`."""
        return Index(tuple((variable, count * factor) for variable, count in self.terms), self.constant * factor)


def index(variable: Variable) -> Index:
    """The index that is one variable."""
    return Index(((variable, 1),))


@dataclass(frozen=True)
class Number:
    """A number."""

    value: float


@dataclass(frozen=True)
class Symbol:
    """A tensor at some indices: a letter with a label above, and perhaps a mark. Outside its range it is 0.

    `source` names what it stands for: a parameter below the block, or a layer. `first` is what the first place along each
    axis is called, where that is not 0.
    """

    letter: str
    label: str = ""
    indices: tuple[Index, ...] = ()
    mark: str = ""
    source: str = ""
    first: tuple[int, ...] = ()


@dataclass(frozen=True)
class Kept:
    """1 where a mask keeps the place (row, column), else 0."""

    pattern: str
    width: int
    row: Index
    column: Index


@dataclass(frozen=True)
class Inside:
    """1 where an index is on an axis of that size, else 0."""

    place: Index
    size: int


@dataclass(frozen=True)
class Equal:
    """1 where two indices are equal, else 0."""

    left: Index
    right: Index


@dataclass(frozen=True)
class Quotient:
    """A quotient."""

    top: Expression
    bottom: Expression


@dataclass(frozen=True)
class Root:
    """A square root."""

    body: Expression


@dataclass(frozen=True)
class Limited:
    """A matrix at one place, divided by max(1, sigma / limit), sigma the greatest singular value of the whole matrix.

    `body` is the matrix at the places `apart` (one matrix for each), `rows` and `columns`; `place` are the indices for these.
    """

    body: Expression
    apart: tuple[Variable, ...]
    rows: tuple[Variable, ...]
    columns: tuple[Variable, ...]
    limit: float
    place: tuple[Index, ...]

    @property
    def inside(self) -> Expression:
        """The matrix at its place, not divided."""
        return substituted(self.body, dict(zip((*self.apart, *self.rows, *self.columns), self.place, strict=True)))


@dataclass(frozen=True)
class Product:
    """A product of at least two."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True)
class Total:
    """A sum of terms, at least two."""

    terms: tuple[Expression, ...]


@dataclass(frozen=True)
class Sum:
    """The sum over some indices."""

    over: tuple[Variable, ...]
    body: Expression


@dataclass(frozen=True)
class Negative:
    """What is subtracted."""

    body: Expression


@dataclass(frozen=True)
class Formula:
    """A Lagrangian's formula as its record writes it, in plain text and in LaTeX, with `@` for the state."""

    text: str
    latex: str
    state: Symbol


@dataclass(frozen=True)
class Written:
    """Mathematics that is not in indices, as both printers have it."""

    text: str
    latex: str


@dataclass(frozen=True)
class Derivative:
    """The partial derivative of one thing by another."""

    top: Symbol
    bottom: Symbol


@dataclass(frozen=True)
class Axis:
    """An axis by its name, with its letter where it has another one in equations."""

    name: str


Expression = (
    Number
    | Symbol
    | Kept
    | Inside
    | Equal
    | Limited
    | Product
    | Quotient
    | Root
    | Total
    | Sum
    | Negative
    | Formula
    | Written
    | Derivative
    | Axis
)


def product(*parts: Expression) -> Expression:
    """A product without products inside; numbers first, plain symbols before sums; a minus goes outside."""
    flat: list[Expression] = []
    for part in parts:
        flat += part.parts if isinstance(part, Product) else (part,)
    signs = sum(isinstance(part, Negative) for part in flat)
    flat = [part.body if isinstance(part, Negative) else part for part in flat]
    flat = [part for part in flat if part != Number(1.0)]
    flat.sort(key=_place)
    result = Product(tuple(flat)) if len(flat) > 1 else flat[0] if flat else Number(1.0)
    return Negative(result) if signs % 2 else result


def _place(part: Expression) -> int:
    """Numbers, weights and conditions, activations, sums."""
    if isinstance(part, Number):
        return 0
    if isinstance(part, Symbol):
        return 2 if part.letter == "g" else 1
    return 3 if any(isinstance(inside, Sum) for inside in walk(part)) else 1


def total(*terms: Expression) -> Expression:
    """A sum without sums of terms inside; sums over indices come last."""
    flat: list[Expression] = []
    for term in terms:
        flat += term.terms if isinstance(term, Total) else (term,)
    flat.sort(key=lambda term: isinstance(term, Sum))
    return Total(tuple(flat)) if len(flat) > 1 else flat[0]


def summed(over: Iterable[Variable], body: Expression) -> Expression:
    """The sum over indices, none, one or several; a sum of a sum is one, and a minus goes outside."""
    over = tuple(over)
    if not over:
        return body
    if isinstance(body, Negative):
        return Negative(summed(over, body.body))
    return Sum((*over, *body.over), body.body) if isinstance(body, Sum) else Sum(over, body)


def vanishes(expression: Expression, place: Index) -> bool:
    """Whether the expression is 0 where `place` is outside its axis, since in each of its terms a symbol is read there."""
    match expression:
        case Symbol(indices=indices) | Limited(place=indices):
            return place in indices
        case Product(parts):
            return any(vanishes(part, place) for part in parts)
        case Total(terms):
            return all(vanishes(term, place) for term in terms)
        case Sum(body=body) | Negative(body) | Quotient(top=body):
            return vanishes(body, place)
        case _:
            return False


Node = Number, Symbol, Kept, Inside, Equal, Limited, Product, Quotient, Root, Total, Sum, Negative, Formula, Written, Derivative, Axis


def children(expression: Expression) -> Iterator[Expression]:
    """The expressions right inside one."""
    for item in fields(expression):
        value: Any = getattr(expression, item.name)
        yield from (child for child in (value if isinstance(value, tuple) else (value,)) if isinstance(child, Node))  # pyright: ignore[reportUnknownVariableType]


def walk(expression: Expression) -> Iterator[Expression]:
    """An expression and all inside it."""
    yield expression
    for child in children(expression):
        yield from walk(child)


def rebuilt(expression: Expression, place: Callable[[Index], Index], inner: Callable[[Expression], Expression]) -> Expression:
    """The expression with other indices, and other expressions inside."""

    def changed(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(changed(item) for item in cast("tuple[Any, ...]", value))
        return place(value) if isinstance(value, Index) else inner(value) if isinstance(value, Node) else value

    return replace(expression, **{item.name: changed(getattr(expression, item.name)) for item in fields(expression)})


def substituted(expression: Expression, places: Mapping[Variable, Index]) -> Expression:
    """The expression with other indices for some variables that are free in it."""

    def moved(item: Index) -> Index:
        result = Index((), item.constant)
        for variable, count in item.terms:
            other = places.get(variable, index(variable)).times(count)
            result = result.plus(other.terms, other.constant)
        return result

    return rebuilt(expression, moved, lambda child: substituted(child, places))


# --- names of indices -------------------------------------------------------------------------------------------------

Names = Mapping[Variable, Variable]


def named(expression: Expression, free: Iterable[Variable] = ()) -> Expression:
    """The expression with primes on indices that would share a name with one around them. `free` ones keep theirs."""
    return _renamed(expression, {variable: variable for variable in free})


def _renamed(expression: Expression, names: Names) -> Expression:
    inside = dict(names)
    if isinstance(expression, Sum):
        for variable in expression.over:
            inside[variable] = _apart(variable, inside)
        expression = Sum(tuple(inside[variable] for variable in expression.over), expression.body)
    return rebuilt(expression, lambda item: _index(item, inside), lambda child: _renamed(child, inside))


def _apart(variable: Variable, names: Names) -> Variable:
    taken = {(other.axis, other.offset, other.primes) for other in names.values()}
    primes = next(count for count in range(len(taken) + 1) if (variable.axis, variable.offset, count) not in taken)
    return replace(variable, primes=primes)


def _index(item: Index, names: Names) -> Index:
    return Index(tuple((names.get(variable, variable), count) for variable, count in item.terms), item.constant)
