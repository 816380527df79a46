"""What `hopgraph recall` says of a recall: a table, the energy at every step, or everything as plain data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from hopgraph.bench.table import Table
from hopgraph.recall.dynamics import Recall


@dataclass(frozen=True)
class Report:
    """A recall, what it was of, and `started`: whether example i started from pattern i."""

    recall: Recall
    spec: str
    certificate: str
    energy: str
    steps: int
    started: bool

    @property
    def table(self) -> Table:
        """A line for each example."""
        columns = ("example", "updates to settle", "energy at first", "at last", "largest rise", "nearest pattern", "overlap")
        return Table(columns, tuple(self._row(index) for index in range(len(self.recall.updates))))

    def _row(self, index: int) -> tuple[str, ...]:
        found, updates = self.recall, self.recall.updates[index]
        energies = ("none", "none", "none")
        if found.energies is not None and found.largest_rise is not None:
            first, last, rise = found.energies[0, index], found.energies[-1, index], found.largest_rise[index]
            energies = (f"{first.item():.6g}", f"{last.item():.6g}", f"{rise.item():.1e}")
        nearest = ("none", "none")
        if found.overlaps is not None and found.nearest is not None:
            nearest = (str(int(found.nearest[index])), f"{found.overlaps[index].max().item():.6f}")
        return (str(index), f"more than {self.steps}" if updates is None else str(updates), *energies, *nearest)

    @property
    def summary(self) -> str:
        """How many settled, how many came back to their pattern, and the certificate, or why there is no energy."""
        found = self.recall
        count = len(found.updates)
        lines = [f"{sum(updates is not None for updates in found.updates)} of {count} settled within {self.steps} updates"]
        if self.started and found.nearest is not None:
            back = sum(int(pattern) == index for index, pattern in enumerate(found.nearest))
            lines.append(f"{back} of {count} end nearest to the pattern that they started from")
        certificate = f"certificate: {self.certificate}"
        lines.append(f"{certificate}; no energy: {found.reason}" if found.reason else f"{certificate}; energy {self.energy}")
        return "\n".join(lines)

    @property
    def trace(self) -> str:
        """The energy before the first update and after each, a line for each example; or why there is none."""
        energies = self.recall.energies
        if energies is None:
            return f"no energy: {self.recall.reason}"
        lines = [" ".join(f"{energy:.10g}" for energy in _numbers(column)) for column in energies.T]
        return "\n".join(f"example {index}: {line}" for index, line in enumerate(lines))

    def as_json(self) -> dict[str, Any]:
        """As plain data; numbers that are not finite are null. `pattern` is the index of the nearest one."""
        found = self.recall
        examples: list[dict[str, Any]] = []
        for index, updates in enumerate(found.updates):
            energies = None if found.energies is None else _finite(found.energies[:, index])
            rise = None if found.largest_rise is None else _finite(found.largest_rise[index : index + 1])[0]
            overlaps = None if found.overlaps is None else _finite(found.overlaps[index])
            pattern = None if found.nearest is None else int(found.nearest[index])
            examples.append({"updates": updates, "energies": energies, "largest_rise": rise, "pattern": pattern, "overlaps": overlaps})
        energy = None if found.energies is None else self.energy
        return {"spec": self.spec, "certificate": self.certificate, "energy": energy, "reason": found.reason, "examples": examples}


def _numbers(values: Tensor) -> list[float]:
    return [float(value) for value in values]


def _finite(values: Tensor) -> list[float | None]:
    return [number if math.isfinite(number) else None for number in _numbers(values)]
