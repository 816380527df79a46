"""The contraction of two tensors as one product in ONNX, with as few transposes of what has a batch as there can be.

Weights are read in the shape that the product wants. A matrix that is read the other way round is a Transpose before the product,
which runtimes take into it: a tied weight is one tensor.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hopgraph.program.operations.record import Site

Labels = tuple[str, ...]
Numbers = tuple[int, ...]

BATCH = ""
"""The label of the batch. Its size is written 0, which a Reshape takes for the size that there is."""


@dataclass(frozen=True)
class Layout:
    """How a product reads an operand: in an order, in a shape, its last two dimensions swapped; None and False where nothing is to do."""

    batched: bool
    order: Numbers | None
    shape: Numbers | None
    swapped: Numbers | None = None

    @property
    def cost(self) -> int:
        """Large where numbers are moved, small where a product can read them the other way round."""
        return (4 if self.batched else 3) * (self.order is not None) + (2 if self.batched else 1) * (self.swapped is not None)

    def emit(self, o: Any, value: Any) -> Any:
        """The operand as the product reads it."""
        value = value if self.order is None else o("Transpose", value, perm=self.order)
        value = value if self.shape is None else o.view(value, self.shape)
        return value if self.swapped is None else o("Transpose", value, perm=self.swapped)


@dataclass(frozen=True)
class Product:
    """A node of two operands, `turned` where the second comes first, its result in another shape and then in another order.

    `merged` is the shape that the node's result has before it is given another, its last dimension of all labels that it makes.
    """

    op_type: str
    operands: tuple[Layout, Layout]
    turned: bool
    shape: Numbers | None
    order: Numbers | None
    merged: Numbers = ()

    @property
    def cost(self) -> int:
        """That of its transposes."""
        return sum(operand.cost for operand in self.operands) + 4 * (self.order is not None)

    def emit(self, o: Any, x: Any, y: Any) -> Any:
        """The nodes."""
        return self._shaped(o, self._product(o, x, y))

    def emit_affine(self, o: Any, x: Any, y: Any, bias: Any, size: int) -> Any:
        """The nodes, with a bias of so many numbers, over the last axes of the result. It is added before these are told apart."""
        result = self._product(o, x, y)
        if self.order is None and self.merged and self.merged[-1] == size:
            return self._shaped(o, o("Add", result, o.view(bias, (size,))))
        return o("Add", self._shaped(o, result), bias)

    def _product(self, o: Any, x: Any, y: Any) -> Any:
        values = (y, x) if self.turned else (x, y)
        return o(self.op_type, *(layout.emit(o, value) for layout, value in zip(self.operands, values, strict=True)))

    def _shaped(self, o: Any, result: Any) -> Any:
        result = result if self.shape is None else o.reshape(result, self.shape, self.merged)
        return result if self.order is None else o("Transpose", result, perm=self.order)


@dataclass(frozen=True)
class _Terms:
    """The labels of two operands and of the result, the batch's first, with their sizes."""

    given: tuple[Labels, Labels]
    out: Labels
    sizes: Mapping[str, int]

    @staticmethod
    def of(site: Site) -> _Terms:
        values = (*site.inputs, site.output)
        labels = (*site.attributes["labels"], site.attributes["out"])
        found = [((BATCH,) if value.batched else ()) + tuple(names) for value, names in zip(values, labels, strict=True)]
        sizes = {name: size for value, names in zip(values, labels, strict=True) for name, size in zip(names, value.shape, strict=True)}
        return _Terms((found[0], found[1]), found[2], {**sizes, BATCH: 0})

    def regular(self) -> bool:
        """Whether every label stands once in an operand, and is summed over or in the result."""
        first, second = self.given
        once = all(len(set(labels)) == len(labels) for labels in self.given)
        return once and set(first) ^ set(second) <= set(self.out)

    def shape(self, groups: Sequence[Labels]) -> Numbers:
        """One size for each group of labels."""
        return tuple(math.prod(self.sizes[label] for label in group) for group in groups)


def plan_product(site: Site) -> Product | None:
    """The cheapest product that a contraction of two tensors is, if it is one."""
    terms = _Terms.of(site)
    if not terms.regular():
        return None
    if not [label for label in terms.given[0] if label in terms.given[1] and label not in terms.out]:
        return _elementwise(terms)
    return min(_matrix_products(terms), key=lambda product: product.cost)


def pointwise_kernel(site: Site) -> tuple[bool, Numbers] | None:
    """Of a map of the channels of images, whether it is a transposed convolution, and the shape of its weight as a kernel of one pixel."""
    x, weight = site.inputs
    given, labels = site.attributes["labels"]
    if len(given) != 3 or not x.batched or weight.batched or len(labels) != 2 or given[0] not in labels:
        return None
    new = labels[1] if labels[0] == given[0] else labels[0]
    if tuple(site.attributes["out"]) != (new, *given[1:]) or new in given:
        return None
    return labels[0] == given[0], (*weight.shape, 1, 1)


def _elementwise(terms: _Terms) -> Product:
    """A product without a sum, by broadcasting."""
    first, second = (_spread(terms, labels) for labels in terms.given)
    return Product("Mul", (first, second), False, None, None)


def _spread(terms: _Terms, labels: Labels) -> Layout:
    """An operand with its labels in the order of the result, and dimensions of 1 for those that it does not have."""
    wanted = tuple(label for label in terms.out if label in labels)
    first = terms.out.index(wanted[0]) if wanted else len(terms.out)
    groups = [(label,) if label in labels else () for label in terms.out[first:]]
    whole = all(groups)
    return Layout(BATCH in labels, _order(labels, wanted), None if whole else terms.shape(groups))


def _matrix_products(terms: _Terms) -> Iterator[Product]:
    """Either operand first, what is summed over in the order of either."""
    for turned in (False, True):
        first, second = reversed(terms.given) if turned else terms.given
        for order in (first, second):
            summed = tuple(label for label in order if label in first and label in second and label not in terms.out)
            yield _matrix_product(terms, first, second, summed, turned)


def _matrix_product(terms: _Terms, first: Labels, second: Labels, summed: Labels, turned: bool) -> Product:
    shared = tuple(label for label in terms.out if label in first and label in second and label != BATCH)
    rows, columns = _free(terms, first, second), _free(terms, second, first)
    apart = not shared and BATCH not in second  # the rows of x may stay as they are: the second operand is one matrix
    lead = [[(BATCH,)] * (BATCH in labels) + [(label,) for label in shared] for labels in (first, second)]
    row_groups = [(label,) for label in rows] if apart else [rows]
    operands = (_laid_out(terms, first, [*lead[0], *row_groups, summed]), _laid_out(terms, second, [*lead[1], summed, columns]))
    result = ((BATCH,) if BATCH in terms.out else ()) + (*shared, *rows, *columns)
    merged = len(columns) != 1 or (not apart and len(rows) != 1)
    shape = terms.shape([(label,) for label in result]) if merged else None
    groups = [(label,) for label in result[: len(result) - len(columns) - len(rows)]] + row_groups + [columns]
    return Product("MatMul", operands, turned, shape, _order(result, terms.out), terms.shape(groups))


def _free(terms: _Terms, labels: Labels, other: Labels) -> Labels:
    """The labels of one operand alone: of weights in their own order, else in the order of the result."""
    order = terms.out if BATCH in labels else labels
    return tuple(label for label in order if label in labels and label not in other and label != BATCH)


def _laid_out(terms: _Terms, labels: Labels, groups: Sequence[Labels]) -> Layout:
    """An operand with a dimension for each group of labels."""
    flat = tuple(label for group in groups for label in group)
    crossed = [*groups[:-2], groups[-1], groups[-2]]
    swapped = len(groups) > 1 and labels != flat and labels == tuple(label for group in crossed for label in group)
    seen = crossed if swapped else groups
    shape = None if all(len(group) == 1 for group in seen) else terms.shape(seen)
    turn = (*range(len(groups) - 2), len(groups) - 1, len(groups) - 2) if swapped else None
    return Layout(BATCH in labels, None if swapped else _order(labels, flat), shape, turn)


def _order(labels: Labels, wanted: Labels) -> Numbers | None:
    """The permutation from one order to another; None where they are the same."""
    return None if labels == wanted else tuple(map(labels.index, wanted))
