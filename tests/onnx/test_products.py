"""A contraction of two tensors as one product: random ones against einsum, and how many transposes the usual ones take."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch

from exporters.onnx import emit
from hopgraph.energy.records import ONES, ParameterSpec, Value
from hopgraph.program.builder import Builder
from hopgraph.program.operations.contract import einsum_equation
from hopgraph.program.operations.products import plan_product
from hopgraph.program.operations.record import Site
from hopgraph.program.program import Program

SIZES = dict(zip("abcdefg", (2, 3, 4, 5, 1, 3, 2), strict=True))
BATCH = 3


def program(first: str, second: str, out: str, batched: bool) -> Program:
    """The contraction of a value with a batch and one with or without."""
    builder = Builder()
    x = builder.input("x", tuple(first), tuple(map(SIZES.__getitem__, first)))
    shape = tuple(map(SIZES.__getitem__, second))
    y = builder.input("y", tuple(second), shape) if batched else builder.parameter("y", ParameterSpec(tuple(second), shape, ONES))
    return builder.program("law", [builder.contract(tuple(out), (x, tuple(first)), (y, tuple(second)))])


def check(first: str, second: str, out: str, batched: bool) -> None:
    generator = np.random.default_rng(0)
    law = program(first, second, out, batched)
    x = generator.standard_normal((BATCH, *map(SIZES.__getitem__, first)), dtype=np.float32)
    y = generator.standard_normal(((BATCH,) * batched + tuple(map(SIZES.__getitem__, second))), dtype=np.float32)
    model = emit(law, {} if batched else {"y": torch.from_numpy(y)})
    session: Any = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": x, "y": y} if batched else {"x": x})
    ((_, site),) = law.sites()
    wanted = np.einsum(einsum_equation(site), x.astype(np.float64), y)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def random_terms(rng: Random) -> tuple[str, str, str]:
    """Labels of two operands and of a result: each is summed over, in both operands and the result, or in one of these."""
    roles = {label: rng.choice(("summed", "shared", "first", "second")) for label in rng.sample(sorted(SIZES), rng.randint(2, 6))}
    first, second, out = (
        [label for label, role in roles.items() if role in wanted]
        for wanted in (("summed", "shared", "first"), ("summed", "shared", "second"), ("shared", "first", "second"))
    )
    return tuple("".join(rng.sample(labels, len(labels))) for labels in (first, second, out))  # type: ignore[return-value]


@pytest.mark.parametrize("seed", range(80))
def test_a_random_contraction_is_what_einsum_computes(seed: int) -> None:
    rng = Random(seed)  # noqa: S311 (cases, no secrets)
    check(*random_terms(rng), batched=rng.random() < 0.5)


def operations(first: str, second: str, out: str, batched: bool = False) -> Counter[str]:
    model = emit(program(first, second, out, batched), {} if batched else {"y": torch.ones([SIZES[label] for label in second])})
    return Counter(node.op_type for node in model.graph.node)


USUAL: dict[str, tuple[tuple[str, str, str, bool], dict[str, int]]] = {
    "a map of tokens": (("ab", "ca", "cb", False), {"MatMul": 1}),
    "and back": (("cb", "ca", "ab", False), {"MatMul": 1, "Transpose": 1}),
    "a map of channels": (("ab", "cb", "ac", False), {"MatMul": 1, "Transpose": 1}),
    "and back again": (("ac", "cb", "ab", False), {"MatMul": 1}),
    "heads": (("ab", "cdb", "acd", False), {"MatMul": 1, "Transpose": 1, "Reshape": 1}),
    "of heads": (("acd", "cdb", "ab", False), {"MatMul": 1, "Reshape": 1}),
    "scores of attention": (("acd", "bcd", "cab", True), {"MatMul": 1, "Transpose": 2}),
    "a map of the channels of images": (("abc", "da", "dbc", False), {"Conv": 1}),
    "and back to them": (("dbc", "da", "abc", False), {"ConvTranspose": 1}),
    "a gate": (("ab", "ab", "ab", True), {"Mul": 1}),
}


@pytest.mark.parametrize("name", USUAL)
def test_the_usual_ones_take_no_more_than_they_must(name: str) -> None:
    terms, wanted = USUAL[name]
    assert operations(*terms) == wanted
    check(*terms)


def test_a_diagonal_or_a_sum_of_one_operand_is_left_to_einsum() -> None:
    value = Value("x", ("a", "b"), (2, 3))
    diagonal = Site((value, value), Value("y", ("a",), (2,)), {"labels": (("a", "a"), ("a", "b")), "out": ("a",)})
    single = Site((value, value), Value("y", ("a",), (2,)), {"labels": (("a", "b"), ("a", "c")), "out": ("a",)})
    assert plan_product(diagonal) is None
    assert plan_product(single) is None
    assert operations("ab", "a", "a") == {"Einsum": 1}
