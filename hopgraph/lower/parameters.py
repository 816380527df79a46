"""Parameters of a compiled model: how they are registered under dotted names, and how they start.

This file's functions are copied into the modules that `hopgraph compile -o` writes, so it uses torch and nothing else.
"""

import math

import torch
from torch import nn


def register(root: nn.Module, name: str, parameter: nn.Parameter) -> None:
    """Register a parameter under a dotted name, with a plain module for each part of it; numbered parts make a list."""
    *parts, leaf = name.split(".")
    module = root
    for part, following in zip(parts, [*parts[1:], leaf], strict=True):
        children = dict(module.named_children())
        if part not in children:
            module.add_module(part, nn.ModuleList() if following.isdecimal() else nn.Module())
        module = module.get_submodule(part)
    module.register_parameter(leaf, parameter)


def initialise(tensor: torch.Tensor, init: str, generator: torch.Generator | None = None) -> None:
    """Fill a tensor in place: xavier (uniform, Glorot and Bengio 2010), lecun (truncated normal, 1 / fan in), zeros or ones."""
    fan_in = math.prod(tensor.shape[1:])
    with torch.no_grad():
        if init == "zeros":
            tensor.zero_()
        elif init == "ones":
            tensor.fill_(1.0)
        elif init == "lecun":
            deviation = math.sqrt(1 / fan_in) / 0.87962566103423978  # the factor that truncation at two deviations takes away
            nn.init.trunc_normal_(tensor, std=deviation, a=-2 * deviation, b=2 * deviation, generator=generator)
        else:
            fan_out = tensor.shape[0]
            bound = math.sqrt(6 / (fan_in + fan_out))
            tensor.uniform_(-bound, bound, generator=generator)
