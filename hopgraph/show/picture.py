"""The picture of a whole spec as SVG: encoder, blocks and readout from left to right, a legend and the certificate below."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from hopgraph.graph.ham import Ham
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.show import svg
from hopgraph.show.boxes import Words, end_words, kinds
from hopgraph.show.facts import certificates, title
from hopgraph.show.panel import Panel, panel
from hopgraph.show.svg import INDENT, Box

MARGIN, FLOW = 24.0, 40.0
"""Around the picture, and between its columns."""
LEAST = 840.0
"""The least width, for the legend and the certificate."""


@dataclass(frozen=True)
class Column:
    """Operations in a box, or a block; `spine` is the height at which the flow passes, from the top."""

    words: Words
    panel: Panel | None

    @property
    def width(self) -> float:
        """Its width."""
        return self.panel.width if self.panel else svg.extent(self.words)[0] + 28

    @property
    def height(self) -> float:
        """Its height."""
        return self.panel.height if self.panel else svg.extent(self.words)[1] + 20

    @property
    def spine(self) -> float:
        """Where the flow passes."""
        return self.panel.spine if self.panel else self.height / 2


def picture(spec: CheckedSpec) -> str:
    """The SVG file of a spec."""
    columns = _columns(spec)
    spine = max(column.spine for column in columns)
    body = spine + max(column.height - column.spine for column in columns)
    inner = sum(column.width for column in columns) + FLOW * (len(columns) - 1)
    width = max(inner, LEAST) + 2 * MARGIN
    top = MARGIN + 34
    parts = [svg.text(title(spec), MARGIN, MARGIN + 8, "bold", "start")]
    parts += _row(columns, (width - inner) / 2, top, spine)
    parts += _legend(spec.ham, MARGIN, top + body + 34)
    lines = _certificate(spec, int((width - 2 * MARGIN) / (svg.SMALL * svg.ADVANCE)))
    y = top + body + 66
    for line, kind in lines:
        parts.append(svg.text(line, MARGIN, y, kind, "start"))
        y += svg.line_height(kind)
    return svg.document(width, y + MARGIN - 8, title(spec), parts)


def _columns(spec: CheckedSpec) -> list[Column]:
    ham = spec.ham
    found = [Column(end_words("encoder" if ham.encoder else "input", ham.encoder, ham.input.axes), None)]
    for number, stage in enumerate(ham.stages):
        if stage.down:
            found.append(Column(end_words("down", stage.down, stage.down[0].source), None))
        found.append(Column([], panel(stage.block, f"stage {number + 1}" if len(ham.stages) > 1 else "block")))
    given = ham.readout[0].source if ham.readout else ham.output
    return [*found, Column(end_words("readout" if ham.readout else "output", ham.readout, given), None)]


def _row(columns: list[Column], left: float, top: float, spine: float) -> list[str]:
    """The columns with the flow between them."""
    parts: list[str] = []
    x, y = left, top + spine
    for number, column in enumerate(columns):
        if number:
            end = x + (column.panel.entry if column.panel else 0)
            path = f"M{svg.number(x - FLOW)} {svg.number(y)} H{svg.number(end - 6)}"
            flow = [svg.element("path", d=path, class_="line flow"), svg.head(end, y, (1.0, 0.0), "flow")]
        else:
            flow = []
        parts += [*_column(column, x, y - column.spine), *flow]
        x += column.width + FLOW
    return parts


def _column(column: Column, x: float, y: float) -> list[str]:
    if column.panel is not None:
        return [svg.element("g", *column.panel.parts, transform=f"translate({svg.number(x)} {svg.number(y)})")]
    box = Box(x + column.width / 2, y + column.height / 2, column.width, column.height)
    return [svg.rectangle(box, "end"), *svg.lines(column.words, box)]


# --- below ------------------------------------------------------------------------------------------------------------


def _legend(ham: Ham, left: float, y: float) -> list[str]:
    """What the lines and boxes mean, those that there are."""
    parts: list[str] = []
    x = left
    lines, speeds = kinds(ham)
    for kind in lines:
        heads, words = {"tied": (2, kind), "off": (0, "read only (off)")}.get(kind, (1, kind))
        path = f"M{svg.number(x + (6 if heads == 2 else 0))} {svg.number(y)} H{svg.number(x + 34 - (6 if heads else 0))}"
        parts.append(svg.element("path", d=path, class_=f"line {kind}"))
        parts += [svg.head(x + 34, y, (1.0, 0.0), kind)] if heads else []
        parts += [svg.head(x, y, (-1.0, 0.0), kind)] if heads == 2 else []
        parts.append(svg.text(words, x + 42, y, "small", "start"))
        x += 42 + svg.width_of(words, svg.SMALL) + 24
    for kind in speeds:
        parts += [svg.rectangle(Box(x + 12, y, 24, 14), f"{kind} sample", 3), svg.text(kind, x + 32, y, "small", "start")]
        x += 32 + svg.width_of(kind, svg.SMALL) + 24
    return parts


def _certificate(spec: CheckedSpec, signs: int) -> Words:
    """The certificates with their reasons, in lines of so many signs."""
    words: Words = []
    for stages, certificate, reasons in certificates(spec):
        of = f", {stages}" if stages else ""
        about = f", of {certificate.energy}" if certificate.has_energy else ""
        words.append((f"certificate{of}: {certificate}{about}", "plain"))
        for reason in reasons:
            words += [(line, "small") for line in textwrap.wrap(reason, signs, initial_indent="- ", subsequent_indent=INDENT)]
    return words
