"""Random two-layer synapses, for the operator's tests and, in a process of its own, the kernel's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import torch
from torch import Tensor

from hopgraph.lower.kernels import parts


@dataclass(frozen=True)
class Case:
    """What a call is given, and how."""

    activation: str = "gelu"
    transposed: bool = False
    dim: int = -1
    bias: bool = True
    offset: bool = True
    features: int = 5
    hidden: int = 7
    rows: tuple[int, int] = (2, 3)

    @property
    def how(self) -> tuple[str, bool, int]:
        """The last arguments of a call."""
        return self.activation, self.transposed, self.dim

    def tensors(self, dtype: torch.dtype = torch.float64, device: str = "cpu", seed: int = 0) -> list[Tensor | None]:
        """g, W, b and c, as large as those of a model are."""
        generator, (batch, tokens) = torch.Generator().manual_seed(seed), self.rows
        shape = (batch, tokens, self.features) if self.dim == -1 else (batch, self.features, tokens)
        sizes = (self.features, self.hidden) if self.transposed else (self.hidden, self.features)

        def drawn(*size: int) -> Tensor:
            return torch.randn(size, generator=generator, dtype=torch.float64).to(device, dtype)

        weight = drawn(*sizes) / self.features**0.5
        return [drawn(*shape), weight, drawn(self.hidden) if self.bias else None, drawn(self.features) if self.offset else None]


def layouts(case: Case) -> Iterator[Case]:
    """A case in every form: of W, of g, with and without the two biases."""
    for transposed, dim, bias, offset in product((False, True), (-1, -2), (False, True), (False, True)):
        yield replace(case, transposed=transposed, dim=dim, bias=bias, offset=offset)


def every() -> Iterator[Case]:
    """Every form with every activation."""
    for activation in parts.ACTIVATIONS:
        yield from layouts(Case(activation))


def by_hand(case: Case, g: Tensor, weight: Tensor, bias: Tensor | None, offset: Tensor | None) -> Tensor:
    """u, index by index."""
    w = weight.T if case.transposed else weight
    letters = ("btc,hc->bth", "bth,hc->btc") if case.dim == -1 else ("bct,hc->bht", "bht,hc->bct")
    z = torch.einsum(letters[0], g, w) + _along(bias, case.dim)
    return torch.einsum(letters[1], F[case.activation](z), w) + _along(offset, case.dim)


def _along(bias: Tensor | None, dim: int) -> Any:
    return 0 if bias is None else bias if dim == -1 else bias[:, None]


def _gelu(z: Tensor) -> Tensor:
    return z * (1 + torch.erf(z / 2**0.5)) / 2


def _tanh(z: Tensor) -> Tensor:
    return (z.exp() - (-z).exp()) / (z.exp() + (-z).exp())


def _sigmoid(z: Tensor) -> Tensor:
    return 1 / (1 + (-z).exp())


def _relu(z: Tensor) -> Tensor:
    return z * (z > 0)


def _squared_relu(z: Tensor) -> Tensor:
    return z * z * (z > 0)


F = {"relu": _relu, "squared_relu": _squared_relu, "gelu": _gelu, "tanh": _tanh, "sigmoid": _sigmoid}
"""The activations by their formulas."""


def doubles(tensors: list[Tensor | None]) -> list[Tensor | None]:
    """The same numbers in float64."""
    return [None if tensor is None else tensor.double() for tensor in tensors]


def relative(got: Tensor, wanted: Tensor) -> float:
    """|got - wanted| / |wanted|."""
    return ((got.double() - wanted).square().sum() / wanted.square().sum()).sqrt().item()
