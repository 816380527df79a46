"""Diagnostics: what a user is told when the input is wrong.

A :class:`Diagnostic` names a stable code, a place in the input, what was expected and what to do. Places are written as
paths into the spec (:class:`At`) by the code that finds a mistake, and become file positions (:class:`Span`) where the
text is known, so that passes over the graph need not carry positions around.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, Protocol

Path = tuple[str | int, ...]

CODES: dict[str, str] = {
    "address-unavailable": "a server cannot listen where it is asked to",
    "axes-mismatch": "a value has other axes than its place requires",
    "axis-unknown": "an axis is used that the block does not declare",
    "bad-value": "a field holds a value of the wrong kind",
    "bias-invalid": "a bias does not fit its synapse",
    "bundle-damaged": "a bundle lacks a file, or a file's hash differs from the manifest's",
    "bundle-mixed": "weights do not belong to the model of a bundle, or cannot be replaced in it",
    "bundle-version": "a bundle was written in a format that this version does not read",
    "causality": "a part of the model would read what a causal map hides from it",
    "checkpoint-damaged": "the checkpoint of a run cannot be read",
    "checkpoint-failed": "a run could not be written while it was trained, as on a full disk",
    "code-unknown": "no diagnostic has this code",
    "data-invalid": "the data cannot be used as they are",
    "data-shape": "the data do not fit the spec",
    "data-unknown": "no data set has this name",
    "dim-cycle": "dims refer to each other in a circle",
    "dim-fixed": "a length that an export is to take as it comes is fixed by the model",
    "dim-syntax": "a dim is not an arithmetic expression on names",
    "dim-unknown": "a dim expression names a dim that is not declared",
    "dim-value": "a dim is not a positive integer, or is too large",
    "exporter-failed": "an exporter refused the model",
    "exporter-unavailable": "the packages of an exporter are not installed",
    "exporter-unknown": "no exporter has this name",
    "fast-cycle": "fast layers feed each other in a circle, and nothing says how it is solved",
    "file-exists": "an output exists already",
    "file-missing": "a file does not exist",
    "file-unreadable": "a file cannot be read or written",
    "group-coverage": "the update groups are not a partition of the synapses that pull on slow layers",
    "image-shape": "an image does not have the shape that the model reads",
    "image-unreadable": "a file is not an image",
    "input-invalid": "an input is not what the model of a bundle reads",
    "layer-unfed": "nothing pulls on a layer",
    "layer-unknown": "a layer is named that is not declared",
    "layer-unstarted": "a slow layer has no first state",
    "map-invalid": "a linear map does not fit the axes that it is applied to",
    "iso-params": "dims cannot be scaled to an equal number of parameters",
    "missing-field": "a required field is absent",
    "model-large": "a model past the stated size is to be allocated",
    "name-invalid": "a name cannot be used for a part of the model",
    "no-base": "no pull of a synapse reads its base weights",
    "no-energy": "the spec has no energy",
    "not-finite": "a training loss, or what a model gives for an input, is not a finite number",
    "operation-invalid": "an encoder or readout operation does not fit its input",
    "overlay-path": "a variant or --set names a place that the spec does not have",
    "parity": "an exported file does not compute what the model computes",
    "pass-unknown": "the compiler has no pass of this name",
    "patterns": "a file of patterns or states does not fit the spec",
    "precision-unavailable": "the numbers of a recipe cannot be computed with on this machine",
    "pull-unknown": "a symmetry names a factor that the synapse does not have",
    "recipe-unknown": "no shipped recipe has this name",
    "resume-differs": "a training is asked to go on that was begun as another",
    "run-damaged": "a run folder lacks a file or holds something else",
    "run-unfinished": "the training of a run has not ended",
    "runtime-unavailable": "a runtime cannot run on this machine",
    "runtime-unknown": "no runtime has this name, or none that can read this file",
    "slow-layers": "a block has no slow layer that moves",
    "solve-invalid": "a solve does not fit the circles of fast layers",
    "spec-unknown": "no shipped spec has this name",
    "step-axes": "a learned step is over axes that its layer does not have",
    "strategy-unavailable": "several processes are needed to shard weights",
    "synapse-unknown": "a group names a synapse that is not declared",
    "too-large": "the model, or a part of it, is larger than the compiler takes on",
    "unknown-field": "a field is not part of the language",
    "variant-unknown": "no variant has this name",
    "verification": "the compiled model does not do what its spec promises: a defect of ours",
    "weights-missing": "a file of published weights lacks tensors that the spec reads",
    "weights-shape": "a published tensor does not have the shape or the values that the spec reads",
    "weights-surplus": "a file of published weights has tensors that the spec has no place for",
    "weights-table": "an entry of a spec's table of published weights leads nowhere",
    "version": "the spec is written in another version of the language",
    "yaml-duplicate": "a key stands twice in one mapping",
    "yaml-limits": "the file is nested too deeply or expands to too many nodes",
    "yaml-syntax": "the file is not YAML",
    "yaml-tag": "the file asks for a YAML type that the language does not use",
}
"""Every code, with the one line that says what it stands for."""

LINE_WIDTH = 140
"""How much of a long source line an excerpt shows."""
TEXT_LENGTH = 2000
"""How much of a long message is shown."""
MAX_LISTED = 40
"""How many words a listing shows."""
MAX_PLACES = 4
"""How many further places of one mistake are shown."""

_STAGE = re.compile(r"stages\.[0-9]+\.")
_LINE_END = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")


@dataclass(frozen=True)
class Source:
    """A text and the name that it is shown under; `noun` is what a text of its kind is called."""

    name: str
    text: str
    noun: str = "spec"

    @cached_property
    def lines(self) -> list[str]:
        """The text's lines without their ends, as YAML divides them."""
        return _LINE_END.split(self.text)

    def line(self, number: int) -> str:
        """Line `number`, counted from 1, without its end."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""


@dataclass(frozen=True)
class Span:
    """`length` characters from `line`:`column` of a source, both counted from 1."""

    source: Source
    line: int
    column: int
    length: int

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"


@dataclass(frozen=True)
class At:
    """A place in the spec: the value at `path`, its key, or `length` characters of its text from `offset`."""

    path: Path
    key: bool = False
    offset: int = 0
    length: int | None = None

    def __str__(self) -> str:
        return ".".join(map(str, self.path))


Place = At | Span | None


class Locator(Protocol):
    """What turns a place in the spec into a position in its text."""

    def locate(self, at: At) -> Span:
        """The position of a place."""
        ...


@dataclass(frozen=True)
class Diagnostic:
    """One mistake: what is wrong, where, what else bears on it, and what to do."""

    code: str
    message: str
    at: Place = None
    related: tuple[tuple[Place, str], ...] = ()
    notes: tuple[str, ...] = ()
    helps: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert self.code in CODES, f"undeclared diagnostic code {self.code}"

    def located(self, locator: Locator) -> Diagnostic:
        """The same diagnostic with positions in a text for its places in the spec."""

        def locate(place: Place) -> Place:
            return locator.locate(place) if isinstance(place, At) else place

        return replace(self, at=locate(self.at), related=tuple((locate(place), text) for place, text in self.related))

    def render(self) -> str:
        """The diagnostic as text: code, message, position, source line with carets, notes, helps."""
        lines = [f"error[{self.code}]: {self.message}", *_excerpt(self.at, "-->", "")]
        for place, text in self.related:
            lines += _excerpt(place, ":::", text)
        lines += [f"   = note: {note}" for note in self.notes]
        lines += [f"   = help: {text}" for text in self.helps]
        return "\n".join(_printable(line) for line in lines)

    def as_json(self) -> dict[str, object]:
        """The diagnostic as plain data."""
        related = [{**_position(place), "text": text} for place, text in self.related]
        about = {"related": related, "notes": list(self.notes), "helps": list(self.helps)}
        return {"code": self.code, "message": self.message, **_position(self.at), **about}


def _position(place: Place) -> dict[str, str | int]:
    return {"file": place.source.name, "line": place.line, "column": place.column} if isinstance(place, Span) else {}


def _excerpt(place: Place, arrow: str, text: str) -> list[str]:
    if isinstance(place, At):
        return [f"  {arrow} {place} {text}".rstrip()]
    if place is None:
        return []
    number = str(place.line)
    line, start, length = _window(place)
    indent, marked = _width(line[:start]), _width(line[start : start + length])
    carets = " " * indent + "^" * max(1, marked)
    return [
        f"  {arrow} {place}",
        f"{number} | {line}".rstrip(),
        f"{' ' * len(number)} | {carets} {text}".rstrip(),
    ]


def _window(place: Span) -> tuple[str, int, int]:
    """The part of a span's line that an excerpt shows, each character one cell or two wide, and the span in it."""
    line = "".join(character if character.isprintable() else " " for character in place.source.line(place.line))
    start = place.column - 1
    if len(line) > LINE_WIDTH:
        left = max(0, min(start - LINE_WIDTH // 3, len(line) - LINE_WIDTH))
        right = left + LINE_WIDTH
        before, after = "..." if left else "", "..." if right < len(line) else ""
        line, start = f"{before}{line[left:right]}{after}", start - left + len(before)
    return line, start, max(1, min(place.length, len(line) - start))


def _width(text: str) -> int:
    """How many cells of a terminal a text takes."""
    return sum(0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _printable(text: str) -> str:
    """One part of a diagnostic, its control characters written out, at most TEXT_LENGTH long."""
    if not text.replace("\n", "").isprintable():
        text = "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
    return text if len(text) <= TEXT_LENGTH else f"{text[:TEXT_LENGTH]}..."


class HopgraphError(Exception):
    """The input was wrong; `diagnostics` says how. Raised for every mistake of a user, and for nothing else."""

    def __init__(self, diagnostics: Diagnostic | Iterable[Diagnostic]) -> None:
        self.diagnostics = (diagnostics,) if isinstance(diagnostics, Diagnostic) else tuple(diagnostics)
        super().__init__("\n\n".join(diagnostic.render() for diagnostic in self.diagnostics))


@dataclass
class Findings:
    """Collects diagnostics, so that one run reports every mistake of a file."""

    found: list[Diagnostic] = field(default_factory=list[Diagnostic])
    _known: set[Diagnostic] = field(default_factory=set[Diagnostic], repr=False)

    def add(
        self,
        code: str,
        message: str,
        at: Place = None,
        *,
        related: Sequence[tuple[Place, str]] = (),
        notes: Sequence[str] = (),
        helps: Sequence[str] = (),
    ) -> None:
        """Record one mistake; the same one is recorded once."""
        diagnostic = Diagnostic(code, message, at, tuple(related), tuple(notes), tuple(helps))
        if diagnostic not in self._known:
            self._known.add(diagnostic)
            self.found.append(diagnostic)

    def raise_if_any(self) -> None:
        """Raise all that was found, in the order of the text where positions are known."""
        if self.found:
            raise HopgraphError(told_once(sorted(self.found, key=_text_order)))


def _text_order(diagnostic: Diagnostic) -> tuple[int, int]:
    at = diagnostic.at
    return (at.line, at.column) if isinstance(at, Span) else (0, 0)


def told_once(found: Iterable[Diagnostic]) -> list[Diagnostic]:
    """One diagnostic for an unknown name, with the other places that use it; and one for a text that several stages share."""
    first: dict[Any, Diagnostic] = {}
    others: dict[Any, list[Place]] = {}
    for item in found:
        message = _STAGE.sub("stages.", item.message)
        key = (item.code, message, item.notes, item.helps, None if item.code.endswith("-unknown") else item.at)
        known = first.setdefault(key, item)
        more = others.setdefault(key, [])
        if item.at not in (known.at, *more):
            more.append(item.at)
    return [_also_at(item, others[key]) for key, item in first.items()]


def _also_at(item: Diagnostic, places: list[Place]) -> Diagnostic:
    more = (f"it stands at {len(places) - MAX_PLACES} more places",) if len(places) > MAX_PLACES else ()
    related = (*item.related, *((place, "and here") for place in places[:MAX_PLACES]))
    return replace(item, related=related, notes=(*item.notes, *more)) if places else item


@lru_cache(maxsize=4096)
def edit_distance(left: str, right: str) -> int:
    """Insertions, deletions, substitutions and swaps of neighbours that turn `left` into `right`."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        last, before, row = before, row, [i]
        for j, b in enumerate(right, 1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                best = min(best, last[j - 2] + 1)
            row.append(best)
    return row[-1]


def similar(word: str, known: Iterable[str]) -> list[str]:
    """The known words that `word` may be a slip for, nearest first, at most 4. A third of the letters may be wrong."""
    return list(_similar(word, tuple(known)))


@lru_cache(maxsize=4096)
def _similar(word: str, known: tuple[str, ...]) -> tuple[str, ...]:
    near = [name for name in known if 3 * abs(len(name) - len(word)) <= max(len(name), len(word)) + 1 and len(name) <= 80]
    ranked = sorted((edit_distance(word.lower(), name.lower()), name) for name in near)
    return tuple(name for distance, name in ranked if 3 * distance <= max(len(name), len(word)) + 1)[:4]


def rename_help(word: str, known: Iterable[str]) -> list[str]:
    """The help line that proposes what `word` was meant to be, if anything is near."""
    near = similar(word, known)
    return ["rename it to " + " or ".join(f"`{name}`" for name in near)] if near else []


def cut_short(words: Iterable[str]) -> list[str]:
    """The words in the order given; of a long list the first, and how many more there are."""
    given = list(words)
    more = [f"and {len(given) - MAX_LISTED} more"] if len(given) > MAX_LISTED else []
    return [*given[:MAX_LISTED], *more]


def listing(words: Iterable[str]) -> str:
    """Words as a comma-separated list in the order given, or `none`. A long list is cut short."""
    return ", ".join(cut_short(words)) or "none"


def by(shape: Iterable[int], none: str = "one number") -> str:
    """Sizes as they are read: `3 x 8 x 8`; `none` of them is the shape of a single number."""
    return " x ".join(map(str, shape)) or none


def article(word: str) -> str:
    """A noun with `a` or `an` before it."""
    return f"{'an' if word[:1].lower() in 'aeiou' else 'a'} {word}"
