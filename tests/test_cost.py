"""FLOPs and bytes from the graph: every operation counted by hand, products as torch counts them, bytes of what is read."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from hopgraph.energy.records import ZEROS, ParameterSpec
from hopgraph.frontend.library import shipped
from hopgraph.lower.model import compile_model
from hopgraph.passes.pipeline import CheckedSpec, load
from hopgraph.program.builder import Builder
from hopgraph.program.cost import Cost, cost_of, flops_by_operation
from hopgraph.program.operations import OPERATIONS, Site
from hopgraph.program.operations.contract import matrix_product
from hopgraph.show.catalogue import small_of
from tests.laws.specs import check, random_spec, seeds

CONSTRUCTS = sorted((Path(__file__).parent / "constructs").glob("*.yaml"))


@dataclass(frozen=True)
class Case:
    """An operation on an input and on weights, with how many floating point operations it is."""

    op: str
    inputs: tuple[dict[str, int], ...]
    flops: int
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])

    def site(self) -> Site:
        """Where it stands in a program of its own."""
        builder = Builder()
        first, *others = self.inputs
        values = [builder.input("x", tuple(first), tuple(first.values()))]
        for index, axes in enumerate(others):
            values.append(builder.parameter(f"part.w{index}", ParameterSpec(tuple(axes), tuple(axes.values()), ZEROS)))
        result = builder.op(self.op, *values, **self.attributes)
        ((_, site),) = builder.program("case", [result]).sites()
        return site


X = {"n": 3, "c": 4}
IMAGE = {"c": 4, "r": 5, "w": 6}
EACH = math.prod(X.values())
WINDOWS: dict[str, Any] = {"over": ("r", "w"), "into": ("r", "w"), "kernel": (3, 3), "stride": (2, 2), "pads": ((1, 1), (1, 1))}
BACK = {**WINDOWS, "sizes": (5, 6)}
KERNEL: dict[str, Any] = {"per": (), "old": ("c",), "new": ("m",), "dilation": (1, 1)}


def contraction(out: str, *labels: str) -> dict[str, Any]:
    return {"labels": tuple(map(tuple, labels)), "out": tuple(out)}


def between(keep: str) -> dict[str, Any]:
    return {"keep": keep, "width": 1, "between": ("q", "k"), "over": ("k",)}


def attention(keep: str, scale: float) -> dict[str, Any]:
    return {"out": ("n", "z") if keep == "all" else ("n", "h", "z"), "scale": scale, "keep": keep, "width": 0}


def two_layer(activation: str, biased: bool) -> dict[str, Any]:
    first, second = contraction("nk", "nc", "kc"), contraction("nc", "nk", "kc")
    given = {"first": first["labels"], "hidden": first["out"], "second": second["labels"], "out": second["out"]}
    return {**given, "activation": activation, "bias": biased, "offset": biased}


HEADS = ({"n": 3, "h": 2, "c": 4}, {"k": 5, "h": 2, "c": 4}, {"k": 5, "h": 2, "z": 2})
SQUARE = {"q": 3, "k": 3}
LIMITED = {"rows": ("n",), "columns": ("c",), "limit": 1.0}
CASES = [
    *(Case(op, (X,), EACH) for op in ("exp", "tanh", "sigmoid", "relu", "gelu")),
    Case("scale", (X,), EACH, {"factor": 2.0}),
    Case("shift", (X,), EACH, {"amount": 2.0}),
    Case("power", (X,), EACH, {"exponent": 2.0}),
    Case("add", (X, {"c": 4}), EACH),
    Case("multiply", (X, {"c": 4}), EACH),
    Case("linear", (X, {"k": 5, "c": 4}, {"k": 5}), 2 * EACH * 5, {"axis": "k"}),
    Case("gather", ({"n": 3}, {"v": 7, "c": 4}), 0, {"axes": ("n", "c")}),
    Case("contract", (X, {"k": 5, "c": 4}), 2 * EACH * 5, contraction("nk", "nc", "kc")),
    Case("contract", (X, {"n": 3}), EACH, contraction("nc", "nc", "n")),
    Case("contract", (X,), EACH, contraction("n", "nc")),
    Case("contract", (X,), 0, contraction("cn", "nc")),
    Case("contract", (X, {"n": 3}), EACH + 3, contraction("n", "nc", "n")),  # the sum over c first, then a product
    Case("contract", (X, {"k": 5, "c": 4}, {"n": 3, "k": 5}), 2 * EACH * 5 + 2 * 15, contraction("n", "nc", "kc", "nk")),
    Case("contract", (X, {"n": 3}, {"n": 3, "c": 4}), EACH + 2 * EACH, contraction("", "nc", "n", "nc")),
    Case("affine", (X, {"k": 5, "c": 4}, {"k": 5}), 2 * EACH * 5, contraction("nk", "nc", "kc")),
    Case("two_layer", (X, {"k": 5, "c": 4}, {"k": 5}, {"c": 4}), 2 * (2 * EACH * 5) + 2 * 15, two_layer("squared_relu", biased=True)),
    Case("two_layer", (X, {"k": 5, "c": 4}), 2 * (2 * EACH * 5) + 15, two_layer("gelu", biased=False)),
    *(Case(op, (X,), EACH, {"over": ("c",)}) for op in ("mean", "max")),
    Case("merge", (X,), 0, {"axes": ("n", "c"), "into": "m"}),
    Case("rename", (X,), 0, {"axes": ("a", "b")}),
    Case("permute", (X,), 0, {"order": ("c", "n")}),
    Case("take", (X,), 0, {"axis": "n", "index": 0}),
    Case("slice", (X,), 0, {"axis": "n", "start": 0, "stop": 2}),
    Case("prepend", (X, {"n": 1, "c": 4}), 0, {"axis": "n"}),
    Case("drop_path", (X,), 0, {"rate": 0.5}),
    Case("add_sincos", (X,), EACH, {"over": ("n", "c")}),
    Case("softmax", (X,), 5 * EACH, {"over": ("c",)}),
    Case("masked_softmax", (SQUARE,), 6 * 9, between("causal")),
    Case("masked_softmax", (SQUARE,), 7 * 9, between("strict")),  # the first row keeps nothing
    Case("attention", (X, {"k": 5, "c": 4}, {"k": 5, "z": 2}), 15 * (2 * 4 + 5 + 1 + 2 * 2), attention("all", 0.5)),
    Case("attention", HEADS, 2 * 15 * (2 * 4 + 5 + 1 + 2 * 2), attention("strict", 1.0)),
    Case("layernorm", (X,), 5 * EACH, {"over": ("c",), "eps": 1e-6}),
    Case("layernorm", (X, {"c": 4}, {"c": 4}), 7 * EACH, {"over": ("c",), "eps": 1e-6}),
    *(Case(op, (X,), 3 * EACH, {"over": ("c",), "eps": 1e-6}) for op in ("rmsnorm", "spherical")),
    Case("batch_norm", (X, *({"c": 4},) * 4), 2 * EACH, {"per": "c", "eps": 1e-6, "momentum": 0.1}),
    Case("batch_norm_gain", ({"c": 4}, {"c": 4}), 3 * 4, {"eps": 1e-6}),
    Case("mask", (SQUARE,), 9, {"pattern": "causal", "width": 1, "rows": "q", "columns": "k"}),
    Case("toeplitz", ({"t": 5},), 0, {"size": 3, "rows": "q", "columns": "k"}),
    Case("spectral_limit", ({"h": 2, **X},), 2 * (4 * 4 * 3**2 - 4 * 3**3 // 3) + 2 * EACH, LIMITED),
    Case("conv", (IMAGE, {"m": 2, "c": 4, "i": 3, "j": 3}), 2 * (2 * 3 * 3) * (4 * 9), {**KERNEL, **WINDOWS}),
    Case("conv", (IMAGE, {"m": 2, "c": 2, "i": 3, "j": 3}), 2 * (2 * 3 * 3) * (2 * 9), {**KERNEL, **WINDOWS}),  # two groups
    Case("conv", (IMAGE, {"c": 4, "i": 3, "j": 3}), 2 * (4 * 3 * 3) * 9, {**KERNEL, **WINDOWS, "per": ("c",), "old": (), "new": ()}),
    Case(
        "conv_transpose",
        ({"m": 2, "r": 3, "w": 3}, {"m": 2, "c": 4, "i": 3, "j": 3}),
        2 * (2 * 3 * 3) * (4 * 9),
        {**KERNEL, **BACK, "old": ("m",), "new": ("c",), "sizes": (5, 6, 4)},
    ),
    Case("pool", (IMAGE,), 4 * 3 * 3 * 9, {**WINDOWS, "count_include_pad": False}),
    Case("pool_adjoint", ({"c": 4, "r": 3, "w": 3},), 4 * 3 * 3 * 9, {**BACK, "count_include_pad": False}),
]


@pytest.mark.parametrize("case", CASES, ids=[f"{index}-{case.op}" for index, case in enumerate(CASES)])
def test_an_operation_is_as_many_as_by_hand(case: Case) -> None:
    assert OPERATIONS[case.op].flops(case.site()) == case.flops


def test_every_operation_is_counted_by_hand() -> None:
    assert {case.op for case in CASES} == set(OPERATIONS)


# --- torch's own count ------------------------------------------------------------------------------------------------

PRODUCTS = ("linear", "contract", "affine", "attention", "conv", "conv_transpose")
BATCH = 2


def is_product(op: str, site: Site) -> bool:
    """Whether torch counts an operation as a product."""
    return op in PRODUCTS and not (op == "contract" and is_elementwise(site))


def is_elementwise(site: Site) -> bool:
    """Whether einsum multiplies elements alone, which torch does not count: it sums over nothing, or over axes of one position."""
    pairs = zip(site.inputs, site.attributes["labels"], strict=True)
    summed = {label for value, names in pairs for label, size in zip(names, value.shape, strict=True) if size > 1}
    return matrix_product(site) is None and summed <= set(site.attributes["out"])


def spread(op: str, site: Site) -> bool:
    """Whether torch computes the adjoint of a pooling by a transposed convolution, with a product where we count an addition alone."""
    return op == "pool_adjoint" and set(site.attributes["stride"]) != {1}


def ours(spec: CheckedSpec) -> int:
    """The products of a batch. What is made of weights alone is computed once."""
    total = 0
    for statement, site in spec.program.sites():
        if is_product(statement.op, site) or spread(statement.op, site):
            times = (BATCH if statement.output.batched else 1) * (1 + spread(statement.op, site))
            total += times * (OPERATIONS[statement.op].flops(site) - between_products(statement.op, site))
    return total


def between_products(op: str, site: Site) -> int:
    """What torch leaves out of attention: the softmax, with its scale and its mask."""
    if op != "attention":
        return 0
    weights = math.prod(site.inputs[0].shape[:-1]) * site.inputs[1].shape[0]
    return weights * (5 + (site.attributes["scale"] != 1) + (site.attributes["keep"] != "all"))


def theirs(spec: CheckedSpec) -> int:
    """What torch counts when the compiled model runs on a batch. Nothing is computed: the tensors are on the meta device."""
    model = compile_model(spec, device="meta").eval()
    (given,) = spec.program.inputs
    dtype = torch.int64 if given.integer else torch.float32
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.empty(BATCH, *given.shape, dtype=dtype, device="meta"))
    return counter.get_total_flops()


@pytest.mark.parametrize("name", shipped())
def test_products_are_as_torch_counts_them(name: str) -> None:
    small = small_of(load(name).variant_names)
    spec = load(name, small)
    assert ours(spec) == theirs(spec) > 0


@pytest.mark.parametrize("path", CONSTRUCTS, ids=lambda path: path.stem)
def test_products_of_constructs_are_as_torch_counts_them(path: Path) -> None:
    spec = load(path)
    assert ours(spec) == theirs(spec) > 0


@pytest.mark.parametrize("seed", seeds(10, 60))
def test_products_of_random_specs_are_as_torch_counts_them(seed: int) -> None:
    spec = check(random_spec(seed))
    assert ours(spec) == theirs(spec)


# --- bytes, and what is counted how often -----------------------------------------------------------------------------


def test_the_operations_add_up() -> None:
    spec = load("paramixer", "digits")
    parts = flops_by_operation(spec.program)
    assert cost_of(spec.program).flops == sum(parts.values())
    assert all(first >= second for first, second in pairwise(parts.values()))
    assert next(iter(parts)) == "contract"
    assert not {"permute", "merge"} & set(parts)


@pytest.mark.parametrize("name", ["paramixer", "energy_transformer"])
def test_each_step_counts_and_reads_the_same_weights(name: str) -> None:
    costs = [cost_of(load(name, "digits", {"block.steps": steps}).program) for steps in (1, 2, 5)]
    step = costs[1].flops - costs[0].flops
    assert costs[2].flops == costs[0].flops + 4 * step
    assert step > 0
    assert len({cost.weight_bytes for cost in costs}) == 1


def test_each_depth_counts_and_has_weights_of_its_own() -> None:
    one, two, three = (load("paramixer", "digits", {"block.depth": depth}) for depth in (1, 2, 3))
    first, second, third = (cost_of(spec.program) for spec in (one, two, three))
    assert third.flops - second.flops == second.flops - first.flops > 0
    assert second.weight_bytes - first.weight_bytes == 4 * (two.parameter_count - one.parameter_count)


def test_the_bytes_are_those_of_all_parameters_and_of_one_input_and_output() -> None:
    spec = load("paramixer", "digits")
    cost = cost_of(spec.program)
    assert cost.weight_bytes == 4 * spec.parameter_count
    assert cost.value_bytes == 4 * (8 * 8 + 10)


def test_what_is_made_of_weights_alone_is_not_counted() -> None:
    """The sum of a base weight and its departure V is the same for every example; both are read. A lambda is part of the loss alone."""
    own, penalized = (load("paramixer", f"{variant},digits") for variant in ("broken", "asymmetric"))
    assert cost_of(own.program) == cost_of(penalized.program)
    learned = load("paramixer", "asymmetric,digits", {"block.symmetry": {"penalized": {"learned": 1e-3, "prior": 1e-6}}})
    assert learned.parameter_count > penalized.parameter_count
    assert cost_of(learned.program) == cost_of(own.program)


@pytest.mark.parametrize(("vocabulary", "rows"), [(7, 7), (100, 12)])
def test_of_a_table_as_many_rows_as_are_looked_up(vocabulary: int, rows: int) -> None:
    builder = Builder()
    tokens = builder.input("tokens", ("n",), (12,), integer=True)
    table = builder.parameter("embed.weight", ParameterSpec(("v", "c"), (vocabulary, 8), ZEROS))
    x = builder.op("gather", tokens, table, axes=("n", "c"))
    assert cost_of(builder.program("looked up", [x])) == Cost(0, 4 * 8 * rows, 4 * (12 + 12 * 8))
    logits = builder.op("linear", x, table, axis="v")  # a tied head reads it whole
    assert cost_of(builder.program("tied", [logits])).weight_bytes == 4 * 8 * vocabulary


def test_an_output_may_be_an_input() -> None:
    builder = Builder()
    x = builder.input("x", ("c",), (8,))
    assert cost_of(builder.program("identity", [x])) == Cost(0, 0, 4 * (8 + 8))
