"""contract: a product of tensors summed over labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hopgraph.energy.records import Value
from hopgraph.program.operations.products import plan_product, pointwise_kernel
from hopgraph.program.operations.record import Attributes, Operation, Site, Typed


def _contract_shape(inputs: Sequence[Value], attributes: Attributes) -> Typed:
    sizes: dict[str, int] = {}
    for value, labels in zip(inputs, attributes["labels"], strict=True):
        for label, size in zip(labels, value.shape, strict=True):
            assert sizes.setdefault(label, size) == size, f"label {label} has sizes {sizes[label]} and {size}"
    out = tuple(attributes["out"])
    return out, tuple(sizes[label] for label in out)


@dataclass(frozen=True)
class _MatrixProduct:
    """A contraction of x [batch, ...] with a matrix over its last axis, or over its last but one (`left`)."""

    left: bool
    transposed: bool


def matrix_product(site: Site) -> _MatrixProduct | None:
    """The contraction as one matrix product without a transpose of x, where it is one: token maps are W x, channel maps x W^T."""
    if len(site.inputs) != 2 or not site.inputs[0].batched or site.inputs[1].batched:
        return None
    given, weight = site.attributes["labels"]
    out = tuple(site.attributes["out"])
    summed = [label for label in given if label in weight and label not in out]
    if len(weight) != 2 or len(summed) != 1:
        return None
    new = weight[0] if weight[1] == summed[0] else weight[1]
    index = given.index(summed[0])
    if out != (*given[:index], new, *given[index + 1 :]) or index < len(given) - 2:
        return None
    left = index == len(given) - 2
    return _MatrixProduct(left, transposed=weight[0] == summed[0])


def einsum_equation(site: Site) -> str:
    """The contraction in einsum's letters, `a` for the batch."""
    letters: dict[str, str] = {}
    terms: list[str] = []
    for value, labels in zip((*site.inputs, site.output), (*site.attributes["labels"], site.attributes["out"]), strict=True):
        term = "".join(letters.setdefault(label, chr(ord("b") + len(letters))) for label in labels)
        terms.append(f"a{term}" if value.batched else term)
    return f"{','.join(terms[:-1])}->{terms[-1]}"


def _contract_torch(t: Any, site: Site, *tensors: Any) -> Any:
    plan = matrix_product(site)
    if plan is None:
        return t.einsum(einsum_equation(site), *tensors)
    x, weight = tensors
    if plan.left:
        turned = weight.mT if plan.transposed else weight
        leading = site.inputs[0].shape[:-2]  # expanded by hand: matmul would fold the batch into copies, at twice the time
        return t.matmul(turned.expand(x.size(0), *leading, -1, -1), x)
    return t.matmul(x, weight) if plan.transposed else t.nn.functional.linear(x, weight)


def _contract_onnx(o: Any, site: Site, *values: Any) -> Any:
    if len(values) == 2:
        x, weight = values
        kernel = pointwise_kernel(site)
        if kernel is not None and not (kernel[0] and o.dtype == "bfloat16"):  # TensorRT has no transposed convolution in bfloat16
            transposed, shape = kernel
            return o("ConvTranspose" if transposed else "Conv", x, o.view(weight, shape))
        product = plan_product(site)
        if product is not None:
            return product.emit(o, x, weight)
    return o("Einsum", *values, equation=einsum_equation(site))


def _contract_flops(site: Site) -> int:
    """Tensor after tensor: what one alone is summed over is summed first; a product with a sum over labels of both is 2, else 1."""
    labels, out = site.attributes["labels"], set(site.attributes["out"])
    sizes = {label: size for value, names in zip(site.inputs, labels, strict=True) for label, size in zip(names, value.shape, strict=True)}

    def elements(names: set[str]) -> int:
        return math.prod(sizes[label] for label in names)

    total, product = 0, set[str]()
    for index, names in enumerate(map(set, labels)):
        wanted = out.union(*labels[index + 1 :])
        kept = names & (product | wanted)
        total += elements(names) * (kept != names)
        both = product | kept
        total += elements(both) * (1 + (both - wanted != set())) * (index > 0)
        product = both & wanted
    return total


ROWS = (Operation("contract", _contract_shape, _contract_torch, _contract_onnx, _contract_flops),)
