"""Energies as one writes them for autograd, with the hidden layers at their values: E(g) = - sum of the hidden layers' Lagrangians.

    paramixer          E(g) = - sum L(W g) - sum L(U g),   L that of gelu or of relu
    hopfield (modern)  E(x) = 1/2 |x|^2 - logsumexp(Xi x)
    Energy Transformer E(g) = - 1/beta sum logsumexp over keys (beta K Q) - 1/2 sum relu(Xi g)^2

A step is x - a dE/dg by torch.autograd.grad, which is how HAMUX descends. Its weights take no gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Energy = Callable[[Tensor], Tensor]


def gelu_lagrangian(x: Tensor) -> Tensor:
    """1/4 (x^2 + (x^2 - 1) erf(x / sqrt 2) + x sqrt(2 / pi) exp(-x^2 / 2)), summed."""
    square = x * x
    parts = square + (square - 1) * torch.erf(x * math.sqrt(0.5)) + math.sqrt(2 / math.pi) * x * torch.exp(-square / 2)
    return parts.sum() / 4


def relu_lagrangian(x: Tensor) -> Tensor:
    """1/2 relu(x)^2, summed."""
    return x.relu().square().sum() / 2


def mixer_energy(token: Tensor, channel: Tensor, lagrangian: Callable[[Tensor], Tensor]) -> Energy:
    """Of activations [batch, tokens, channels], with weights [hidden, tokens] and [hidden, channels]."""
    return lambda g: -lagrangian(token @ g) - lagrangian(g @ channel.T)


def modern_energy(patterns: Tensor) -> Energy:
    """Of states [batch, neurons], with patterns [memories, neurons]."""
    return lambda x: x.square().sum() / 2 - (x @ patterns.T).logsumexp(-1).sum()


def descend(x: Tensor, g: Tensor, energy: Energy, step: float) -> Tensor:
    """The state x - step dE/dg, by autograd."""
    leaf = g.detach().requires_grad_()
    (slope,) = torch.autograd.grad(energy(leaf), leaf)
    return x - step * slope
