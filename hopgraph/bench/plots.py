"""The pictures of a report, each one SVG element."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, cast

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hopgraph.bench.results import Comparison, Row
from hopgraph.bench.statistics import interval
from hopgraph.bench.variants import ISO, Sweep
from hopgraph.train.run import words

COLORS = ("#0072b2", "#e69f00", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#999999")
"""Okabe and Ito's colors, told apart by readers of every kind of color vision: for variants by name."""
SWEPT = "viridis"
"""The color map of a sweep's values."""
SIZE = (5.2, 3.4)
MOST_IN_LEGEND = 8


@dataclass(frozen=True)
class Style:
    """How a variant is drawn: at equal parameters like at equal width, but dotted."""

    color: str
    line: str


def styles(comparison: Comparison) -> dict[str, Style]:
    """The style of each variant by its label."""
    swept = comparison.sweep.labels if comparison.sweep else ()
    found: dict[str, Style] = {}
    named = 0
    for row in comparison.rows:
        twin = found.get(row.variant.removesuffix(ISO))
        if row.variant.endswith(ISO) and twin:
            found[row.variant] = Style(twin.color, ":")
        elif row.variant in swept:
            share = swept.index(row.variant) / max(1, len(swept) - 1)
            found[row.variant] = Style(to_hex(cast("Any", mpl.colormaps[SWEPT])(0.9 * share)), "-")
        else:
            found[row.variant] = Style(COLORS[named % len(COLORS)], "-")
            named += 1
    return found


Points = dict[int, list[float]]
"""By epoch, a value for each seed."""


def curves(comparison: Comparison, title: str, points: Callable[[Row], Points], log: bool = False) -> Markup:
    """One line a variant: the mean over seeds by epoch, and the range over seeds as a band."""
    figure, axes = _figure(title, "epoch")
    for row in comparison.rows:
        by_epoch = points(row)
        if by_epoch:
            style = styles(comparison)[row.variant]
            axes.plot([*by_epoch], [fmean(v) for v in by_epoch.values()], style.line, color=style.color, label=row.variant, linewidth=1.8)
            low, high = [min(v) for v in by_epoch.values()], [max(v) for v in by_epoch.values()]
            axes.fill_between([*by_epoch], low, high, color=style.color, alpha=0.14, linewidth=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if log:
        axes.set_yscale("log")
    _legend(axes, len(comparison.rows))
    return _svg(figure, title)


def tested(name: str) -> Callable[[Row], Points]:
    """A measured value by epoch, where the test was run."""
    return lambda row: {
        number: [epoch.test[name] for epoch in epochs] for number, epochs in _epochs(row) if all(name in epoch.test for epoch in epochs)
    }


def loss(row: Row) -> Points:
    """The training loss by epoch."""
    return {number: [epoch.loss for epoch in epochs] for number, epochs in _epochs(row)}


def asymmetry(synapse: str) -> Callable[[Row], Points]:
    """The weight asymmetry of a synapse, from the weights that training begins with, as epoch 0."""

    def points(row: Row) -> Points:
        start = {0: [given[synapse] for given in row.starts]} if all(synapse in given for given in row.starts) and row.starts else {}
        trained = {
            number: [epoch.weight_asymmetry[synapse] for epoch in epochs]
            for number, epochs in _epochs(row)
            if all(synapse in epoch.weight_asymmetry for epoch in epochs)
        }
        return {**start, **trained}

    return points


def _epochs(row: Row) -> list[tuple[int, tuple[Any, ...]]]:
    return list(enumerate(zip(*row.histories, strict=True), 1))


# --- a sweep ----------------------------------------------------------------------------------------------------------


def swept(comparison: Comparison, title: str, values: Callable[[Row], Sequence[float]]) -> Markup:
    """A value against the sweep: mean and 95% interval over seeds, every seed a dot. The ends stand apart; others are lines across."""
    sweep = comparison.sweep
    assert sweep is not None
    figure, axes = _figure(title, sweep.path)
    places, ticks = _places(sweep, comparison)
    line: list[tuple[float, float]] = []
    for row in comparison.rows:
        style, found = styles(comparison)[row.variant], values(row)
        if not found:
            continue
        if row.variant not in places:
            axes.axhline(fmean(found), linestyle="--", color=style.color, label=row.variant, linewidth=1.2)
            continue
        place, over = places[row.variant], interval(found)
        line.append((place, over.mean))
        half = 0.0 if over.low is None else over.mean - over.low
        label = None if row.variant in sweep.labels else row.variant
        axes.errorbar([place], [over.mean], [half], fmt="o", color=style.color, markersize=6, capsize=3, linewidth=1.4, label=label)
        axes.plot([place] * len(found), found, ".", color=style.color, alpha=0.45, markersize=5)
    line.sort()
    axes.plot([x for x, _ in line], [y for _, y in line], color="#888888", linewidth=1, zorder=0)
    axes.set_xticks([*ticks], [*ticks.values()])
    if len(line) < len(comparison.rows) or any(row.end for row in comparison.rows):
        _legend(axes, len(comparison.rows))
    return _svg(figure, title)


def _places(sweep: Sweep, comparison: Comparison) -> tuple[dict[str, float], dict[float, str]]:
    """Where variants stand on the axis, and its ticks: logarithms of positive values, 0 a step to the left, infinity one to the right."""
    ends = {row.variant: row.end for row in comparison.rows if row.end}
    if sweep.numbers is None:
        places = {label: float(index) for index, label in enumerate(sweep.labels)}
        return places, dict(zip(places.values(), sweep.values, strict=True))
    logs = [math.log10(value) for value in sweep.numbers if value > 0] or [0.0]
    step = max(1.0, (max(logs) - min(logs)) / 6)
    zero, infinity = min(logs) - step, max(logs) + step
    places = {label: math.log10(value) if value > 0 else zero for label, value in zip(sweep.labels, sweep.numbers, strict=True)}
    ticks = {places[label]: value for label, value in zip(sweep.labels, sweep.values, strict=True)}
    for label, end in ends.items():
        places[label] = infinity if end == "tied" else zero - 0.12 * step  # beside lambda 0, which is the same in other coordinates
        ticks |= {infinity: "∞"} if end == "tied" else {zero: "0"}
    return places, dict(sorted(ticks.items()))


def by_parameters(comparison: Comparison, name: str) -> Markup:
    """A measured value against the number of parameters: mean and 95% interval over seeds."""
    title = f"test {words(name)} by parameters"
    figure, axes = _figure(title, "parameters")
    for row in comparison.rows:
        style, over = styles(comparison)[row.variant], interval([test[name] for test in row.test])
        half = 0.0 if over.low is None else over.mean - over.low
        face = "none" if row.variant.endswith(ISO) else style.color
        axes.errorbar([row.parameters], [over.mean], [half], fmt="o", color=style.color, mfc=face, capsize=3, label=row.variant)
    _legend(axes, len(comparison.rows))
    return _svg(figure, title)


# --- energy -----------------------------------------------------------------------------------------------------------


def energy_steps(comparison: Comparison) -> Markup:
    """How far each block's updates move its energy, along the unrolled steps of all blocks."""
    title = "change of each block's energy"
    figure, axes = _figure(title, "unrolled step", (10.4, 3.4))
    axes.axhline(0, color="#888888", linewidth=0.8)
    for row in comparison.rows:
        position = 0
        for block in row.energy.blocks:
            steps = range(position, position + len(block))
            axes.plot(steps, block, marker="o", **_drawn(comparison, row, position == 0))
            position += len(block)
    traced = [row.energy.blocks for row in comparison.rows if row.energy.blocks]
    lengths = [len(block) for block in traced[0]] if traced else []
    starts = [sum(lengths[:index]) for index in range(len(lengths))]
    axes.set_xticks(starts, [f"block {index}" for index in range(len(lengths))])
    if lengths:
        _legend(axes, len(comparison.rows))
    return _svg(figure, title)


def energy_depth(comparison: Comparison) -> Markup:
    """The energy of each block at its input (a circle) and at its output (a dot), joined."""
    title = "energy along depth"
    figure, axes = _figure(title, "block", (10.4, 3.4))
    blocks = 0
    for row in comparison.rows:
        for index, (entry, end) in enumerate(row.energy.depth):
            drawn = _drawn(comparison, row, index == 0)
            axes.plot([index, index + 0.8], [entry, end], **drawn)
            axes.plot([index], [entry], "o", color=drawn["color"], mfc="none", markersize=5)
            axes.plot([index + 0.8], [end], "o", color=drawn["color"], markersize=4)
            blocks = max(blocks, index + 1)
    axes.set_xticks(range(blocks), [f"block {index}" for index in range(blocks)])
    if blocks:
        _legend(axes, len(comparison.rows))
    return _svg(figure, title)


def _drawn(comparison: Comparison, row: Row, first: bool) -> dict[str, Any]:
    style = styles(comparison)[row.variant]
    line = style.line if row.energy.descended else "--"
    return {"linestyle": line, "color": style.color, "markersize": 4, "linewidth": 1.8, "label": row.variant if first else None}


# --- drawing ----------------------------------------------------------------------------------------------------------


def _figure(title: str, horizontal: str, size: tuple[float, float] = SIZE) -> tuple[Figure, Any]:
    figure = Figure(figsize=size, layout="constrained")
    axes: Any = figure.add_subplot()
    axes.set_title(title, fontsize=11, loc="left")
    axes.set_xlabel(horizontal)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    return figure, axes


def _legend(axes: Any, count: int) -> None:
    """Inside the axes where it is short, beside them where it is long."""
    handles, labels = axes.get_legend_handles_labels()
    if handles and count <= MOST_IN_LEGEND:
        axes.legend(handles, labels, frameon=False)
    elif handles:
        axes.legend(handles, labels, frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _svg(figure: Figure, title: str) -> Markup:
    """The figure as an SVG element; the same figure gives the same text."""
    stream = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": title, "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Title": title}, transparent=True)
    text = stream.getvalue()
    return Markup(text[text.index("<svg") :])  # noqa: S704 (matplotlib's own drawing; labels are escaped by it)
