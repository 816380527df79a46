"""What a comparison found: the data that its table and its report are made of."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean, stdev

from hopgraph.bench.energy import EnergyTrace
from hopgraph.bench.measure import Timing
from hopgraph.train.loop import Settings
from hopgraph.train.run import Epoch

ENERGY_IMAGES = 128
"""So many test images give the energy traces."""


@dataclass(frozen=True)
class Reason:
    """A reason of a certificate, with its position in the spec's text."""

    text: str
    position: str


@dataclass(frozen=True)
class Row:
    """What was found of one variant. Timings and bytes are those of the first seed's bundle."""

    variant: str
    parameters: int
    accuracies: tuple[float, ...]
    certificate: str
    reasons: tuple[Reason, ...]
    weight_asymmetry: dict[str, float]
    bytes: dict[str, int]
    not_run: dict[str, str]
    timings: tuple[Timing, ...]
    histories: tuple[tuple[Epoch, ...], ...]
    energy: EnergyTrace

    @property
    def accuracy(self) -> float:
        """The mean test accuracy over the seeds."""
        return fmean(self.accuracies)

    @property
    def spread(self) -> float | None:
        """The standard deviation of the test accuracy over the seeds; None for one seed."""
        return stdev(self.accuracies) if len(self.accuracies) > 1 else None

    @property
    def asymmetry(self) -> float:
        """The mean weight asymmetry over the synapses."""
        return fmean(self.weight_asymmetry.values())


@dataclass(frozen=True)
class Comparison:
    """A whole comparison, as `results.json` holds it."""

    spec: str
    cite: str | None
    data: str
    rows: tuple[Row, ...]
    settings: Settings
    seeds: tuple[int, ...]
    command: str
    machine: dict[str, str]
    seconds: dict[str, float]
