"""YAML 1.2 text to a tree that keeps every position.

PyYAML parses; the types of plain scalars are resolved here by the YAML 1.2 core schema, because PyYAML's own resolver
follows YAML 1.1: there `on` is a boolean, `1e-5` is a string and a duplicate key is dropped in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, cast

import yaml

from hopgraph.errors import At, Diagnostic, Findings, HopgraphError, Path, Source, Span, article
from hopgraph.frontend.syntax import syntax_error

MAX_NODES = 5_000
MAX_DEPTH = 50
MAX_CHARACTERS = 100_000
MAX_DIGITS = 40
"""The digits that an integer may have. More are a slip, and Python takes its time over very many."""

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NULL = ("", "~", "null", "Null", "NULL")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Tree:
    """A YAML node: a scalar, a list of nodes, or a mapping of names to nodes, with the positions of all of them."""

    value: Scalar | tuple[Tree, ...] | dict[str, Tree]
    span: Span
    keys: dict[str, Span] = field(default_factory=dict[str, Span])

    @classmethod
    def of(cls, value: Any, span: Span) -> Tree:
        """Plain dicts, lists and scalars as a tree, all at one position."""
        if isinstance(value, dict):
            items = cast("dict[str, Any]", value)
            return cls({name: cls.of(item, span) for name, item in items.items()}, span)
        if isinstance(value, list):
            entries = cast("list[Any]", value)
            return cls(tuple(cls.of(item, span) for item in entries), span)
        return cls(value, span)

    @cached_property
    def plain(self) -> Any:
        """The node as dicts, lists and scalars, not to be changed: variants of one text share what they leave alone."""
        if isinstance(self.value, dict):
            return {name: child.plain for name, child in self.value.items()}
        if isinstance(self.value, tuple):
            return [child.plain for child in self.value]
        return self.value

    @cached_property
    def nulls(self) -> tuple[Path, ...]:
        """The paths from here to what has no value."""
        if self.value is None:
            return ((),)
        items = self.value.items() if isinstance(self.value, dict) else enumerate(self.value) if isinstance(self.value, tuple) else ()
        return tuple((step, *path) for step, child in items for path in child.nulls)

    def child(self, step: str | int) -> Tree | None:
        """The node under a key or an index, if there is one."""
        if isinstance(self.value, dict):
            return self.value.get(str(step))
        if isinstance(self.value, tuple):
            index = int(step) if str(step).isdecimal() and len(str(step)) < 10 else -1
            return self.value[index] if 0 <= index < len(self.value) else None
        return None

    def listed(self, name: str | int) -> Tree | None:
        """The entry of a list that is this name: a list of axes may stand for a mapping of them."""
        entries = self.value if isinstance(self.value, tuple) and isinstance(name, str) else ()
        return next((entry for entry in entries if entry.value == name), None)

    def at(self, path: Path) -> Tree | None:
        """The node at a path, if there is one."""
        node: Tree | None = self
        for step in path:
            node = node.child(step) if node else None
        return node

    def replaced(self, path: Path, node: Tree, key: Span) -> Tree:
        """This tree with `node` at `path`; every step but the last must exist."""
        head, *rest = path
        child = self.child(head)
        new = node
        if rest:
            assert child is not None
            new = child.replaced(tuple(rest), node, key)
        if isinstance(self.value, tuple):
            index = int(head)
            return replace(self, value=(*self.value[:index], new, *self.value[index + 1 :]))
        assert isinstance(self.value, dict)
        name = str(head)
        keys = self.keys if rest else {**self.keys, name: key}
        return replace(self, value={**self.value, name: new}, keys=keys)

    def without(self, path: Path) -> Tree:
        """This tree without the mapping entry at `path`."""
        head, *rest = path
        if isinstance(self.value, dict):
            name = str(head)
            if not rest:
                return replace(self, value={k: v for k, v in self.value.items() if k != name})
            return replace(self, value={**self.value, name: self.value[name].without(tuple(rest))})
        assert isinstance(self.value, tuple)
        index = int(head)
        return replace(self, value=(*self.value[:index], self.value[index].without(tuple(rest)), *self.value[index + 1 :]))

    def locate(self, at: At) -> Span:
        """The position of a place. Steps that the text does not have (a shorthand's implied fields) are passed over."""
        node, key = self, self.span
        for step in at.path:
            child = node.child(step) or node.listed(step)
            if child is None:
                key = key if isinstance(node.value, dict) else node.span
                continue
            key = node.keys.get(str(step), child.span)
            node = child
        if at.key:
            return key
        if at.length is None:
            return node.span
        return node.part(at.offset, at.length)

    def part(self, offset: int, length: int) -> Span:
        """The position of a part of a scalar's text; of the whole where its text is not written in the file as it reads."""
        text = str(self.value)
        line = self.span.source.line(self.span.line)
        start = self.span.column - 1 + (line[self.span.column - 1 :][:1] in ("'", '"'))
        if line[start : start + len(text)] != text:
            return self.span
        return replace(self.span, column=start + 1 + offset, length=length)


@lru_cache(maxsize=16)
def parse(source: Source, text: str | None = None) -> Tree:
    """Parse YAML text; `text` is what is read where a part of the source is blanked out.

    Raises HopgraphError for text that is no YAML, for duplicate keys, tags, and files past the limits.
    """
    start = Span(source, 1, 1, 1)
    if len(source.text) > MAX_CHARACTERS:
        raise _limits(f"the file has more than {MAX_CHARACTERS:,} characters", start)
    loader = None
    try:
        loader = _Loader(source.text if text is None else text, source)
        root: yaml.Node | None = loader.get_single_node()  # compose, with a type
    except yaml.YAMLError as error:
        raise HopgraphError(syntax_error(source, error)) from None
    except (ValueError, OverflowError):  # from chr and int, given an escape or a directive with an absurd number
        span = Span(source, loader.line + 1, loader.column + 1, 1) if loader else start
        raise HopgraphError(Diagnostic("yaml-syntax", "this number is too large", span)) from None
    if root is None:
        raise HopgraphError(Diagnostic("yaml-syntax", "the file is empty", start, helps=(f"start from a shipped {source.noun}",)))
    builder = _Builder(source, loader)
    tree = builder.build(root, 0)
    builder.findings.raise_if_any()
    return tree


def parse_value(source: Source, start: int) -> Tree:
    """Parse the value that a text has from column `start` on, such as the right side of a `--set`."""
    if not source.text[start:].strip():
        return Tree(None, Span(source, 1, start + 1, 1))
    return parse(source, " " * start + source.text[start:])


def _limits(message: str, span: Span) -> HopgraphError:
    help_line = f"write {article(span.source.noun)} by hand: it is a page of text"
    return HopgraphError(Diagnostic("yaml-limits", message, span, helps=(help_line,)))


class _Loader(yaml.SafeLoader):
    """PyYAML's loader, which recurses into nodes, with a limit to their depth."""

    def __init__(self, text: str, source: Source) -> None:
        super().__init__(text)
        self.source = source
        self.depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.depth > MAX_DEPTH:
            mark = cast("yaml.Mark", self.peek_event().start_mark)  # pyright: ignore[reportUnknownMemberType]
            raise _limits(f"the file is nested more than {MAX_DEPTH} deep", Span(self.source, mark.line + 1, mark.column + 1, 1))
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Builder:
    def __init__(self, source: Source, loader: yaml.SafeLoader) -> None:
        self.source = source
        self.loader = loader
        self.findings = Findings()
        self.nodes = 0

    def build(self, node: yaml.Node, depth: int) -> Tree:
        self.nodes += 1
        span = self.span(node)
        if self.nodes > MAX_NODES:
            raise _limits(f"the file expands to more than {MAX_NODES:,} nodes", span)
        if depth > MAX_DEPTH:
            raise _limits(f"the file is nested more than {MAX_DEPTH} deep", span)
        self.check_tag(node, span)
        if isinstance(node, yaml.MappingNode):
            children, keys = self.mapping(node, depth)
            return Tree(children, span, keys)
        if isinstance(node, yaml.SequenceNode):
            return Tree(tuple(self.build(child, depth + 1) for child in node.value), span)
        assert isinstance(node, yaml.ScalarNode)
        value = _scalar(node)
        self.check_text(value, span)
        if isinstance(value, int) and abs(value) >= 10**MAX_DIGITS:
            self.findings.add("yaml-limits", f"an integer has at most {MAX_DIGITS} digits", span)
        return Tree(value, span)

    def check_text(self, value: Scalar, span: Span) -> None:
        if isinstance(value, str) and _SURROGATE.search(value):
            self.findings.add("yaml-syntax", "the text holds half of a character", span, helps=["write the character itself"])

    def check_tag(self, node: yaml.Node, span: Span) -> None:
        """Report a tag that the text itself writes; PyYAML gives every node one."""
        implicit = (node.style is None, node.style is not None) if isinstance(node, yaml.ScalarNode) else True
        if node.tag != self.loader.resolve(type(node), node.value, implicit):  # pyright: ignore[reportUnknownMemberType]
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            self.findings.add("yaml-tag", f"the tag `{tag}` is not part of the language", span, helps=["write the value without a tag"])

    def mapping(self, node: yaml.MappingNode, depth: int) -> tuple[dict[str, Tree], dict[str, Span]]:
        children: dict[str, Tree] = {}
        keys: dict[str, Span] = {}
        for key, value in self.pairs(node):
            span = self.span(key)
            self.check_tag(key, span)
            if not isinstance(key, yaml.ScalarNode):
                self.findings.add("yaml-syntax", "a key should be a name, not a list or a mapping", span)
                continue
            name = str(key.value)
            self.check_text(name, span)
            if name in keys:
                self.findings.add(
                    "yaml-duplicate", f"the key `{name}` stands twice in this mapping", span, related=[(keys[name], "first here")]
                )
                continue
            keys[name] = span
            children[name] = self.build(value, depth + 1)
        return children, keys

    def pairs(self, node: yaml.MappingNode) -> Iterator[tuple[yaml.Node, yaml.Node]]:
        yield from node.value

    def span(self, node: yaml.Node) -> Span:
        start, end = node.start_mark, node.end_mark
        one_line = start.line == end.line
        length = end.column - start.column if one_line else len(self.source.line(start.line + 1).rstrip()) - start.column
        return Span(self.source, start.line + 1, start.column + 1, max(1, length))


def _scalar(node: yaml.ScalarNode) -> Scalar:
    text = str(node.value)
    if node.style is not None:
        return text
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", ""))
    return text


def _integer(text: str) -> int:
    """An integer; of one with far too many digits, some integer past the limit."""
    if len(text) > 2 * MAX_DIGITS:
        return 10**MAX_DIGITS
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
