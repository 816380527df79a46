"""The page of a spec: what its template is given.

The graph is inline SVG, the equations are MathML, the template is `page.html` with `page.css` and
`page.js`. Without the script all of it is there to be read, one part below the other; with it a click on a layer or a synapse shows
that one's panel alone. A policy in the head keeps browsers from loading anything and from running any script but this one.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import partial
from importlib.resources import files

import jinja2
from markupsafe import Markup

from hopgraph.graph.certificate import Verdict
from hopgraph.graph.ham import EndOp
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.show import svg
from hopgraph.show.boxes import kinds
from hopgraph.show.document import Document, Equations, Item, Items, Section
from hopgraph.show.equations import equations
from hopgraph.show.facts import certificates, facts, sizes
from hopgraph.show.page.accounts import Sizes, repetition
from hopgraph.show.page.code import highlighted
from hopgraph.show.page.graph import graph
from hopgraph.show.page.mathml import Mathematics, notation_of, words
from hopgraph.show.page.panels import StagePanels

VERDICTS = {
    Verdict.GUARANTEED: "No update raises the energy at the step that the spec has.",
    Verdict.CONTINUOUS_TIME: "The energy falls along the continuous dynamics. Nothing is said of a finite step.",
    Verdict.SMALL_STEP: "The energy falls for a small enough step, which need not be the step that the spec has.",
    Verdict.SPLITTING: "Each group of pulls descends its own part of the energy. Their total may rise.",
    Verdict.NONE: "There is no energy that these updates descend, or nothing keeps it from rising.",
}
"""What each verdict means."""


@dataclass(frozen=True)
class Station:
    """Something that data goes through on its way: its name, its size after it, and whether it is a stage of blocks."""

    name: str
    size: str
    anchor: str = ""


@dataclass(frozen=True)
class Chapter:
    """The equations of one stage; `title` is empty where there is one stage alone."""

    title: str
    sections: tuple[Section, ...]


def page(spec: CheckedSpec, code: str) -> str:
    """The page of a spec; `code` is the PyTorch module that it compiles to."""
    document = equations(spec)
    mathematics = Mathematics(notation_of(document))
    measured = Sizes(spec)
    script = _file("page.js")
    lines, speeds = kinds(spec.ham)
    return _template().render(
        spec=spec,
        known=facts(spec),
        style=Markup(svg.STYLE + _file("page.css")),  # noqa: S704 (our own files)
        script=Markup(script),  # noqa: S704
        policy=policy(script),
        stations=_stations(spec),
        graphs=[(number, graph(stage.block, number, _name(spec, number))) for number, stage in enumerate(spec.ham.stages)],
        panels=[panel for number in range(len(spec.ham.stages)) for panel in StagePanels(measured, number, mathematics).panels()],
        chapters=_chapters(document),
        rendered=partial(_rendered, mathematics),
        certificates=[
            (stages, known, VERDICTS[known.verdict], [_placed(line) for line in lines]) for stages, known, lines in certificates(spec)
        ],
        words=words,
        lines=lines,
        speeds=speeds,
        sizes=measured,
        tensors=list(measured.tensors()),
        repetitions=[text for number in range(len(spec.ham.stages)) if (text := repetition(spec.ham, number))],
        code=highlighted(code),
    )


def policy(script: str) -> str:
    """The content security policy: nothing is loaded, and the one script that runs is this one."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _file(name: str) -> str:
    return (files("hopgraph") / "show" / "page" / name).read_text(encoding="utf-8")


def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_file("page.html"))


def _name(spec: CheckedSpec, stage: int) -> str:
    return f"stage {stage + 1}" if len(spec.ham.stages) > 1 else "block"


def _stations(spec: CheckedSpec) -> list[Station]:
    """The way of the data, from the input to the output."""
    ham = spec.ham
    found = [Station(ham.input.kind, sizes(ham.input.axes)), *map(_station, ham.encoder)]
    for number, stage in enumerate(ham.stages):
        exit_layer = stage.block.layer(stage.block.exit)
        times = repetition(ham, number)
        name = times or "block" if len(ham.stages) == 1 else _name(spec, number) + (f", {times}" if times else "")
        size = sizes({axis: stage.block.axes[axis] for axis in exit_layer.axes})
        found += [*map(_station, stage.down), Station(name, size, f"graph-{number + 1}")]
    return [*found, *map(_station, ham.readout)]


def _station(end: EndOp) -> Station:
    return Station(end.kind, sizes(end.target))


def _placed(line: str) -> tuple[str, str]:
    """A reason and its place in the file."""
    text, _, place = line.rpartition(" (")
    return text, place.removesuffix(")")


def _chapters(document: Document) -> list[Chapter]:
    """The document by stages. The certificate has a place of its own in the page."""
    found: list[Chapter] = []
    for section in document.sections:
        if section.level == 1 or not found:
            found.append(Chapter(section.title if section.level == 1 else "", ()))
        if section.level == 1 and not section.items:
            continue
        if section.title != "Certificate":
            shown = Section("Before the block", section.items) if section.level == 1 else section
            found[-1] = Chapter(found[-1].title, (*found[-1].sections, shown))
    return found


def _rendered(mathematics: Mathematics, item: Item) -> Markup:
    """Some prose, a list or equations."""
    if isinstance(item, Equations):
        return Markup("\n").join(mathematics.equation(row) for row in item.rows)
    if isinstance(item, Items):
        entries = Markup("").join(Markup("<li>{}</li>").format(mathematics.prose(entry)) for entry in item.entries)
        return Markup("<ul>{}</ul>").format(entries)
    return Markup("<p>{}</p>").format(mathematics.prose(item.prose))
