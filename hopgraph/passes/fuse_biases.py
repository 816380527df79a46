"""fuse-biases: a map of the last axes and the bias that comes after it, as one operation.

A product that starts from the bias costs no pass over its result. The value may be renamed in between, as a pull is.
"""

from __future__ import annotations

from collections.abc import Iterator

from hopgraph.energy.records import Axes
from hopgraph.errors import Findings
from hopgraph.passes.base import Pass
from hopgraph.passes.fusion import Before, Fusion, Types, fused
from hopgraph.passes.sound import ensures
from hopgraph.program.operations import Site
from hopgraph.program.operations.contract import matrix_product
from hopgraph.program.program import Program, Statement


def run(program: Program, findings: Findings) -> Program:
    """Every map of the last axes with its bias."""
    return fused(program, _biases)


def _biases(before: Before, types: Types) -> Iterator[Fusion]:
    for last in before.values():
        if last.op != "add" or types[last.inputs[1]].batched:
            continue
        renamed = before.get(last.inputs[0])
        product = before.get(renamed.inputs[0]) if renamed is not None and renamed.op == "rename" else renamed
        if product is not None and renamed is not None and product.op == "contract":
            found = _fusion(product, last, types)
            if found is not None:
                yield Fusion(found, tuple(dict.fromkeys((product.output.name, renamed.output.name))))


def _fusion(product: Statement, last: Statement, types: Types) -> Statement | None:
    """The product with its bias, its labels the axes that the result has; none where the bias is not of the axes that the map makes."""
    plan = matrix_product(Site(tuple(types[name] for name in product.inputs), product.output, product.attributes))
    axes, bias = last.output.axes, types[last.inputs[1]]
    if plan is None or plan.left or bias.axes != axes[len(axes) - plan.made :]:
        return None
    labels = _relabelled(product, axes)
    if labels is None:
        return None
    return Statement(last.output, "affine", (*product.inputs, last.inputs[1]), {"labels": labels, "out": axes})


def _relabelled(product: Statement, axes: Axes) -> tuple[Axes, ...] | None:
    """The labels of the operands with those of the result under its new names; none where a name is taken by what is summed over."""
    names: dict[str, str] = dict(zip(product.attributes["out"], axes, strict=True))
    given: tuple[Axes, ...] = product.attributes["labels"]
    summed = {label for labels in given for label in labels} - set(names)
    if summed & set(axes):
        return None
    return tuple(tuple(names.get(label, label) for label in labels) for labels in given)


PASS = Pass("fuse-biases", run, ensures)
