"""contract: a product of tensors summed over labels. affine: a map of the last axes, and a bias."""

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
    for value, labels in zip(inputs, attributes["labels"], strict=False):  # a bias has none
        for label, size in zip(labels, value.shape, strict=True):
            assert sizes.setdefault(label, size) == size, f"label {label} has sizes {sizes[label]} and {size}"
    out = tuple(attributes["out"])
    return out, tuple(sizes[label] for label in out)


@dataclass(frozen=True)
class MatrixProduct:
    """A contraction of x [batch, ...] with a weight over the last axes of x, or over its last but one (`left`).

    `summed` axes of x become `made` others; in the weight these stand first, unless it is `transposed`.
    """

    left: bool
    transposed: bool
    summed: int = 1
    made: int = 1


def matrix_product(site: Site) -> MatrixProduct | None:
    """The contraction as one matrix product without a transpose of x, where it is one: token maps are W x, channel maps x W^T."""
    if len(site.inputs) != 2 or not site.inputs[0].batched or site.inputs[1].batched:
        return None
    given, weight = map(tuple, site.attributes["labels"])
    out = tuple(site.attributes["out"])
    summed = tuple(label for label in given if label in weight and label not in out)
    made = tuple(label for label in weight if label not in given)
    if not summed or not made or weight not in ((*made, *summed), (*summed, *made)):
        return None
    transposed = weight != (*made, *summed)
    if (*given[: -len(summed)], *summed) == given and (*given[: -len(summed)], *made) == out:
        return MatrixProduct(False, transposed, len(summed), len(made))
    if (*given[:-2], *summed, given[-1]) == given and (*given[:-2], *made, given[-1]) == out:
        return MatrixProduct(True, transposed, 1, len(made))
    return None


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
    return _token_mapped(t, site, plan, *tensors) if plan.left else _mapped(t, site, plan, *tensors)


def _token_mapped(t: Any, site: Site, plan: MatrixProduct, x: Any, weight: Any) -> Any:
    """W x. The matrix is expanded by hand: matmul would fold the batch into copies, at twice the time."""
    matrix = _matrix(plan, weight)
    y = t.matmul((matrix.mT if plan.transposed else matrix).expand(x.size(0), *site.inputs[0].shape[:-2], -1, -1), x)
    return y if plan.made == 1 else y.unflatten(-2, site.output.shape[-1 - plan.made : -1])


def _matrix(plan: MatrixProduct, weight: Any) -> Any:
    """The weight as a matrix [made, summed], or [summed, made] where it is transposed."""
    first, second = (plan.summed, plan.made) if plan.transposed else (plan.made, plan.summed)
    return _flat(_flat(weight, first, first + second), 0, first)


def _mapped(t: Any, site: Site, plan: MatrixProduct, x: Any, weight: Any, *bias: Any) -> Any:
    """X W^T + b over the last axes of x, several of them as one."""
    matrix = _matrix(plan, weight)
    rows = _flat(x, site.rank - plan.summed, site.rank)
    if plan.transposed and not bias:
        y = t.matmul(rows, matrix)
    else:
        y = t.nn.functional.linear(rows, matrix.mT if plan.transposed else matrix, *(_flat(number, 0, plan.made) for number in bias))
    return y if plan.made == 1 else y.unflatten(-1, site.output.shape[-plan.made :])


def _flat(tensor: Any, start: int, end: int) -> Any:
    """A tensor with the dimensions from `start` to `end` as one."""
    return tensor if end - start == 1 else tensor.flatten(start, end - 1)


def _affine_torch(t: Any, site: Site, x: Any, weight: Any, bias: Any) -> Any:
    plan = matrix_product(product_site(site))
    assert plan is not None, "an affine map is made of a product over the last axes"
    return _mapped(t, site, plan, x, weight, bias)


def product_site(site: Site) -> Site:
    """The product of an affine map, without the bias."""
    return Site(site.inputs[:2], site.output, site.attributes)


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


def _affine_onnx(o: Any, site: Site, x: Any, weight: Any, bias: Any) -> Any:
    product = plan_product(product_site(site))
    assert product is not None, "an affine map is made of a product over the last axes"
    return product.emit_affine(o, x, weight, bias, math.prod(site.inputs[2].shape))


def _affine_flops(site: Site) -> int:
    """Those of the product: its sums start from the bias."""
    return _contract_flops(product_site(site))


ROWS = (
    Operation("contract", _contract_shape, _contract_torch, _contract_onnx, _contract_flops),
    Operation("affine", _contract_shape, _affine_torch, _affine_onnx, _affine_flops),
)
