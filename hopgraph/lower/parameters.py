"""Parameters of a compiled model: how they are registered under dotted names, and how they start.

This file's functions are copied into the modules that `hopgraph compile -o` writes, so it uses torch and nothing else.
"""

import torch
from torch import nn


def register(root: nn.Module, name: str, tensor: torch.Tensor, trainable: bool = True) -> None:
    """Register a parameter or a buffer under a dotted name, with a plain module for each part of it; numbered parts make a list."""
    *parts, leaf = name.split(".")
    module = root
    for part, following in zip(parts, [*parts[1:], leaf], strict=True):
        for number in range(len(list(module.children())), int(part)) if part.isdecimal() else ():
            module.add_module(str(number), nn.Module())  # a list has no gaps: a branch of a sum may have no weights
        if not isinstance(getattr(module, part, None), nn.Module):
            module.add_module(part, nn.ModuleList() if following.isdecimal() else nn.Module())
        module = getattr(module, part)
    if trainable:
        module.register_parameter(leaf, nn.Parameter(tensor))
    else:
        module.register_buffer(leaf, tensor)


def initialise(tensor: torch.Tensor, how: str, size: float, generator: torch.Generator | None = None) -> None:
    """Fill a tensor in place: `uniform` within +-size, `normal` of deviation size, cut at two of them, or `constant`."""
    with torch.no_grad():
        if how == "constant":
            tensor.fill_(size)
        elif how == "normal":
            nn.init.trunc_normal_(tensor, std=size, a=-2 * size, b=2 * size, generator=generator)
        else:
            tensor.uniform_(-size, size, generator=generator)
