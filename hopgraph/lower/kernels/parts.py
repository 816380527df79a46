"""The parts of a two-layer synapse, u = W^T f(W g + b) + c, in plain torch: what its kernel must equal, and its gradients.

Shapes, of C features and H hidden units: g and u [..., C], or [..., C, D] where the map acts on the last axis but one; W [H, C], or [C, H]
where it is stored transposed; b [H]; c [C].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 (the name that torch's own documentation uses)
from torch import Tensor

_ATEN = torch.ops.aten


@dataclass(frozen=True)
class Activation:
    """f, and the gradient by z of a loss whose gradient by f(z) is known: of (gradient, z, f(z))."""

    value: Callable[[Tensor], Tensor]
    gradient: Callable[[Tensor, Tensor, Tensor], Tensor]


def _relu(gradient: Tensor, z: Tensor, y: Tensor) -> Tensor:
    return _ATEN.threshold_backward(gradient, z, 0)


def _gelu(gradient: Tensor, z: Tensor, y: Tensor) -> Tensor:
    return _ATEN.gelu_backward(gradient, z)


def _tanh(gradient: Tensor, z: Tensor, y: Tensor) -> Tensor:
    return _ATEN.tanh_backward(gradient, y)


def _sigmoid(gradient: Tensor, z: Tensor, y: Tensor) -> Tensor:
    return _ATEN.sigmoid_backward(gradient, y)


ACTIVATIONS = {
    "relu": Activation(F.relu, _relu),
    "squared_relu": Activation(lambda z: F.relu(z) ** 2, lambda gradient, z, y: 2 * F.relu(z) * gradient),
    "gelu": Activation(F.gelu, _gelu),
    "tanh": Activation(torch.tanh, _tanh),
    "sigmoid": Activation(torch.sigmoid, _sigmoid),
}
"""By name. GELU is the exact one, z Phi(z)."""


def forward(g: Tensor, weight: Tensor, bias: Tensor | None, offset: Tensor | None, activation: str, transposed: bool, dim: int) -> Tensor:
    """u, by two products."""
    matrix, f = weight.mT if transposed else weight, ACTIVATIONS[activation].value
    if dim == -1:
        return F.linear(f(F.linear(g, matrix, bias)), matrix.mT, offset)
    return _mapped(matrix.mT, f(_mapped(matrix, g, bias)), offset)


def _mapped(matrix: Tensor, x: Tensor, bias: Tensor | None) -> Tensor:
    """W x + b over the last axis but one. The matrix is expanded by hand: matmul would fold the batch into copies."""
    y = torch.matmul(matrix.expand(*x.shape[:-2], -1, -1), x)
    return y if bias is None else y + bias.unsqueeze(-1)


@dataclass(frozen=True)
class Gradients:
    """Of a loss, by g, W, b and c: with z = W g + b and d = f'(z) * (W du), they are W^T d, f(z) du^T + d g^T, sum d and sum du.

    Products are of all rows at once. All of it is differentiable, so that there are second derivatives.
    """

    g: Tensor
    weight: Tensor
    bias: Tensor | None
    offset: Tensor

    @staticmethod
    def of(du: Tensor, g: Tensor, weight: Tensor, bias: Tensor | None, activation: str, transposed: bool, dim: int) -> Gradients:
        """From the gradient by u. The hidden values are computed once more."""
        matrix, f = weight.mT if transposed else weight, ACTIVATIONS[activation]
        x, rows = _rows(g, dim), _rows(du, dim)
        z = F.linear(x, matrix, bias)
        y = f.value(z)
        d = f.gradient(F.linear(rows, matrix), z, y)
        of_matrix = torch.addmm(y.mT @ rows, d.mT, x)
        of_g = (d @ matrix).view(g.movedim(dim, -1).shape).movedim(-1, dim)
        return Gradients(of_g, of_matrix.mT if transposed else of_matrix, None if bias is None else d.sum(0), rows.sum(0))


def _rows(x: Tensor, dim: int) -> Tensor:
    """A matrix whose rows are along one axis."""
    return x.movedim(dim, -1).flatten(0, -2)
