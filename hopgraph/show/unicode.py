"""Documents as Unicode text, for a terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hopgraph.show.document import Document, Equation, Equations, Item, Items, Paragraph, Prose
from hopgraph.show.expression import Formula, Symbol, Variable, Written
from hopgraph.show.notation import GREEK, Notation

MARKS = {"": "", "tilde": "\N{COMBINING TILDE}", "hat": "\N{COMBINING CIRCUMFLEX ACCENT}"}
WORDS = {"sqrt": "√", "sum": "Σ", "beta": "β", "eps": "ε"}
"""Words of a Lagrangian's plain formula that have a sign."""
WIDTH = 110


def _symbol(symbol: Symbol, indices: Sequence[str]) -> str:
    label = f"_{symbol.label}" if symbol.label else ""
    return GREEK.get(symbol.letter, symbol.letter) + MARKS[symbol.mark] + label + (f"[{','.join(indices)}]" if indices else "")


def _variable(variable: Variable) -> str:
    return ("δ" if variable.offset else "") + variable.axis + "′" * variable.primes  # noqa: RUF001 (a prime is meant)


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "−")  # noqa: RUF001 (a minus is meant)


def _formula(formula: Formula, state: str) -> str:
    return re.sub(r"\b[a-z]+\b", lambda word: WORDS.get(word[0], word[0]), formula.text).replace("@", state)


def _simple(text: str) -> str:
    return text if re.fullmatch(r"[\w.]*(\[[^\[\]]*\])?", text) else f"({text})"


def _written(written: Written) -> str:
    return written.text


NOTATION = Notation(
    symbol=_symbol,
    variable=_variable,
    axis=lambda name: name,
    number=_number,
    over=lambda names: f"Σ_{{{','.join(names)}}} ",
    fraction=lambda top, bottom: f"{_simple(top)} / {_simple(bottom)}",
    root=lambda body: f"√({body})",
    limited=lambda body: f"⟦{body}⟧",
    group=lambda body: f"({body})",
    bracket=lambda body: f"[{body}]",
    formula=_formula,
    written=_written,
    partial="∂",
    times=" ",
    minus="−",  # noqa: RUF001 (a minus is meant)
    at_most="≤",
    unequal="≠",
)


def unicode_text(document: Document) -> str:
    """The document as text."""
    lines = [document.title, *(_prose(part) for part in document.subtitle)]
    for section in document.sections:
        underline = ("=" if section.level == 1 else "-") * len(section.title)
        lines += ["", section.title, underline]
        for item in section.items:
            lines += _item(item)
    return "\n".join(lines)


def _item(item: Item) -> list[str]:
    match item:
        case Paragraph(prose):
            return [_prose(prose)]
        case Items(entries):
            return [f"- {_prose(entry)}" for entry in entries]
        case Equations(rows):
            return [line for row in rows for line in _equation(row)]


def _equation(row: Equation) -> list[str]:
    text = f" {row.sign} ".join(NOTATION.write(side) for side in row.sides)
    note = f"    ({row.note})" if row.note else ""
    if row.note and len(text) + len(note) > WIDTH:
        return [f"    {text}", f"        ({row.note})"]
    return [f"    {text}{note}"]


def _prose(prose: Prose) -> str:
    return "".join(part if isinstance(part, str) else NOTATION.write(part) for part in prose)
