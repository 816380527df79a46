"""How the time is shared: each section may take its part of what is left, and what it does not need is left to the later ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


def share(left: float, wanted: Sequence[float]) -> float:
    """The seconds of the first of the sections that are to come, which want so many: left * wanted[0] / sum(wanted)."""
    return max(0.0, left) * wanted[0] / sum(wanted)


@dataclass(frozen=True)
class Budget:
    """So many seconds from now on."""

    seconds: float
    clock: Callable[[], float] = time.monotonic
    begun: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "begun", self.clock())

    @property
    def left(self) -> float:
        """What is left of them."""
        return self.seconds - (self.clock() - self.begun)
