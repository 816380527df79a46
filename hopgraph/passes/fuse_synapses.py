"""fuse-synapses: W^T f(W g + b) + c as one operation, for which there is a kernel that never writes the hidden values.

It is the pull of a synapse with hidden neurons whose weight is tied: both products are with one matrix. Only where nothing else reads what
lies between. What a kernel can do for it is bounded by the size of g; a larger one stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hopgraph.errors import Findings
from hopgraph.passes.base import Pass
from hopgraph.passes.fusion import Before, Fusion, Types, fused
from hopgraph.passes.sound import ensures
from hopgraph.program.operations import Site
from hopgraph.program.operations.contract import MatrixProduct, matrix_product, product_site
from hopgraph.program.operations.two_layer import ACTIVATIONS
from hopgraph.program.program import Program, Statement

MOST_FEATURES = 512
"""The kernel holds all features of its rows at once (see `hopgraph.lower.kernels.tiles`)."""


@dataclass(frozen=True)
class _Map:
    """A product with a weight: the statement, how it is one, the name of what is added to it, if anything is, and what it is made of."""

    product: Statement
    plan: MatrixProduct
    added: str | None
    steps: tuple[str, ...]

    @property
    def labels(self) -> tuple[tuple[str, ...], ...]:
        """Those of the two operands."""
        return tuple(map(tuple, self.product.attributes["labels"]))


def run(program: Program, findings: Findings) -> Program:
    """Every such synapse."""
    return fused(program, _synapses)


def _synapses(before: Before, types: Types) -> Iterator[Fusion]:
    """Those that share no statement: of a chain W f(W^T f(W g)) the first is taken."""
    taken: set[str] = set()
    for last in before.values():
        found = _match(last, before, types)
        if found is not None and not taken & {last.output.name, *found.steps}:
            taken |= {last.output.name, *found.steps}
            yield found


def _match(last: Statement, before: Before, types: Types) -> Fusion | None:
    """The synapse that ends with a product, if one does."""
    second, active = _product(last, types), _activation(last.inputs[0], before)
    if second is None or active is None:
        return None
    activation, given, steps = active
    first = _map(before.get(given), before, types)
    if first is None or not _there_and_back(first, second, types):
        return None
    others = tuple(name for name in (first.added, second.added) if name is not None)
    attributes: dict[str, Any] = {"first": first.labels, "hidden": types[given].axes, "activation": activation}
    attributes |= {"second": second.labels, "out": last.output.axes, "bias": first.added is not None, "offset": second.added is not None}
    statement = Statement(last.output, "two_layer", (*first.product.inputs[:2], *others), attributes)
    return Fusion(statement, (*first.steps, *steps))


def _activation(name: str, before: Before) -> tuple[str, str, tuple[str, ...]] | None:
    """Of a value, the activation that made it, what that reads, and the results of its operations."""
    for activation, operations in ACTIVATIONS.items():
        steps: list[str] = []
        current = name
        for op, attributes in reversed(operations):
            item = before.get(current)
            if item is None or item.op != op or item.attributes != attributes:
                break
            steps.append(current)
            current = item.inputs[0]
        else:
            return activation, current, tuple(reversed(steps))
    return None


def _map(item: Statement | None, before: Before, types: Types) -> _Map | None:
    """The product that a statement is, or to which it adds a bias of the axes that the map makes."""
    if item is None or item.op != "add":
        return None if item is None else _product(item, types)
    inner = before.get(item.inputs[0])
    found = None if inner is None else _product(inner, types)
    if found is None or found.added is not None or types[item.inputs[1]].batched:
        return None
    axes, made = item.output.axes, found.plan.made
    wanted = axes[-1 - made : -1] if found.plan.left else axes[len(axes) - made :]
    fits = types[item.inputs[1]].axes == wanted
    return _Map(found.product, found.plan, item.inputs[1], (*found.steps, item.output.name)) if fits else None


def _product(item: Statement, types: Types) -> _Map | None:
    """A product with a weight alone, or with what is added to it."""
    if item.op not in ("contract", "affine"):
        return None
    site = Site(tuple(types[name] for name in item.inputs), item.output, item.attributes)
    plan = matrix_product(product_site(site) if item.op == "affine" else site)
    added = item.inputs[2] if item.op == "affine" else None
    return None if plan is None else _Map(item, plan, added, (item.output.name,))


def _there_and_back(first: _Map, second: _Map, types: Types) -> bool:
    """Whether the second map is by the transpose of the weight of the first, and small enough."""
    one, other = first.plan, second.plan
    if first.product.inputs[1] != second.product.inputs[1] or one.left != other.left or one.transposed == other.transposed:
        return False
    shape = types[first.product.inputs[1]].shape
    features = math.prod(shape[: one.summed] if one.transposed else shape[one.made :])
    return (one.made, one.summed) == (other.summed, other.made) and features <= MOST_FEATURES


PASS = Pass("fuse-synapses", run, ensures)
