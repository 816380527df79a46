"""Index expressions as numbers: a small interpreter, for tests that hold printed equations against the oracle.

A value is a tensor with a dimension for each of its variables. Nothing here knows what a synapse is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from hopgraph.show.expression import (
    Equal,
    Expression,
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
)

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Value:
    """A tensor with a dimension for each variable."""

    tensor: Tensor
    variables: tuple[Variable, ...]

    def over(self, variables: Sequence[Variable]) -> Tensor:
        """The tensor with the dimensions of `variables`, of size 1 where it does not depend on one."""
        present = [variable for variable in variables if variable in self.variables]
        assert len(present) == len(self.variables)
        moved = self.tensor.permute([self.variables.index(variable) for variable in present])
        sizes = {variable: variable.size for variable in present}
        return moved.reshape([sizes.get(variable, 1) for variable in variables])


def evaluate(expression: Expression, tensors: Tensors) -> Value:
    """The value of an expression.

    `tensors` has activations as `g <layer>`, states as `x <layer>`, pulls as `u <pull>`, and parameters by their paths below the block.
    """
    match expression:
        case Number(value):
            return Value(torch.tensor(value, dtype=torch.float64), ())
        case Symbol(letter=letter, label=label, source=source, indices=indices, first=first):
            name = f"{letter} {label}" if letter in ("g", "x", "u") else source
            return gathered(tensors[name], indices, first or (0,) * len(indices))
        case Negative(body):
            value = evaluate(body, tensors)
            return Value(-value.tensor, value.variables)
        case Root(body):
            value = evaluate(body, tensors)
            return Value(value.tensor.sqrt(), value.variables)
        case Product(parts):
            return multiplied(parts, tensors)
        case Total(terms):
            return combined([evaluate(term, tensors) for term in terms], torch.add)
        case Quotient(top, bottom):
            return combined([evaluate(top, tensors), evaluate(bottom, tensors)], torch.div)
        case Sum(over, body):
            return summed(evaluate(body, tensors), over)
        case Limited():
            return limited(expression, tensors)
        case _:
            return condition(expression)


def multiplied(parts: Sequence[Expression], tensors: Tensors) -> Value:
    """A product: 0 where a condition in it does not hold, even where the rest has no value (a mean over no places)."""
    conditions = [evaluate(part, tensors) for part in parts if isinstance(part, Equal | Inside | Kept)]
    others = [evaluate(part, tensors) for part in parts if not isinstance(part, Equal | Inside | Kept)]
    if not others:
        return combined(conditions, torch.mul)
    return combined([combined(others, torch.mul), *conditions], lambda value, holds: torch.where(holds != 0, value, 0.0))


def combined(values: Sequence[Value], operation: Callable[[Tensor, Tensor], Tensor]) -> Value:
    variables = tuple(dict.fromkeys(variable for value in values for variable in value.variables))
    tensor = reduce(operation, (value.over(variables) for value in values))
    return Value(tensor.expand([variable.size for variable in variables]), variables)


def summed(value: Value, over: Sequence[Variable]) -> Value:
    rest = tuple(variable for variable in value.variables if variable not in over)
    tensor = value.over((*rest, *over)).expand([variable.size for variable in (*rest, *over)])
    return Value(tensor.flatten(len(rest)).sum(-1), rest)


def positions(index: Index, variables: Sequence[Variable]) -> Tensor:
    """The place that an index names, for every value of the variables."""
    total = torch.full([1] * len(variables), index.constant)
    for variable, count in index.terms:
        shape = [variable.size if other == variable else 1 for other in variables]
        total = total + count * torch.arange(variable.size).reshape(shape)
    return total


def gathered(tensor: Tensor, indices: Sequence[Index], first: Sequence[int]) -> Value:
    """The tensor at its indices, 0 beyond its range."""
    variables = used(indices)
    shape = [variable.size for variable in variables]
    places = [(positions(index, variables) - start).expand(shape) for index, start in zip(indices, first, strict=True)]
    found = tensor[tuple(place.clamp(0, size - 1) for place, size in zip(places, tensor.shape, strict=True))] if places else tensor
    for place, size in zip(places, tensor.shape, strict=True):
        found = found * ((place >= 0) & (place < size))
    return Value(found, variables)


def used(indices: Sequence[Index]) -> tuple[Variable, ...]:
    return tuple(dict.fromkeys(variable for index in indices for variable, _ in index.terms))


def condition(expression: Expression) -> Value:
    match expression:
        case Kept(pattern, width, row, column):
            variables = used((row, column))
            i, j = positions(row, variables), positions(column, variables)
            holds = {"causal": j <= i, "strict": j < i, "off_diagonal": j != i, "band": (i - j).abs() <= width}[pattern]
        case Inside(place, size):
            variables = used((place,))
            holds = (positions(place, variables) >= 0) & (positions(place, variables) < size)
        case Equal(left, right):
            variables = used((left, right))
            holds = positions(left, variables) == positions(right, variables)
        case _:
            raise AssertionError(expression)
    return Value(holds.expand([variable.size for variable in variables]).double(), variables)


def limited(expression: Limited, tensors: Tensors) -> Value:
    """The whole matrix divided by max(1, sigma / limit), at its place."""
    every = (*expression.apart, *expression.rows, *expression.columns)
    matrix = evaluate(expression.body, tensors).over(every).expand([variable.size for variable in every])
    rows = len(expression.apart) + len(expression.rows)
    flat = matrix.flatten(rows).flatten(len(expression.apart), -2)
    divided = matrix / largest(flat, expression.limit).reshape(*flat.shape[:-2], *[1] * (len(every) - len(expression.apart)))
    return gathered(divided, expression.place, (0,) * len(every))


def largest(matrices: Tensor, limit: float) -> Tensor:
    """max(1, sigma / limit) of each matrix."""
    sigma: Tensor = torch.linalg.matrix_norm(matrices, ord=2)  # pyright: ignore[reportUnknownVariableType]
    return (sigma / limit).clamp(min=1)  # pyright: ignore[reportUnknownVariableType]
