"""A document of prose and equations, before it is LaTeX or Unicode."""

from __future__ import annotations

from dataclasses import dataclass

from hopgraph.show.expression import Expression

Prose = tuple[str | Expression, ...]
"""Plain text with expressions between."""


@dataclass(frozen=True)
class Equation:
    """Sides that are equal, or a new value and what it becomes (`←`); `note` is a remark in plain text."""

    sides: tuple[Expression, ...]
    note: str = ""
    sign: str = "="


@dataclass(frozen=True)
class Equations:
    """Equations below each other."""

    rows: tuple[Equation, ...]


@dataclass(frozen=True)
class Paragraph:
    """Some prose."""

    prose: Prose


@dataclass(frozen=True)
class Items:
    """A list."""

    entries: tuple[Prose, ...]


Item = Equations | Paragraph | Items


@dataclass(frozen=True)
class Section:
    """A title and what stands below; level 1 is a stage, 2 a part of it."""

    title: str
    items: tuple[Item, ...]
    level: int = 2


@dataclass(frozen=True)
class Document:
    """A whole document."""

    title: str
    subtitle: tuple[Prose, ...]
    sections: tuple[Section, ...]
