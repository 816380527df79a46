"""What a comparison found: the data that its table and its report are made of."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean, stdev

from hopgraph.bench.energy import EnergyTrace
from hopgraph.bench.measure import Timing
from hopgraph.train.loop import Settings
from hopgraph.train.run import Epoch

ENERGY_INPUTS = 128
"""So many test inputs give the energy traces."""


@dataclass(frozen=True)
class Reason:
    """A reason of a certificate, with its position in the spec's text."""

    text: str
    position: str


@dataclass(frozen=True)
class Row:
    """What was found of one variant. `test` has the measured values by name, a record for each seed.

    Timings and bytes are those of the first seed's bundle.
    """

    variant: str
    parameters: int
    test: tuple[dict[str, float], ...]
    certificate: str
    reasons: tuple[Reason, ...]
    weight_asymmetry: dict[str, float]
    bytes: dict[str, int]
    not_run: dict[str, str]
    timings: tuple[Timing, ...]
    histories: tuple[tuple[Epoch, ...], ...]
    energy: EnergyTrace

    def mean(self, name: str) -> float:
        """The mean of a measured value over the seeds."""
        return fmean(test[name] for test in self.test)

    def spread(self, name: str) -> float | None:
        """The standard deviation of a measured value over the seeds; None for one seed."""
        return stdev(test[name] for test in self.test) if len(self.test) > 1 else None

    @property
    def asymmetry(self) -> float | None:
        """The mean weight asymmetry over the synapses; None where they have no weights."""
        return fmean(self.weight_asymmetry.values()) if self.weight_asymmetry else None


@dataclass(frozen=True)
class Comparison:
    """A whole comparison, as `results.json` holds it."""

    spec: str
    cite: str | None
    task: str
    data: str
    rows: tuple[Row, ...]
    settings: Settings
    seeds: tuple[int, ...]
    command: str
    machine: dict[str, str]
    seconds: dict[str, float]

    @property
    def measured(self) -> tuple[str, ...]:
        """The names of the measured values."""
        return tuple(self.rows[0].test[0])
