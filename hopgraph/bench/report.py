"""`report.html`: one self-contained page with the table, the plots, the certificates, and what repeats it all."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import jinja2
import yaml
from markupsafe import Markup

from hopgraph.bench import plots
from hopgraph.bench.page import STYLE, TEMPLATE
from hopgraph.bench.results import ENERGY_INPUTS, LEDGER_INPUTS, Comparison, Row
from hopgraph.bench.table import comparison_table
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.show import show
from hopgraph.train.run import words


@dataclass(frozen=True)
class Shown:
    """The equations of a spec as text, and its picture as an image's address: inside the page its style would be every picture's."""

    label: str
    equations: str
    picture: str

    @staticmethod
    def of(label: str, spec: CheckedSpec) -> Shown:
        """Of a checked spec."""
        picture = base64.b64encode(show(spec, "svg").encode()).decode()
        return Shown(label, show(spec, "unicode"), f"data:image/svg+xml;base64,{picture}")


def shown(comparison: Comparison, specs: Mapping[str, CheckedSpec]) -> list[Shown]:
    """What is shown of the specs: each once, and of a sweep the first value alone, since the others differ by a number."""
    others = comparison.sweep.labels[1:] if comparison.sweep else ()
    return [Shown.of(label, spec) for label, spec in specs.items() if label not in others]


def render(comparison: Comparison, shows: Sequence[Shown]) -> str:
    """The page."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string(TEMPLATE).render(
        c=comparison,
        style=STYLE,
        table=comparison_table(comparison),
        timed=any(row.timings for row in comparison.rows),
        sweep=_sweep(comparison) if comparison.sweep else [],
        ends=[row for row in comparison.rows if row.end],
        parameters=_parameters(comparison),
        curves=_curves(comparison),
        asymmetries=_asymmetries(comparison),
        energy_depth=plots.energy_depth(comparison),
        energy_steps=plots.energy_steps(comparison),
        shows=shows,
        recipe=yaml.safe_dump(comparison.recipe, sort_keys=False),
        inputs=ENERGY_INPUTS,
        ledger_inputs=LEDGER_INPUTS,
    )


def _curves(comparison: Comparison) -> list[Markup]:
    found = [plots.curves(comparison, f"test {words(name)}", plots.tested(name)) for name in comparison.measured]
    return [*found, plots.curves(comparison, "training loss", plots.loss, log=True)]


def _asymmetries(comparison: Comparison) -> list[Markup]:
    synapses = dict.fromkeys(name for row in comparison.rows for name in row.weight_asymmetry)
    return [plots.curves(comparison, f"weight asymmetry of {name}", plots.asymmetry(name)) for name in synapses]


def _parameters(comparison: Comparison) -> list[Markup]:
    if not any(row.iso for row in comparison.rows):
        return []
    return [plots.by_parameters(comparison, name) for name in comparison.measured]


def _sweep(comparison: Comparison) -> list[Markup]:
    found = [plots.swept(comparison, f"test {words(name)} along the sweep", _final(name)) for name in comparison.measured]
    found.append(plots.swept(comparison, "weight asymmetry along the sweep", _weights))
    found.append(plots.swept(comparison, "asymmetry of du/dg along the sweep", _ledger))
    return found


def _final(name: str) -> Callable[[Row], Sequence[float]]:
    return lambda row: [test[name] for test in row.test]


def _weights(row: Row) -> Sequence[float]:
    found = [history[-1].weight_asymmetry.values() for history in row.histories]
    return [fmean(values) for values in found if values]


def _ledger(row: Row) -> Sequence[float]:
    return [fmean(ledger) for ledger in row.ledgers if ledger]
