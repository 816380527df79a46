"""Numbers as people write them, one row a line, parted by commas, semicolons or spaces. Every mistake has its line and column."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from hopgraph.errors import Findings, Source, Span

MOST_FOUND = 10
"""How many mistakes of one file are reported: a file of another kind has one in every cell."""


def read_numbers(source: Source, findings: Findings) -> list[list[float]]:
    """The rows of a text, all of one length; empty lines are passed over. Mistakes go to `findings`, the first MOST_FOUND."""
    rows: list[list[float]] = []
    first = 0
    for number, line in enumerate(source.lines, 1):
        if not line.strip() or len(findings.found) >= MOST_FOUND:
            continue
        before, first = len(findings.found), first or number
        row = _row(source, number, line, findings)
        if rows and len(row) != len(rows[0]) and len(findings.found) == before:
            message = f"line {number} has {_count(len(row))}, and line {first} has {_count(len(rows[0]))}"
            findings.add("patterns", message, Span(source, number, 1, len(line)), helps=["give every pattern as many numbers"])
        rows.append(row)
    return rows


def _row(source: Source, number: int, line: str, findings: Findings) -> list[float]:
    row: list[float] = []
    for text, offset in _cells(line):
        row.append(_number(text))
        if math.isfinite(row[-1]) or len(findings.found) >= MOST_FOUND:
            continue
        span = Span(source, number, offset + 1, max(1, len(text)))
        if not text:
            findings.add("patterns", "a number is missing between two separators, or at an end", span)
        elif _is_number(text):
            findings.add("patterns", f"`{text}` is not a finite number", span)
        else:
            helps = ["remove the headings: a file of patterns has numbers alone"] if number == 1 else []
            findings.add("patterns", f"`{text}` is not a number", span, helps=helps)
    return row


def _cells(line: str) -> Iterator[tuple[str, int]]:
    """The cells of a line with the places where their texts start."""
    separator = "," if "," in line else ";" if ";" in line else None
    if separator is None:
        yield from ((match.group(), match.start()) for match in re.finditer(r"\S+", line))
        return
    start = 0
    for cell in line.split(separator):
        yield cell.strip(), start + len(cell) - len(cell.lstrip())
        start += len(cell) + 1


def _number(text: str) -> float:
    """The number, or NaN where it is none."""
    return float(text) if _is_number(text) else math.nan


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text and text.isascii()


def _count(numbers: int) -> str:
    return f"{numbers} number{'' if numbers == 1 else 's'}"
