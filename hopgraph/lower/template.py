"""How a statement is written, with holes for its operands.

What a torch column computes depends on the types of its operands, not on their names. So each kind of statement is recorded once, however
many depths and steps a model has, and a program is written by filling in names.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import fx
from torch.fx.node import map_arg

from hopgraph.energy.records import Value
from hopgraph.lower.fx import recorded
from hopgraph.program.operations import Site

_SYMBOLS = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "pow": "**"}


@dataclass(frozen=True)
class Template:
    """Format strings of expressions: holes are the inputs by number, then the `parts`.

    `parts` are what is used more than once inside, each with a hint for its name; `result` is the value. `renamed` is the number of the
    input that is the result as it stands, if one is.
    """

    parts: tuple[tuple[str, str], ...]
    result: str
    renamed: int | None = None


_KNOWN: dict[tuple[Any, ...], Template] = {}


def template(operation: str, site: Site) -> Template:
    """The template of a statement, made at its first use."""
    key = (operation, *(_type(value) for value in (*site.inputs, site.output)), repr(site.attributes))
    if key not in _KNOWN:
        _KNOWN[key] = _written(recorded(operation, _nameless(site)))
    return _KNOWN[key]


def _type(value: Value) -> tuple[Any, ...]:
    return value.axes, value.shape, value.batched, value.integer


def _nameless(site: Site) -> Site:
    """The site with names that say nothing, so that no column can rest on them."""
    inputs = tuple(replace(value, name=f"x{index}") for index, value in enumerate(site.inputs))
    return replace(site, inputs=inputs, output=replace(site.output, name="y"))


def _written(graph: fx.Graph) -> Template:
    *nodes, last = graph.nodes
    inputs = [node for node in nodes if node.op == "placeholder"]
    (result,) = last.all_input_nodes
    if result in inputs:
        return Template((), "", inputs.index(result))
    texts = {node: f"{{{index}}}" for index, node in enumerate(inputs)}
    parts: list[tuple[str, str]] = []
    for node in nodes:
        if node.op == "get_attr":
            texts[node] = f"self.{node.target}"
        elif node.op != "placeholder":
            text = _expression(node, texts)
            if node is not result and _uses(node) > 1:
                parts.append((node.name, text))
                text = f"{{{len(inputs) + len(parts) - 1}}}"
            texts[node] = text
    return Template(tuple(parts), texts[result])


def _uses(node: fx.Node) -> int:
    """How often it is read, inside tuples too."""
    found: list[fx.Node] = []
    for user in node.users:
        map_arg((user.args, user.kwargs), found.append)  # pyright: ignore[reportArgumentType]
    return sum(item is node for item in found)


def _expression(node: fx.Node, texts: dict[fx.Node, str]) -> str:
    arguments = [_text(argument, texts) for argument in node.args]
    keywords = [f"{key}={_text(value, texts)}" for key, value in node.kwargs.items()]
    if node.op == "call_method":
        return f"{_atom(arguments[0])}.{node.target}({', '.join([*arguments[1:], *keywords])})"
    assert callable(node.target)
    if node.target is getattr:
        return f"{_atom(arguments[0])}.{node.args[1]}"
    name = node.target.__name__
    if node.target is getattr(operator, name, None):
        return f"{_atom(arguments[0])} {_SYMBOLS[name]} {_atom(arguments[1])}"
    return f"{_qualified(node.target)}({', '.join([*arguments, *keywords])})"


def _text(argument: Any, texts: dict[fx.Node, str]) -> str:
    if isinstance(argument, fx.Node):
        return texts[argument]
    if isinstance(argument, tuple):
        items = [_text(item, texts) for item in cast("tuple[Any, ...]", argument)]
        return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
    return repr(argument)


def _atom(text: str) -> str:
    """Parentheses around an infix expression."""
    depth = 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character == " " and depth == 0:
            return f"({text})"
    return text


def _qualified(function: Callable[..., Any]) -> str:
    name = function.__name__
    for owner, prefix in ((torch.nn.functional, "F"), (torch, "torch")):
        if getattr(owner, name, None) is function:
            return f"{prefix}.{name}"
    short = name.removeprefix("linalg_")  # torch names its functions of linear algebra so
    if getattr(torch.linalg, short, None) is function:
        return f"torch.linalg.{short}"
    if getattr(torch.ops.hopgraph, name, None) is function:
        return f"torch.ops.hopgraph.{name}"
    raise AssertionError(f"{function} is no function of torch")
