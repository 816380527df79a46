"""The operator: it computes its formula, has the gradients of it, and behaves as an operator of torch does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (the name that torch's own documentation uses)
from torch import Tensor

from hopgraph.lower.kernels import parts, two_layer
from hopgraph.lower.kernels.tiles import TILES, numbers_of, padded, tiles_of
from hopgraph.program.operations.two_layer import ACTIVATIONS
from tests.kernels.cases import Case, by_hand, every, layouts

CASES = list(every())
FORMS = list(layouts(Case()))


def called(case: Case, *tensors: Tensor | None) -> Tensor:
    """As a program calls it."""
    operator: Any = torch.ops.hopgraph.two_layer
    return operator(*tensors, *case.how)


def leaves(case: Case, dtype: torch.dtype = torch.float64) -> list[Any]:
    """Tensors that want gradients."""
    return [tensor if tensor is None else tensor.requires_grad_() for tensor in case.tensors(dtype)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_computes_its_formula(case: Case) -> None:
    tensors: list[Any] = case.tensors()
    torch.testing.assert_close(called(case, *tensors), by_hand(case, *tensors), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_its_gradients_are_those_of_the_formula(case: Case) -> None:
    results: list[tuple[Tensor, ...]] = []
    for function in (called, by_hand):
        given = leaves(case)
        wanted = [tensor for tensor in given if tensor is not None]
        u = function(case, *given)
        results.append(torch.autograd.grad((u * torch.arange(u.numel()).view(u.shape).cos()).sum(), wanted))
    for found, wanted in zip(*results, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("activation", parts.ACTIVATIONS)
@pytest.mark.parametrize("dim", [-1, -2])
def test_first_and_second_derivatives_are_those_of_differences(activation: str, dim: int) -> None:
    case = Case(activation, dim=dim, features=2, hidden=3, rows=(2, 2))

    def function(*tensors: Tensor) -> Tensor:
        return called(case, *tensors)

    assert torch.autograd.gradcheck(function, leaves(case))
    assert torch.autograd.gradgradcheck(function, leaves(case))


@pytest.mark.parametrize("case", FORMS, ids=str)
def test_it_is_registered_as_torch_wants_it(case: Case) -> None:
    overload: Any = torch.ops.hopgraph.two_layer.default
    found = torch.library.opcheck(overload, (*leaves(case, torch.float32), *case.how))
    assert set(found.values()) == {"SUCCESS"}
    strided = case.tensors(torch.float32)
    assert strided[0] is not None
    strided[0] = strided[0].transpose(0, 2).contiguous().transpose(0, 2)
    assert set(torch.library.opcheck(overload, (*strided, *case.how)).values()) == {"SUCCESS"}


def test_a_gradient_that_nobody_wants_is_not_needed() -> None:
    g, weight, bias, _ = leaves(replace(Case(), offset=False))
    torch.ops.hopgraph.two_layer(g.detach(), weight, bias.detach()).sum().backward()
    assert (g.grad, bias.grad) == (None, None)
    assert weight.grad is not None


# --- autocast -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lower", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("given", [torch.float32, torch.float64, torch.bfloat16])
def test_autocast_casts_as_for_a_linear_map(lower: torch.dtype, given: torch.dtype) -> None:
    case = Case()
    tensors = leaves(case, given)
    with torch.autocast("cpu", dtype=lower):
        found, linear = called(case, *tensors), F.linear(tensors[0], tensors[1], tensors[2])
    assert found.dtype == linear.dtype
    found.sum().backward()
    assert {tensor.grad.dtype for tensor in tensors} == {given}
    cast = [tensor.detach().to(found.dtype) for tensor in tensors]
    assert torch.equal(found, called(case, *cast))


def test_autocast_that_is_off_changes_nothing() -> None:
    with torch.autocast("cpu", enabled=False):
        assert called(Case(), *Case().tensors(torch.float32)).dtype == torch.float32


# --- torch.compile ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize("dim", [-1, -2])
def test_a_compiled_function_computes_the_same(backend: str, dim: int) -> None:
    case = Case(dim=dim)

    def function(*tensors: Tensor | None) -> Tensor:
        return called(case, *tensors).sin()

    torch.compiler.reset()
    compiled: Callable[..., Tensor] = torch.compile(function, backend=backend, fullgraph=True)
    results: list[list[Tensor]] = []
    for one in (function, compiled):
        given = leaves(case, torch.float32)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            u = one(*given)
        results.append([u, *torch.autograd.grad(u.float().sum(), given)])
    for found, wanted in zip(*results, strict=True):
        torch.testing.assert_close(found, wanted)


# --- where the kernel applies -------------------------------------------------------------------------------------------


def test_the_kernel_is_not_for_what_it_cannot_do(monkeypatch: pytest.MonkeyPatch) -> None:
    class OnGpu(Tensor):
        """A tensor that says that it is on a GPU."""

        @property
        def device(self) -> torch.device:  # pyright: ignore[reportIncompatibleVariableOverride]
            return torch.device("cuda", 0)

    def applicable(*tensors: Tensor | None, dim: int = -1) -> Any:
        given: list[Any] = [tensor if tensor is None else tensor.as_subclass(OnGpu) for tensor in tensors]
        g, weight, bias, offset = given
        return two_layer.applicable(numbers_of(g.dtype, tf32=False), g, weight, bias, offset, dim)

    device = {"capability": (9, 0)}

    def limits(index: int) -> tuple[tuple[int, int], int]:
        return device["capability"], 227 * 1024

    monkeypatch.setattr(two_layer, "_has_triton", lambda: True)
    monkeypatch.setattr(two_layer, "device_limits", limits)
    g, weight, bias, offset = Case(features=64, hidden=96).tensors(torch.float32)
    assert g is not None
    assert weight is not None
    assert applicable(g, weight, bias, offset) == TILES["ieee"][64][0]
    assert applicable(g.half(), weight.half(), None, None) == TILES["half"][64][0]
    assert applicable(g.double(), weight.double(), None, None) is None, "float64"
    assert applicable(g.half(), weight, None, None) is None, "two dtypes"
    assert applicable(g.transpose(0, 1), weight, None, None) is None, "strided"
    assert applicable(g[:0], weight, None, None) is None, "empty"
    assert applicable(torch.zeros(2, 257), torch.zeros(8, 257), None, None) is None, "too many features"
    assert applicable(torch.zeros(2, 257).half(), torch.zeros(8, 257).half(), None, None) == TILES["half"][512][0]
    device["capability"] = (7, 5)
    assert applicable(g, weight, bias, offset) is None, "an old GPU"
    monkeypatch.setattr(two_layer, "_has_triton", lambda: False)
    device["capability"] = (9, 0)
    assert applicable(g, weight, bias, offset) is None, "no triton"


def test_float32_is_tf32_where_torch_allows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def applicable(numbers: Any, *_: Any) -> None:
        seen.append(numbers)

    monkeypatch.setattr(two_layer, "applicable", applicable)
    before = torch.backends.cuda.matmul.fp32_precision
    try:
        for precision in ("ieee", "tf32"):
            torch.backends.cuda.matmul.fp32_precision = precision
            called(Case(), *Case().tensors(torch.float32))
            called(Case(), *Case().tensors(torch.bfloat16))
    finally:
        torch.backends.cuda.matmul.fp32_precision = before
    assert seen == ["ieee", "half", "tf32", "half"]


def test_a_tile_is_chosen_by_the_shared_memory_of_the_device() -> None:
    for numbers, sizes in TILES.items():
        for features, tiles in sizes.items():
            assert tiles_of(numbers, features, 227 * 1024) == list(tiles), "all of them on sm_90"
            assert tiles_of(numbers, features, 163 * 1024) == list(tiles), "and on sm_80"
            assert tiles_of(numbers, features, 99 * 1024), "and one at least on sm_86"
            assert not tiles_of(numbers, features, 0)
    assert [padded(features) for features in (1, 16, 17, 64, 196, 512, 513)] == [16, 16, 32, 64, 256, 512, 1024]
    assert not tiles_of("half", 513, 227 * 1024)


def test_a_program_knows_the_activations_of_the_operator() -> None:
    assert set(ACTIVATIONS) == set(parts.ACTIVATIONS)
