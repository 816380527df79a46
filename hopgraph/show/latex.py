"""Documents as LaTeX: a whole article that needs amsmath and graphicx, which every TeX has."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from hopgraph.show.document import Document, Equation, Equations, Item, Items, Paragraph, Prose
from hopgraph.show.expression import Axis, Expression, Formula, Negative, Symbol, Total, Variable, Written, walk
from hopgraph.show.notation import GREEK, Notation

SPECIAL = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "→": r"$\to$",
    "←": r"$\leftarrow$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "≤": r"$\le$",
    **{greek: f"$\\{name}$" for name, greek in GREEK.items() if name != "epsilon"},
    "ε": r"$\varepsilon$",
}
"""Characters of plain text that LaTeX reads otherwise."""
WIDE = 60
"""How many signs a side of an equation may have before its terms go on lines of their own."""
WIDEST = 92
"""How many signs an equation may have before it is made narrower."""
BREAK = "\\\\\n"

PREAMBLE = r"""\documentclass[10pt]{article}
\usepackage[a4paper,margin=2cm]{geometry}
\usepackage[T1]{fontenc}
\usepackage{amsmath,amssymb,graphicx}
\allowdisplaybreaks
\setlength{\parindent}{0pt}
\setlength{\parskip}{4pt}
\raggedright
\newcommand{\name}[1]{\mathrm{#1}}
\newcommand{\fit}[1]{\sbox0{$\displaystyle #1$}\ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\usebox0}\else\usebox0\fi}
"""


def escape(text: str) -> str:
    """Plain text as LaTeX; what is not ASCII and has no sign here is left out as `?`, since pdflatex would stop at it."""
    return "".join(SPECIAL.get(sign, sign if sign.isascii() else "?") for sign in text)


def _symbol(symbol: Symbol, indices: Sequence[str]) -> str:
    letter = {"epsilon": r"\varepsilon"}.get(symbol.letter, f"\\{symbol.letter}" if symbol.letter in GREEK else symbol.letter)
    letter = letter if len(symbol.letter) == 1 or symbol.letter in GREEK else rf"\name{{{escape(symbol.letter)}}}"
    marked = rf"\{symbol.mark}{{{letter}}}" if symbol.mark else letter
    above = f"^{{{_label(symbol.label)}}}" if symbol.label else ""
    joined = ("" if all(len(item.rstrip("'")) == 1 for item in indices) else ",").join(indices)
    return f"{marked}{above}" + (f"_{{{joined}}}" if indices else "")


def _label(label: str) -> str:
    parts = [rf"\name{{{escape(part)}}}" if part else "" for part in label.split("→")]
    return r"\to ".join(parts)


def letters_of(document: Document) -> dict[str, str]:
    """A letter for every axis: its name where that is one, else a letter of its name that is free, else any that is."""
    names = list(dict.fromkeys(name for section in document.sections for item in section.items for name in _axes(item)))
    found = {name: name for name in names if len(name) == 1}
    for name in names:
        if name not in found:
            choices = (sign for sign in (*name, *string.ascii_letters) if sign.isalpha() and sign not in found.values())
            found[name] = next(choices, rf"\mathit{{{escape(name)}}}")
    return found


def _axes(item: Item) -> Iterator[str]:
    """The axes that an item names."""
    rows = item.rows if isinstance(item, Equations) else ()
    prose = [item.prose] if isinstance(item, Paragraph) else item.entries if isinstance(item, Items) else ()
    sides = [side for row in rows for side in row.sides] + [part for parts in prose for part in parts if not isinstance(part, str)]
    for expression in (inside for side in sides for inside in walk(side)):
        if isinstance(expression, Axis):
            yield expression.name
        for index in getattr(expression, "indices", ()):
            yield from (variable.axis for variable, _ in index.terms)
        yield from (variable.axis for variable in getattr(expression, "over", ()))


def _number(value: float) -> str:
    mantissa, _, exponent = f"{value:g}".partition("e")
    if not exponent:
        return mantissa
    return f"10^{{{int(exponent)}}}" if mantissa == "1" else rf"{mantissa} \cdot 10^{{{int(exponent)}}}"


def _formula(formula: Formula, state: str) -> str:
    return formula.latex.replace("@^", rf"({state})^").replace("@", state)


def _written(written: Written) -> str:
    return written.latex


def notation(letters: Mapping[str, str]) -> Notation:
    """The notation of a document whose axes have these letters."""

    def variable(item: Variable) -> str:
        letter = letters[item.axis]
        return (rf"\delta_{{{letter}}}" if item.offset else letter) + "'" * item.primes

    def axis(name: str) -> str:
        return letters[name] if letters[name] == name else rf"\name{{{escape(name)}}}\; {letters[name]}"

    return Notation(
        symbol=_symbol,
        variable=variable,
        axis=axis,
        number=_number,
        over=lambda names: rf"\sum_{{{','.join(names)}}} ",
        fraction=lambda top, bottom: rf"\frac{{{top}}}{{{bottom}}}",
        root=lambda body: rf"\sqrt{{{body}}}",
        limited=lambda body: rf"\overline{{{body}}}",
        group=lambda body: rf"\bigl( {body} \bigr)",
        bracket=lambda body: rf"[{body}]",
        formula=_formula,
        written=_written,
        partial=r"\partial ",
        times=r" \, ",
        minus="-",
        at_most=r"\le ",
        unequal=r"\ne ",
    )


def latex(document: Document) -> str:
    """The document as a LaTeX article."""
    writer = _Writer(notation(letters_of(document)))
    lines = [PREAMBLE + r"\begin{document}", "", rf"{{\Large\bfseries {escape(document.title)}}}", ""]
    lines += [f"{writer.prose(part)}\n" for part in document.subtitle]
    for section in document.sections:
        lines.append(rf"\{'section' if section.level == 1 else 'subsection'}*{{{escape(section.title)}}}")
        for item, following in zip_longest(section.items, section.items[1:]):
            lines += [*writer.item(item), *([] if isinstance(following, Equations) else [""])]
    return "\n".join([*lines, r"\end{document}", ""])


@dataclass(frozen=True)
class _Writer:
    """Writes the items of a document in its notation."""

    notation: Notation

    def item(self, item: Item) -> list[str]:
        match item:
            case Paragraph(prose):
                return [self.prose(prose)]
            case Items(entries):
                return [r"\begin{itemize}", *(rf"\item {self.prose(entry)}" for entry in entries), r"\end{itemize}"]
            case Equations(rows):
                return self.equations([self.equation(row) for row in rows])

    def equations(self, rows: list[str]) -> list[str]:
        """The rows, aligned; where one is too wide for that, each by itself and that one made narrower."""
        if all(_signs(line) < WIDEST for row in rows for line in row.split(BREAK)):
            return [r"\begin{align*}", f" {BREAK}".join(rows), r"\end{align*}"]
        single = [line.replace("&", "") for row in rows for line in row.split(BREAK)]
        return [rf"\[ \fit{{{line}}} \]" for line in single]

    def equation(self, row: Equation) -> str:
        sign = {"←": r"\leftarrow"}.get(row.sign, row.sign)
        first, *rest = row.sides
        *middle, last = rest
        write = self.notation.write
        text = f"{write(first)} &" + "".join(f"{sign} {write(side)} " for side in middle) + f"{sign} {self.broken(last)}"
        return text + (rf" \qquad \text{{({escape(row.note)})}}" if row.note else "")

    def broken(self, side: Expression) -> str:
        """A side of an equation; the terms of a long one on several lines, as many on each as there is room for."""
        text = self.notation.write(side)
        if not isinstance(side, Total) or _signs(text) < WIDE:
            return text
        first, *others = side.terms
        lines = [self.notation.write(first)]
        for term in others:
            sign, body = ("-", term.body) if isinstance(term, Negative) else ("+", term)
            written = f"{sign} {self.notation.write(body)}"
            if _signs(lines[-1]) + _signs(written) < WIDE:
                lines[-1] += f" {written}"
            else:
                lines.append(rf"\quad {written}")
        return f" {BREAK}&".join(lines)

    def prose(self, prose: Prose) -> str:
        return "".join(_words(part) if isinstance(part, str) else f"${self.notation.write(part)}$" for part in prose)


def _signs(text: str) -> int:
    """How many signs some LaTeX has, about."""
    return len(re.sub(r"\\[a-z]+|[{}^_\\ ]", "", text))


def _words(text: str) -> str:
    """Prose, with `names` as in a spec."""
    return "".join(rf"\texttt{{{escape(part)}}}" if number % 2 else escape(part) for number, part in enumerate(text.split("`")))
