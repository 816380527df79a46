"""One comparison: a shipped spec against its original."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn


@dataclass(frozen=True)
class Case:
    """`original()` is a plain torch module of the sizes that `settings` give the spec; its state has the published names."""

    name: str
    spec: str
    original: Callable[[], nn.Module]
    variant: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    float64: float = 1e-10
