"""What a comparison found: the data that its table and its report are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Any

from hopgraph.bench.energy import EnergyTrace
from hopgraph.bench.statistics import Statistic
from hopgraph.bench.timing import Timing
from hopgraph.bench.variants import Sweep
from hopgraph.train.run import Epoch

ENERGY_INPUTS = 128
"""So many test inputs give the energy traces."""
LEDGER_INPUTS = 4
"""So many give the asymmetry of du/dg."""


@dataclass(frozen=True)
class Reason:
    """A reason of a certificate, with its position in the spec's text."""

    text: str
    position: str


@dataclass(frozen=True)
class Row:
    """What was found of one variant. `test` has the measured values by name, a record for each seed.

    `weight_asymmetry` is by synapse, the mean over seeds, `starts` what it was before training with each seed, `ledgers` the asymmetry
    of du/dg by block after it, with each. `end` is the end of a sweep that the variant is, `tied` or `own`. Bytes and timings are those
    of the first seed's bundle; a variant that was not exported has none.
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
    starts: tuple[dict[str, float], ...] = ()
    ledgers: tuple[tuple[float, ...], ...] = ()
    iso: str | None = None
    end: str | None = None

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

    @property
    def ledger(self) -> float | None:
        """The mean asymmetry of du/dg over blocks and seeds."""
        found = [value for ledger in self.ledgers for value in ledger]
        return fmean(found) if found else None

    def timing(self, runtime: str, batch: int) -> Timing | None:
        """The timing under a runtime at a batch size, if there is one."""
        return next((item for item in self.timings if (item.candidate.runtime, item.batch) == (runtime, batch)), None)


@dataclass(frozen=True)
class Comparison:
    """A whole comparison, as `results.json` holds it. `statistics` has a record for each variant, by the name of what is measured."""

    spec: str
    cite: str | None
    task: str
    data: str
    rows: tuple[Row, ...]
    recipe: dict[str, Any]
    seeds: tuple[int, ...]
    command: str
    machine: dict[str, str]
    seconds: dict[str, float]
    sweep: Sweep | None = None
    statistics: dict[str, tuple[Statistic, ...]] = field(default_factory=dict[str, tuple[Statistic, ...]])

    @property
    def measured(self) -> tuple[str, ...]:
        """The names of the measured values."""
        return tuple(self.rows[0].test[0])
