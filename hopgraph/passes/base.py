"""What a pass is: a name, a function from one stage of the compiler to the next, and what its result must satisfy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from hopgraph.errors import Findings

Before = TypeVar("Before")
After = TypeVar("After")


@dataclass(frozen=True)
class Pass(Generic[Before, After]):
    """One pass. `run` adds a diagnostic to the findings for each mistake of the user and leaves the part concerned out.

    `ensures` yields what is broken in a result, for a result without findings: our own mistakes, not the user's.
    """

    name: str
    run: Callable[[Before, Findings], After]
    ensures: Callable[[After], list[str]]

    def __call__(self, before: Before, findings: Findings) -> After:
        """Run the pass, and check its promise unless the user's mistakes excuse it."""
        after = self.run(before, findings)
        if not findings.found:
            broken = self.ensures(after)
            assert not broken, f"pass {self.name} left: {'; '.join(broken)}"
        return after
