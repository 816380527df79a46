"""Where the sections run, and what each of them gives: rows of plain data, one as soon as it is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.base import QUICK, Effort, Result, Step

Row = Mapping[str, Any]
Rows = Iterator[Row]

EFFORT = Effort(12, 0.05)
MOST = 2000
"""So many characters of an error are kept."""


class SkippedError(Exception):
    """A section that cannot be had here; its text says why."""


@dataclass(frozen=True)
class Setting:
    """A dry run is one on the CPU at toy sizes. `data` is the folder that may have the two files of CIFAR-10."""

    dry: bool
    data: Path | None = None

    @property
    def device(self) -> str:
        """As torch names it."""
        return "cpu" if self.dry else "cuda"

    @property
    def effort(self) -> Effort:
        """How long is measured."""
        return QUICK if self.dry else EFFORT

    @property
    def wait(self) -> Step | None:
        """What waits for the device; a CPU is not waited for."""
        if self.dry:
            return None
        import torch

        return torch.cuda.synchronize


def told(result: Result, **further: Any) -> Row:
    """A result as a row."""
    return {**asdict(result), "met": result.met, **further}


def tried(name: str, work: Callable[[], Iterable[Row]]) -> Rows:
    """The rows of one part of a section. Its error is a row too, so that the other parts are still measured."""
    try:
        yield from work()
    except Exception as error:
        yield {"name": name, "failed": f"{type(error).__name__}: {error}"[:MOST]}
