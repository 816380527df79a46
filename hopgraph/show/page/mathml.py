"""Prose and equations as HTML whose mathematics is MathML, which browsers render without any script.

The LaTeX printer writes an expression, and latex2mathml makes MathML of that. The terms of an equation are elements of their own,
so that a browser breaks a long one between them as it breaks a line of text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from latex2mathml.converter import convert
from markupsafe import Markup, escape

from hopgraph.show.document import Document, Equation, Prose
from hopgraph.show.expression import Expression, Negative, Total, Written
from hopgraph.show.latex import letters_of, notation
from hopgraph.show.notation import Notation

_NAME = re.compile(r"\\name\{((?:[^{}\\]|\\.)*)\}")
_LEANING = re.compile(r"\b([A-Z])\^\{(?=\\name)")
"""A capital with a name above: capitals lean over what follows, and browsers do not move it."""
_FUNCTION = re.compile(r"(\\(?:log|max))(?![a-z(])")
_ENTITY = re.compile(r"&#x([0-9A-F]{5});")
_HEAD = re.compile(r"^<math [^>]*>")
_OPEN, _CLOSE = r"\bigl(", r"\bigr)"
_SIGN = re.compile(r"\\(?:left|right)(?![a-z])|\\bigl\(|\\bigr\)|(?<!\\)[{}]| [+-] |\] \\, (?=\[)| \\, (?=\\sum)")
LONG = 60
"""How many characters of LaTeX a pair of parentheses may hold before a line may break inside it."""
SIGNS = {"←": r"\leftarrow"}


@lru_cache(maxsize=4096)
def mathml(latex: str) -> Markup:
    """Some LaTeX of ours as one MathML element."""
    text = _LEANING.sub(r"\1^{\\, ", latex)
    text = _NAME.sub(lambda name: rf"\text{{{name[1].replace(chr(92), '')}}}", text)
    text = _FUNCTION.sub(r"\\, \1 \\, ", text)
    written = _ENTITY.sub(_sign, convert(text, display="block"))
    return Markup(_HEAD.sub('<math displaystyle="true">', written))  # noqa: S704 (latex2mathml escapes what it writes)


def _sign(entity: re.Match[str]) -> str:
    """A sign in place of its number, except where it has a meaning in HTML."""
    sign = chr(int(entity[1], 16))
    return entity[0] if sign in "<>&\"'" else sign


class Mathematics:
    """Writes expressions in the LaTeX of one document."""

    def __init__(self, notation: Notation) -> None:
        self.notation = notation

    def expression(self, expression: Expression) -> Markup:
        """An expression as one element."""
        return mathml(self.notation.write(expression))

    def equation(self, row: Equation) -> Markup:
        """An equation, an element for each term of its last side; its remark after it."""
        body = Markup(" ").join(flowing(piece) for piece in self._pieces(row))
        note = Markup(' <span class="note">{}</span>').format(row.note) if row.note else Markup("")
        return Markup('<div class="eq">{}{}</div>').format(body, note)

    def _pieces(self, row: Equation) -> Iterator[str]:
        write, sign = self.notation.write, SIGNS.get(row.sign, row.sign)
        first, *middle, last = row.sides
        yield write(first)
        yield from (f"{sign} {write(side)}" for side in middle)
        head, *terms = last.terms if isinstance(last, Total) else (last,)
        yield f"{sign} {write(head)}"
        for term in terms:
            body, plus = (term.body, "-") if isinstance(term, Negative) else (term, "+")
            text = write(body)
            yield f"{{}} {plus} {self.notation.group(text) if isinstance(body, Total | Negative) else text}"

    def prose(self, prose: Prose) -> Markup:
        """Prose, with `names` as code."""
        return Markup("").join(words(part) if isinstance(part, str) else self.expression(part) for part in prose)


@dataclass(frozen=True)
class Group:
    """A long pair of parentheses and the pieces inside."""

    pieces: tuple[str | Group, ...]


def notation_of(document: Document) -> Notation:
    """The LaTeX notation of a document, but for the bar above a limited matrix, which browsers do not draw as wide as the matrix."""

    def limited(body: str) -> str:
        return f"⟦{body}⟧"

    def written(item: Written) -> str:
        return limited("W") if item.latex == r"\overline{W}" else item.latex

    return replace(notation(letters_of(document)), limited=limited, written=written)


def flowing(latex: str) -> Markup:
    """A term in elements that a line may break between: around its long parentheses, and between the terms inside these."""
    return _flow(pieces_of(latex))


def _flow(pieces: Sequence[str | Group], before: str = "", after: str = "") -> Markup:
    """The pieces; what is `before` and `after` them, parentheses, stays with the first and the last."""
    found: list[Markup] = []
    for number, piece in enumerate(pieces):
        head, tail = before if number == 0 else "", after if number == len(pieces) - 1 else ""
        if isinstance(piece, Group):  # a box of its own: a line is broken around it rather than in it
            found.append(Markup('<span class="group">{}</span>').format(_flow(piece.pieces, head + _OPEN, _CLOSE + tail)))
        else:
            found.append(mathml(f"{head} {piece} {tail}"))
    return Markup("<wbr>").join(found)


def pieces_of(latex: str) -> list[str | Group]:
    """The LaTeX cut before each plus, minus and inner sum, between conditions, and around long parentheses; nowhere inside braces."""
    found: list[str | Group] = []
    start, depth, braces, opened = 0, 0, 0, 0
    for sign in _SIGN.finditer(latex):
        text = sign[0]
        braces += {"{": 1, "}": -1, r"\left": 1, r"\right": -1}.get(text, 0)
        depth += {_OPEN: 1, _CLOSE: -1}.get(text, 0)
        if text == _OPEN and depth == 1:
            opened = sign.end()
        elif text == _CLOSE and not depth and not braces and sign.start() - opened > LONG:
            found += [latex[start : opened - len(_OPEN)], Group(tuple(pieces_of(latex[opened : sign.start()])))]
            start = sign.end()
        elif text.startswith("]") and not depth and not braces:
            found.append(latex[start : sign.start() + 1])
            start = sign.end()
        elif text.strip() in (r"\,", "+", "-") and not depth and not braces and sign.start() > start:
            found.append(latex[start : sign.start()])
            start = sign.start()
    found.append(latex[start:])
    return [_led(piece) for piece in found if isinstance(piece, Group) or piece.replace(r"\,", "").strip()]


def _led(piece: str | Group) -> str | Group:
    """A piece that starts with a plus or a minus, with nothing before it: the sign is then spaced as one between two terms."""
    return f"{{}}{piece}" if isinstance(piece, str) and piece[:3] in (" + ", " - ") else piece


def words(text: str) -> Markup:
    """Plain text, with `names` as code."""
    parts = text.split("`")
    return Markup("").join(Markup("<code>{}</code>").format(part) if number % 2 else escape(part) for number, part in enumerate(parts))
