"""Text as Markdown (CommonMark with tables): what is not ours is escaped, so that it reads as it is written and forms nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_SPECIAL = re.compile(r"[\\`*_\[\]<#~$&]")
BAR = r"\|"
"""How a cell writes the sign that ends it, in a code span too."""
_QUOTED = re.compile(r"`([^`]+)`")


def plain(text: str) -> str:
    """A text within a line, of which no sign forms Markdown or HTML."""
    return _SPECIAL.sub(r"\\\g<0>", _one_line(text))


def code(text: str) -> str:
    """A code span. Its fence is longer than any backticks within; nothing can be a span of nothing."""
    text = _one_line(text)
    if not text.strip():
        return "(empty)"
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    inside = f" {text} " if text[0] in "` " or text[-1] in "` " else text
    return f"{fence}{inside}{fence}"


def prose(text: str) -> str:
    """A sentence of the compiler's: what it quotes with backticks is code, the rest plain."""
    parts = _QUOTED.split(text)
    return "".join(code(part) if index % 2 else plain(part) for index, part in enumerate(parts))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    return "\n".join(_row(cells) for cells in (head, ["---"] * len(head), *rows))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', BAR) for cell in cells)} |"


def _one_line(text: str) -> str:
    """Line ends and what cannot be printed as spaces: either could end a cell, a span or the line."""
    return "".join(sign if sign.isprintable() else " " for sign in text)
