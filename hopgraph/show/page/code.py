"""Python as HTML: comments, texts, numbers and keywords in spans."""

from __future__ import annotations

import io
import keyword
import tokenize
from collections.abc import Iterator
from itertools import accumulate

from markupsafe import Markup, escape

_KINDS = {tokenize.COMMENT: "c", tokenize.STRING: "s", tokenize.NUMBER: "n"}


def highlighted(source: str) -> Markup:
    """The source with its tokens marked; without the marks it is the same text."""
    return Markup("").join(_parts(source))


def _parts(source: str) -> Iterator[Markup]:
    starts = [0, *accumulate(len(line) for line in io.StringIO(source))]
    done = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = "k" if token.type == tokenize.NAME and keyword.iskeyword(token.string) else _KINDS.get(token.type)
        if kind is not None:
            first, last = (starts[row - 1] + column for row, column in (token.start, token.end))
            yield escape(source[done:first])
            yield Markup('<span class="{}">{}</span>').format(kind, source[first:last])
            done = last
    yield escape(source[done:])
