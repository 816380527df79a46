"""A stage of the compiler as text that a person reads, and back to the same stage."""

from __future__ import annotations

from functools import cache
from typing import Any

import yaml
from pydantic import TypeAdapter

from hopgraph.graph.ham import Ham
from hopgraph.program.program import Program

WIDTH = 130

_STAGES: dict[str, type[Ham] | type[Program]] = {"graph": Ham, "program": Program}


def dump(stage: Ham | Program) -> str:
    """A graph or a program as YAML. A list or a mapping that fits on a line stands on one."""
    name = next(name for name, kind in _STAGES.items() if isinstance(stage, kind))
    data = {name: _adapter(name).dump_python(stage, mode="json", exclude_defaults=True)}
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=10 * WIDTH))


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        node = super().represent_sequence(tag, sequence, flow_style)
        node.flow_style = _width(node) <= WIDTH
        return node

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        node = super().represent_mapping(tag, mapping, flow_style)
        node.flow_style = _width(node) <= WIDTH
        return node


def _width(node: yaml.Node) -> int:
    """About how wide a node is on one line."""
    if isinstance(node, yaml.MappingNode):
        return 2 + sum(_width(key) + _width(value) + 4 for key, value in node.value)
    if isinstance(node, yaml.SequenceNode):
        return 2 + sum(_width(item) + 2 for item in node.value)
    return len(str(node.value))


def read_dump(text: str) -> Ham | Program:
    """The stage that a dump was made of, equal to it."""
    ((name, data),) = yaml.safe_load(text).items()
    stage = _adapter(name).validate_python(data)
    assert isinstance(stage, Ham | Program)
    return stage


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(_STAGES[name])
