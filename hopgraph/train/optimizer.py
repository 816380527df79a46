"""AdamW, and which tensors it lets decay."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

from hopgraph.lower.model import Model
from hopgraph.program.program import Parameter
from hopgraph.train.processes import like
from hopgraph.train.recipe import Recipe

WEIGHTS = ("weight", "left", "right", "diagonals")
"""What matrices, kernels and embeddings are called, and the two factors and the diagonals that stand for a matrix."""
SCALES = ("batch_norm", "positions")
"""Operations whose `weight` is none of these: it scales a normed value, or is added to one."""


def decays(parameter: Parameter) -> bool:
    """Whether a parameter decays: a matrix, a kernel or an embedding of tokens, whatever its number of axes.

    The gain of a norm may be over [n, c] and a bias over [heads, c]: they do not decay. Nor does a departure V of a penalized pull:
    its own penalty, lambda |V|^2, is what the experiment varies, and a decay would be a second one.
    """
    *_, operation, field = ["", *parameter.name.split(".")]
    matrix = field in WEIGHTS and re.sub(r"_[0-9]+$", "", operation) not in SCALES
    return matrix and parameter.trainable and not parameter.positive and parameter.penalty is None


def parameter_groups(model: Model, tensors: dict[str, Tensor], weight_decay: float) -> list[dict[str, Any]]:
    """The trained tensors, by their stored names, in two groups: those that decay and the others."""
    decaying = {parameter.stored_name for parameter in model.program.parameters if decays(parameter)}
    groups: list[dict[str, Any]] = [
        {"params": [tensor for name, tensor in tensors.items() if name in decaying], "weight_decay": float(weight_decay)},
        {"params": [tensor for name, tensor in tensors.items() if name not in decaying], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def make_optimizer(model: Model, tensors: dict[str, Tensor], recipe: Recipe) -> torch.optim.AdamW:
    """The recipe's AdamW on the trained tensors of a model. Each step sets its rate."""
    given = recipe.optimizer
    groups = parameter_groups(model, tensors, given.weight_decay)
    return torch.optim.AdamW(groups, lr=float(given.learning_rate), betas=given.betas, eps=given.eps)


def moments(optimizer: torch.optim.AdamW, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """What AdamW remembers of each tensor, as `exp_avg.NAME`."""
    return {f"{kind}.{name}": value for name, tensor in tensors.items() for kind, value in optimizer.state.get(tensor, {}).items()}


def load_moments(optimizer: torch.optim.AdamW, tensors: dict[str, Tensor], saved: dict[str, Tensor]) -> None:
    """Have AdamW remember what was saved."""
    state: dict[str, dict[str, Tensor]] = {}
    for key, value in saved.items():
        kind, _, name = key.partition(".")
        state.setdefault(name, {})[kind] = value if kind == "step" else like(value, tensors[name])
    names = {id(tensor): name for name, tensor in tensors.items()}
    order = [names[id(tensor)] for group in optimizer.param_groups for tensor in group["params"]]
    known = {number: state[name] for number, name in enumerate(order) if name in state}
    optimizer.load_state_dict({"state": known, "param_groups": optimizer.state_dict()["param_groups"]})
