"""What a checked spec declares, for people: as text, equations, diagrams and plain data.

`show(spec, form)` gives any of :data:`FORMATS`; `facts.facts(spec)` is the data as such, and `facts.summary(spec)` the few of
them that `hopgraph check` prints. Each format is imported where it is asked for, since `check` needs none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hopgraph.passes.pipeline import CheckedSpec

FORMATS = ("text", "latex", "unicode", "mermaid", "svg", "json")
"""Every format by name."""


def show(spec: CheckedSpec, form: str = "text") -> str:
    """The spec in one of :data:`FORMATS`, with a line break at its end.

    `text` lists all that it declares and `json` is the same as data; `latex` and `unicode` write the energy and the update
    equations; `svg` and `mermaid` draw it.
    """
    assert form in FORMATS
    if form in ("latex", "unicode"):
        return _equations(spec, form)
    if form in ("svg", "mermaid"):
        return _drawing(spec, form)
    from hopgraph.show.facts import as_json, facts
    from hopgraph.show.text import text

    return as_json(spec) if form == "json" else text(facts(spec)) + "\n"


def _equations(spec: CheckedSpec, form: str) -> str:
    from hopgraph.show.equations import equations
    from hopgraph.show.latex import latex
    from hopgraph.show.unicode import unicode_text

    return latex(equations(spec)) if form == "latex" else unicode_text(equations(spec)) + "\n"


def _drawing(spec: CheckedSpec, form: str) -> str:
    from hopgraph.show.mermaid import mermaid
    from hopgraph.show.picture import picture

    return picture(spec) if form == "svg" else mermaid(spec)
