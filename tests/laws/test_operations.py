"""Each operation's ONNX column computes what its torch column does, for any batch; batch norm and masks are those of torch."""

from __future__ import annotations

import copy
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from torch import Tensor, nn

from exporters.onnx import emit
from hopgraph.energy.records import ONES, ZEROS, Axes, ParameterSpec, Value
from hopgraph.lower.model import compiled
from hopgraph.lower.source import function_source
from hopgraph.program.builder import Builder
from hopgraph.program.operations import OPERATIONS, matrices, spatial
from hopgraph.program.program import Program

from .programs import LAW, Weights, generator, onnx_function, stored, written
from .specs import numbers, relative
from .test_maps import CASES, MapCase, randoms

PARITY = 1e-5
Write = Callable[[Builder, Value, Weights], Value]


def check_columns(program: Program, module: nn.Module, rng: Random) -> None:
    """Both columns agree in float32 with torch in float64, at two sizes of the batch."""
    module.eval()
    single = copy.deepcopy(module).float()
    function, by_onnx = compiled(program, "law"), onnx_function(program, single)
    for batch in (1, 3):
        x = torch.randn(batch, *program.inputs[0].shape, generator=generator(rng), dtype=torch.float64)
        wanted = function(module, x).detach()
        for found in (function(single, x.float()).detach(), by_onnx(x.float())):
            assert found.dtype == torch.float32
            assert found.shape == wanted.shape
            assert relative(found.double(), wanted) < PARITY


def programs_of(case: MapCase, values: dict[str, Tensor]) -> list[tuple[Program, nn.Module]]:
    """A map's forward program and its adjoint's, with the modules that hold their parameters."""
    specs = case.record.parameters(case.options, case.signature)
    linear = {name: spec for name, spec in specs.items() if not spec.offset}

    def forward(builder: Builder, x: Value, weights: Weights) -> Value:
        return case.record.forward(builder, x, case.signature, case.options, weights, "y")

    def adjoint(builder: Builder, y: Value, weights: Weights) -> Value:
        return case.record.adjoint(builder, y, case.signature, case.options, weights, "x")

    there = written(case.source, case.sizes, specs, values, forward)
    back = written(case.target, case.sizes, linear, values, adjoint)
    return [there[:2], back[:2]]


@pytest.mark.parametrize("kind", CASES)
@LAW
@given(rng=randoms)
def test_a_map_is_the_same_in_onnx(kind: str, rng: Random) -> None:
    case = CASES[kind](rng)
    for program, module in programs_of(case, case.values(rng)):
        check_columns(program, module, rng)


BATCHED: dict[str, tuple[Axes, dict[str, int], Write]] = {
    "toeplitz": (("h", "t"), {"h": 2, "t": 7}, lambda b, x, w: b.op("toeplitz", x, rows="i", columns="j", size=4)),
    "toeplitz of half": (("h", "t"), {"h": 2, "t": 4}, lambda b, x, w: b.op("toeplitz", x, rows="i", columns="j", size=4)),
    "batch_norm_gain": (("c",), {"c": 3}, lambda b, x, w: b.op("batch_norm_gain", b.op("exp", x), b.op("exp", x), eps=1e-3)),
}
"""Operations that are made of weights alone where maps use them, and so computed before export: here of an input."""


@pytest.mark.parametrize("name", BATCHED)
def test_what_is_made_of_weights_is_the_same_in_onnx_of_an_input(name: str) -> None:
    axes, sizes, write = BATCHED[name]
    program, module, _ = written(axes, sizes, {}, {}, write)
    check_columns(program, module, numbers(0))


def test_every_operation_of_a_map_is_tried() -> None:
    """The random cases of the maps use every operation of these files."""
    rng, used = numbers(0), set[str]()
    for case in (make(rng) for make in CASES.values() for _ in range(60)):
        used |= {statement.op for program, _ in programs_of(case, case.values(rng)) for statement in program.flat()}
    assert {row.name for row in (*matrices.ROWS, *spatial.ROWS)} <= used


def test_a_spectral_limit_has_no_onnx() -> None:
    def write(builder: Builder, x: Value, weights: Weights) -> Value:
        return builder.op("spectral_limit", x, rows=("i",), columns=("j",), limit=1.0)

    program, _, _ = written(("i", "j"), {"i": 2, "j": 2}, {}, {}, write)
    with pytest.raises(AssertionError, match="computed at export"):
        emit(program, {})


def test_tied_pulls_share_what_is_made_of_weights() -> None:
    """Forward and adjoint, and a second time both, read one masked and limited matrix."""
    case = next(case for case in cases("dense") if case.options["toeplitz"] and case.options["spectral"] and case.options["mask"] == "band")
    builder = Builder()
    specs = case.record.parameters(case.options, case.signature)
    weights = {name: builder.parameter(f"part.{name}", spec) for name, spec in specs.items()}
    x = builder.input("x", case.source, case.shape(case.source))
    for _ in range(2):
        y = case.record.forward(builder, x, case.signature, case.options, weights, "y")
        case.record.adjoint(builder, y, case.signature, case.options, weights, "x")
    ops = [statement.op for statement in builder.program("law", []).flat()]
    assert [ops.count(name) for name in ("toeplitz", "mask", "spectral_limit")] == [1, 1, 1]


def cases(kind: str) -> list[MapCase]:
    rng = numbers(1)
    return [CASES[kind](rng) for _ in range(400)]


# --- batch norm in training -------------------------------------------------------------------------------------------


def batch_norm_twice() -> tuple[Program, nn.Module]:
    specs = {
        "weight": ParameterSpec(("c",), (3,), ONES),
        "bias": ParameterSpec(("c",), (3,), ZEROS),
        "running_mean": ParameterSpec(("c",), (3,), ZEROS, trainable=False),
        "running_var": ParameterSpec(("c",), (3,), ONES, trainable=False),
    }

    def write(builder: Builder, x: Value, weights: Weights) -> Value:
        given: dict[str, Any] = {"per": "c", "eps": 1e-3, "momentum": 0.2}
        y = builder.op("batch_norm", x, *weights.values(), **given)
        return builder.op("batch_norm", y, *weights.values(), **given)

    values = {name: torch.full((3,), spec.init[1], dtype=torch.float64) for name, spec in specs.items()}
    return written(("n", "c", "r"), {"n": 2, "c": 3, "r": 4}, specs, values, write)[:2]


def test_batch_norm_trains_as_torch_does() -> None:
    """Twice on the same weights, as in two steps: outputs, gradients and running statistics, in training and then in evaluation."""
    program, ours = batch_norm_twice()
    theirs = nn.BatchNorm1d(3, eps=1e-3, momentum=0.2, dtype=torch.float64)
    function = compiled(program, "law")
    x = torch.randn(5, 2, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for training in (True, False):
        ours.train(training)
        theirs.train(training)
        found = function(ours, x)
        once = theirs(x.transpose(1, 2).flatten(2))
        wanted = theirs(once).unflatten(2, (2, 4)).transpose(1, 2)
        assert torch.allclose(found, wanted, rtol=1e-12, atol=1e-12)
        theirs.zero_grad()
        ours.zero_grad()
        found.square().sum().backward()
        wanted.square().sum().backward()
        for field in ("weight", "bias"):
            assert torch.allclose(gradient(ours, f"part.{field}"), gradient(theirs, field), rtol=1e-9, atol=1e-9)
        for field in ("running_mean", "running_var"):
            assert torch.allclose(ours.state_dict()[f"part.{field}"], theirs.get_buffer(field), rtol=1e-12, atol=1e-12)


def gradient(module: nn.Module, name: str) -> Tensor:
    found = module.get_parameter(name).grad
    assert found is not None
    return found


# --- the source that is printed ---------------------------------------------------------------------------------------


def test_the_layout_that_needs_no_work_gets_none() -> None:
    """[channels, rows, columns] goes to torch as it is: no permute, no reshape."""
    specs = {"weight": ParameterSpec(("m", "c", "r_kernel", "w_kernel"), (4, 3, 3, 3), ONES)}
    windows: dict[str, Any] = {"over": ("r", "w"), "into": ("r", "w"), "kernel": (3, 3), "stride": (1, 1), "pads": ((1, 1), (1, 1))}

    def write(builder: Builder, x: Value, weights: Weights) -> Value:
        y = builder.op("conv", x, weights["weight"], per=(), old=("c",), new=("m",), dilation=(1, 1), **windows)
        z = builder.op("pool", y, count_include_pad=False, **windows)
        back = {"per": (), "old": ("m",), "new": ("c",), "dilation": (1, 1), "sizes": (5, 6, 3)}
        return builder.op("conv_transpose", z, weights["weight"], **back, **windows)

    values = stored(specs, torch.Generator().manual_seed(0))
    program, module, _ = written(("c", "r", "w"), {"c": 3, "r": 5, "w": 6}, specs, values, write)
    text = function_source(program, "law")
    assert not any(word in text for word in ("permute", "reshape", "F.pad"))
    check_columns(program, module, numbers(0))


def test_the_table_has_one_row_of_each_name() -> None:
    assert all(name == row.name for name, row in OPERATIONS.items())
    assert np.unique(list(OPERATIONS)).size == len(OPERATIONS)
