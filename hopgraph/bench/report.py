"""`report.html`: one self-contained page with the table, the training curves and the energy along the unrolled steps."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

import jinja2
import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hopgraph.bench.results import ENERGY_INPUTS, Comparison, Row
from hopgraph.bench.table import comparison_table
from hopgraph.train.run import Epoch, words
from hopgraph.version import __version__

COLORS = ("#0072b2", "#e69f00", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#999999")
"""Okabe and Ito's colors, told apart by readers of every kind of color vision."""

TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ c.spec }} on {{ c.data }}: {{ c.rows | map(attribute="variant") | join(", ") }}</title>
<style>
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --paper: #ffffff; --card: #f6f8fa; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9aa4af; --line: #30363d; --paper: #0d1117; --card: #161b22; }
  figure svg { filter: invert(0.9) hue-rotate(180deg); }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1rem 4rem; max-width: 76rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 0.3rem; } h2 { font-size: 1.15rem; margin: 2.4rem 0 0.6rem; }
p, li { max-width: 46rem; } .soft { color: var(--soft); }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-size: 0.86rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.5rem 0.7rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); min-width: 6.5rem; }
tbody tr:last-child td { border-bottom: 0; } th { background: var(--card); font-weight: 600; } td:first-child { font-weight: 600; }
figure { margin: 0; } figure svg { width: 100%; height: auto; display: block; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: 1.2rem; }
code { background: var(--card); padding: 0.1em 0.35em; border-radius: 4px; font-size: 0.88em; overflow-wrap: anywhere; }
</style>
</head>
<body>
<h1>{{ c.spec }} on {{ c.data }}</h1>
<p class="soft">{% if c.cite %}{{ c.cite }}. {% endif %}{{ c.seeds | length }} seed{{ "s" if c.seeds | length != 1 }},
{{ c.settings.epochs }} epochs each.
{{ c.machine.date }}, {{ c.machine.processor }}, {{ c.machine.threads }} threads, torch {{ c.machine.torch }}, hopgraph {{ version }}.</p>
<div class="scroll"><table>
<thead><tr>{% for column in table.columns %}<th scope="col">{{ column }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in table.rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody>
</table></div>
<p class="soft">Ratios are to {{ c.rows[0].variant }}. Test values ({{ c.task }}):
mean{% if c.seeds | length > 1 %} and standard deviation{% endif %} over seeds, after the last epoch.
Times: the median of one call and examples per second, each candidate in its own process, rounds
interleaved; "no difference" where the 95% bootstrap interval of the ratio holds 1. Weight asymmetry: |W_back - W_forth| /
(|W_back| + |W_forth|), the mean over synapses: 0 for tied weights, about 0.71 for independent ones.</p>

<h2>Training</h2>
<div class="plots">{% for plot in curves %}<figure>{{ plot }}</figure>{% endfor %}</div>

<h2>Energy along the unrolled steps</h2>
<figure>{{ energy }}</figure>
<p>Each block has its own energy. The picture shows how far a block's own update moves it, relative to its size on entry, as the mean
over {{ inputs }} test inputs. Solid: the energy of the model's own dynamics. Dashed: the energy of the base weights, as if every
pull were tied; nothing makes these updates descend it.
{% for row in c.rows if row.energy.reason %}<b>{{ row.variant }}</b> is not shown: {{ row.energy.reason }}. {% endfor %}</p>

<h2>Certificates</h2>
{% for row in c.rows %}<p><b>{{ row.variant }}</b>: {{ row.certificate }}{% if row.reasons %}, because{% endif %}</p>
{% if row.reasons %}<ul>{% for reason in row.reasons %}<li>{{ reason.text }} <span class="soft">({{ reason.position }})</span></li>
{% endfor %}</ul>{% endif %}{% endfor %}

<h2>To repeat this</h2>
<p><code>{{ c.command }}</code></p>
<p class="soft">{% for what, time in c.seconds.items() -%}
{{ what }} {{ "%.0f" | format(time) }} s{{ ", " if not loop.last }}{% endfor %}.</p>
</body>
</html>
"""


def render(comparison: Comparison) -> str:
    """The page."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    curves = [_curves(comparison.rows, f"test {words(name)}", _tested(name)) for name in comparison.measured]
    curves.append(_curves(comparison.rows, "training loss", lambda epoch: epoch.loss, log=True))
    if all(row.weight_asymmetry for row in comparison.rows):
        curves.append(_curves(comparison.rows, "weight asymmetry", lambda epoch: fmean(epoch.weight_asymmetry.values())))
    return environment.from_string(TEMPLATE).render(
        c=comparison,
        table=comparison_table(comparison),
        curves=curves,
        energy=_energy(comparison.rows),
        inputs=ENERGY_INPUTS,
        version=__version__,
    )


def _tested(name: str) -> Callable[[Epoch], float]:
    return lambda epoch: epoch.test[name]


def _curves(rows: Sequence[Row], title: str, value: Callable[[Epoch], float], log: bool = False) -> Markup:
    """One line a variant: the mean over seeds by epoch, and the range over seeds as a band."""
    figure, axes = _figure(title, "epoch", (5.2, 3.4))
    for row, color in zip(rows, _colors(rows), strict=True):
        by_epoch = [[value(epoch) for epoch in epochs] for epochs in zip(*row.histories, strict=True)]
        epochs = range(1, len(by_epoch) + 1)
        axes.plot(epochs, [fmean(values) for values in by_epoch], color=color, label=row.variant, linewidth=1.8)
        axes.fill_between(epochs, [min(v) for v in by_epoch], [max(v) for v in by_epoch], color=color, alpha=0.18, linewidth=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if log:
        axes.set_yscale("log")
    axes.legend(frameon=False)
    return _svg(figure, title)


def _energy(rows: Sequence[Row]) -> Markup:
    title = "change of each block's energy"
    figure, axes = _figure(title, "unrolled step", (10.4, 3.4))
    axes.axhline(0, color="#888888", linewidth=0.8)
    for row, color in zip(rows, _colors(rows), strict=True):
        position = 0
        for block in row.energy.blocks:
            label = row.variant if position == 0 else None
            style = "-" if row.energy.descended else "--"
            steps = range(position, position + len(block))
            axes.plot(steps, block, style, marker="o", markersize=4, color=color, linewidth=1.8, label=label)
            position += len(block)
    traced = [row.energy.blocks for row in rows if row.energy.blocks]
    lengths = [len(block) for block in traced[0]] if traced else []
    starts = [sum(lengths[:index]) for index in range(len(lengths))]
    axes.set_xticks(starts, [f"block {index}" for index in range(len(lengths))])
    if traced:
        axes.legend(frameon=False)
    return _svg(figure, title)


def _colors(rows: Sequence[Row]) -> list[str]:
    return [COLORS[index % len(COLORS)] for index in range(len(rows))]


def _figure(title: str, horizontal: str, size: tuple[float, float]) -> tuple[Figure, Any]:
    figure = Figure(figsize=size, layout="constrained")
    axes: Any = figure.add_subplot()
    axes.set_title(title, fontsize=11, loc="left")
    axes.set_xlabel(horizontal)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    return figure, axes


def _svg(figure: Figure, title: str) -> Markup:
    """The figure as an SVG element; the same figure gives the same text."""
    stream = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": title, "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Title": title}, transparent=True)
    text = stream.getvalue()
    return Markup(text[text.index("<svg") :])  # noqa: S704 (matplotlib's own drawing; labels are escaped by it)
