"""PyYAML's errors in the words of a person who writes a spec."""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml
from yaml.reader import ReaderError

from hopgraph.errors import Diagnostic, Place, Source, Span


@dataclass(frozen=True)
class _Problem:
    """One row: what PyYAML says, as a pattern, and what to say instead, with the pattern's groups filled in.

    `opening` says what the place is where the thing began in which PyYAML noticed the mistake. With `at_opening` that is
    the place of the mistake itself.
    """

    pattern: str
    message: str
    help: str
    opening: str = ""
    at_opening: bool = False


_PROBLEMS = (
    _Problem(r"expected ',' or '(\W)', but got '<stream end>'", "the bracket is never closed", "close it with `{0}`", at_opening=True),
    _Problem(
        r"expected ',' or '(\W)', but got .*",
        "expected `,` or `{0}`",
        "put a comma between entries, and close every bracket",
        "opened here",
    ),
    _Problem(r"found unexpected end of stream", "the quoted text is never closed", "close it with the same quote", at_opening=True),
    _Problem(r"found character '\\t' .*", "a tab cannot stand here", "indent with spaces"),
    _Problem(r"found character '(.)' .*", "a value cannot start with `{0}`", "write the value in quotes"),
    _Problem(
        r"mapping values are not allowed here",
        "`:` does not fit here",
        "write one `name: value` to a line, and indent the names of one mapping alike",
    ),
    _Problem(r"sequence entries are not allowed here", "a list cannot start here", "start it on a new line, or write it as `[a, b]`"),
    _Problem(
        r"could not find expected ':'", "this is not of the form `name: value`", "write `:` and a value after the name", at_opening=True
    ),
    _Problem(
        r"expected <block end>, but found .*",
        "this does not continue what stands before it",
        "indent the entries of one mapping or list alike, and write one to a line",
        "which starts here",
    ),
    _Problem(r"found undefined alias '(.*)'", "the alias `*{0}` refers to no anchor", "write the value out, or name it before with `&{0}`"),
    _Problem(r"second occurrence", "the anchor is defined twice", "give each anchor its own name", "first here"),
    _Problem(r"expected the node content, but found .*", "expected a value", "write a name, a number, a list or a mapping"),
    _Problem(r"but found another document", "a second document starts here", "keep one spec to a file"),
    _Problem(r"found unknown escape character '(.)'", r"`\{0}` is not an escape", "use single quotes, where no escapes are read"),
)


def syntax_error(source: Source, error: yaml.YAMLError) -> Diagnostic:
    """The diagnostic of a text that PyYAML does not parse."""
    if isinstance(error, ReaderError):
        return _unreadable(source, error)
    assert isinstance(error, yaml.MarkedYAMLError)
    here, opening = _span(source, error.problem_mark), _span(source, error.context_mark)
    for row in _PROBLEMS:
        match = re.fullmatch(row.pattern, str(error.problem), re.DOTALL)
        if match is None:
            continue
        message, help_line = (text.format(*match.groups()) for text in (row.message, row.help))
        if row.at_opening:
            return Diagnostic("yaml-syntax", message, opening or here, helps=(help_line,))
        related: tuple[tuple[Place, str], ...] = ((opening, row.opening),) if row.opening and opening else ()
        return Diagnostic("yaml-syntax", message, here, related, helps=(help_line,))
    return Diagnostic("yaml-syntax", f"this is not YAML: {error.problem}", here or opening)


def _span(source: Source, mark: yaml.Mark | None) -> Span | None:
    return None if mark is None else Span(source, mark.line + 1, mark.column + 1, 1)


def _unreadable(source: Source, error: ReaderError) -> Diagnostic:
    character, position = int(error.character), int(error.position)
    before = Source(source.name, source.text[:position]).lines
    span = Span(source, len(before), len(before[-1]) + 1, 1)
    return Diagnostic("yaml-syntax", f"the character U+{character:04X} cannot stand in a text file", span, helps=("delete it",))
