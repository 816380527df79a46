"""YAML 1.2 text to a tree that keeps every position.

PyYAML parses; the types of plain scalars are resolved here by the YAML 1.2 core schema, because PyYAML's own resolver
follows YAML 1.1: there `on` is a boolean, `1e-5` is a string and a duplicate key is dropped in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from hopgraph.errors import At, Diagnostic, Findings, HopgraphError, Path, Source, Span

MAX_NODES = 50_000
MAX_DEPTH = 100
MAX_CHARACTERS = 1_000_000

_PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq", "timestamp", "merge", "value")}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Tree:
    """A YAML node: a scalar, a list of nodes, or a mapping of names to nodes, with the positions of all of them."""

    value: Scalar | tuple[Tree, ...] | dict[str, Tree]
    span: Span
    keys: dict[str, Span] = field(default_factory=dict[str, Span])

    def plain(self) -> Any:
        """The node as dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {name: child.plain() for name, child in self.value.items()}
        if isinstance(self.value, tuple):
            return [child.plain() for child in self.value]
        return self.value

    def child(self, step: str | int) -> Tree | None:
        """The node under a key or an index, if there is one."""
        if isinstance(self.value, dict):
            return self.value.get(str(step))
        if isinstance(self.value, tuple):
            index = int(step) if str(step).isdecimal() and len(str(step)) < 10 else -1
            return self.value[index] if 0 <= index < len(self.value) else None
        return None

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
            child = node.child(step)
            if child is None:
                continue
            key = node.keys.get(str(step), child.span)
            node = child
        if at.key:
            return key
        if at.length is None:
            return node.span
        quote = 1 if node.span.source.line(node.span.line)[node.span.column - 1 :][:1] in ("'", '"') else 0
        return replace(node.span, column=node.span.column + at.offset + quote, length=at.length)


def parse(source: Source) -> Tree:
    """Parse YAML text. Raises HopgraphError for text that is no YAML, for duplicate keys, tags, and files past the limits."""
    if len(source.text) > MAX_CHARACTERS:
        raise _limits(source, f"the file has {len(source.text):,} characters; the limit is {MAX_CHARACTERS:,}")
    try:
        root: yaml.Node | None = yaml.SafeLoader(source.text).get_single_node()  # compose, with a type
    except yaml.MarkedYAMLError as error:
        raise HopgraphError(_syntax(source, error)) from None
    except yaml.YAMLError as error:
        raise HopgraphError(Diagnostic("yaml-syntax", str(error).splitlines()[0], Span(source, 1, 1, 1))) from None
    except RecursionError:
        raise _limits(source, f"the file is nested more than {MAX_DEPTH} deep") from None
    if root is None:
        raise HopgraphError(Diagnostic("yaml-syntax", "the file is empty", Span(source, 1, 1, 1), helps=("start from a shipped spec",)))
    builder = _Builder(source)
    tree = builder.build(root, 0)
    builder.findings.raise_if_any()
    return tree


def parse_value(text: str, name: str) -> Tree:
    """Parse one value given outside a file, such as the right side of `--set`."""
    return parse(Source(name, text)) if text.strip() else Tree(None, Span(Source(name, text), 1, 1, 1))


def _limits(source: Source, message: str) -> HopgraphError:
    return HopgraphError(Diagnostic("yaml-limits", message, Span(source, 1, 1, 1), helps=("a spec is a page of text; is this file one?",)))


def _syntax(source: Source, error: yaml.MarkedYAMLError) -> Diagnostic:
    mark = error.problem_mark or error.context_mark
    span = Span(source, mark.line + 1, mark.column + 1, 1) if mark else Span(source, 1, 1, 1)
    notes = (str(error.context),) if error.context else ()
    return Diagnostic("yaml-syntax", str(error.problem or "this is not YAML"), span, notes=notes)


class _Builder:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.findings = Findings()
        self.nodes = 0

    def build(self, node: yaml.Node, depth: int) -> Tree:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise _limits(self.source, f"the file expands to more than {MAX_NODES:,} nodes")
        if depth > MAX_DEPTH:
            raise _limits(self.source, f"the file is nested more than {MAX_DEPTH} deep")
        span = self.span(node)
        if node.tag not in _PLAIN_TAGS:
            self.findings.add(
                "yaml-tag", f"the tag `{node.tag}` is not part of the language", span, helps=["write the value without a tag"]
            )
        if isinstance(node, yaml.MappingNode):
            children, keys = self.mapping(node, depth)
            return Tree(children, span, keys)
        if isinstance(node, yaml.SequenceNode):
            return Tree(tuple(self.build(child, depth + 1) for child in node.value), span)
        assert isinstance(node, yaml.ScalarNode)
        return Tree(_scalar(node), span)

    def mapping(self, node: yaml.MappingNode, depth: int) -> tuple[dict[str, Tree], dict[str, Span]]:
        children: dict[str, Tree] = {}
        keys: dict[str, Span] = {}
        for key, value in self.pairs(node):
            span = self.span(key)
            if not isinstance(key, yaml.ScalarNode):
                self.findings.add("yaml-syntax", "a key must be a name", span)
                continue
            name = str(key.value)
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
    if text in _SPECIAL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text) if len(text) < 40 else text
    if _FLOAT.fullmatch(text):
        return float(text)
    if text.lower() in (".nan", ".inf", "+.inf", "-.inf"):
        return float(text.replace(".", ""))
    return text
