"""The picture of a benchmark: the time of a call of every candidate, a panel for each batch size."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from hopgraph.bench.bench_table import ratio_text, seconds_text
from hopgraph.bench.timing import Timing

DOT, LINE = "#0072b2", "#56b4e9"
ROW, HEAD, WIDTH = 0.34, 0.9, 9.0
"""Inches: a row of a panel, what a panel has beside its rows, the whole picture."""


def latency_svg(timings: Sequence[Timing]) -> str:
    """An SVG document: the median of each candidate as a dot, a line from it to p90 and to p99 where there is one.

    The scale is logarithmic. The same timings give the same text.
    """
    by_batch = {batch: [item for item in timings if item.batch == batch] for batch in dict.fromkeys(item.batch for item in timings)}
    heights = [HEAD + ROW * len(items) for items in by_batch.values()]
    figure = Figure(figsize=(WIDTH, max(HEAD, sum(heights))), layout="constrained")
    if not by_batch:
        figure.suptitle("nothing could be measured")
        return _document(figure)
    panels: Any = figure.subplots(len(by_batch), squeeze=False, height_ratios=heights)
    for panel, (batch, items) in zip(panels[:, 0], by_batch.items(), strict=True):
        _draw(panel, batch, items)
    return _document(figure)


def _draw(axes: Any, batch: int, items: Sequence[Timing]) -> None:
    """One panel, the first candidate on top."""
    axes.set_title(f"batch {batch}: the time of a call, median to p90 and p99", fontsize=10, loc="left")
    places = range(len(items))
    axes.hlines(places, [item.median for item in items], [item.p99 or item.p90 for item in items], color=LINE, linewidth=1)
    axes.hlines(places, [item.median for item in items], [item.p90 for item in items], color=LINE, linewidth=4)
    axes.plot([item.median for item in items], places, "o", color=DOT)
    for place, item in enumerate(items):
        axes.annotate(
            f"{seconds_text(item.median)}, {ratio_text(item)}", (item.median, place), (0, 6), textcoords="offset points", fontsize=7
        )
    axes.set_yticks(places, [_name(item) for item in items], fontsize=8)
    axes.set_ylim(len(items) - 0.4, -0.8)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(_tick)
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)


def _tick(value: float, place: int) -> str:
    return seconds_text(value)


def _name(item: Timing) -> str:
    return "\n".join((item.candidate.bundle, f"{item.candidate.runtime} {item.candidate.dtype}"))


def _document(figure: Figure) -> str:
    stream = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "latency", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Title": "latency"})
    return stream.getvalue()
