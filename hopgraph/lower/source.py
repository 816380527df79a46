"""A lowered graph to Python source: the one place where code is written.

The compiled model runs this source, and `hopgraph compile -o` prints it, so both compute the same to the bit.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from hopgraph.energy.records import Value
from hopgraph.lower.fx import Lowered

_SYMBOLS = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "pow": "**"}
_ASSIGNED = re.compile(r"(\w+) = ")
_NAMES = re.compile(r"(?<![.\w])[A-Za-z_]\w*")
_BLOCK = re.compile(r"blocks\.(\d+)\.")


def function_source(lowered: Lowered, name: str) -> str:
    """`def name(self, ...)`, one line per value of the program, with the value's axes and sizes as a comment."""
    return _Printer(lowered).function(name)


def parameter_source(name: str) -> str:
    """The expression that reads a parameter by its dotted name."""
    return "self" + "".join(f"[{part}]" if part.isdecimal() else f".{part}" for part in name.split("."))


def shape_comment(value: Value) -> str:
    """`[batch, n=16, c=64]`."""
    axes = [f"{axis}={size}" for axis, size in zip(value.axes, value.shape, strict=True)]
    return "[" + ", ".join((["batch"] if value.batched else []) + axes) + "]"


class _Printer:
    def __init__(self, lowered: Lowered) -> None:
        self.lowered = lowered
        self.texts: dict[fx.Node, str] = {}
        self.block = ""

    def function(self, name: str) -> str:
        arguments = [node for node in self.lowered.graph.nodes if node.op == "placeholder"]
        for node in arguments:
            self.texts[node] = str(node.target)
        body = [line for node in self.lowered.graph.nodes for line in self.lines(node)]
        head = f"def {name}(self, {', '.join(self.texts[node] for node in arguments)}):"
        return "\n".join([head, *(f"    {line}" for line in _freed(body))]) + "\n"

    def lines(self, node: fx.Node) -> list[str]:
        """The lines of one node; one that holds no value of the program and is used once is written into its user's line."""
        if node.op == "placeholder":
            value = self.lowered.values[node.name]
            return [f"# {self.texts[node]}: {shape_comment(value)}"]
        if node.op == "get_attr":
            self.texts[node] = parameter_source(str(node.target))
            return []
        if node.op == "output":
            return [f"return {self.text(node.args[0])}"]
        value = self.lowered.values.get(node.name)
        expression = self.expression(node)
        if value is None:
            uses = sum(argument is node for user in node.users for argument in user.args)
            self.texts[node] = expression if uses == 1 else self.free(node.name)
            return [] if uses == 1 else [f"{self.texts[node]} = {expression}"]
        self.texts[node] = value.name
        return [*self.heading(node), f"{value.name} = {expression}  # {shape_comment(value)}"]

    def free(self, name: str) -> str:
        """The name, lengthened until it is no value's."""
        taken = {value.name for value in self.lowered.values.values()}
        while name in taken:
            name += "_"
        return name

    def heading(self, node: fx.Node) -> list[str]:
        """A comment where the weights of another block begin."""
        names = [str(source.target) for source in node.all_input_nodes if source.op == "get_attr"]
        numbers = [match.group(1) for match in map(_BLOCK.match, names) if match]
        if not numbers or numbers[0] == self.block:
            return []
        self.block = numbers[0]
        return [f"# block {self.block}"]

    def expression(self, node: fx.Node) -> str:
        arguments = [self.text(argument) for argument in node.args]
        if node.op == "call_method":
            keywords = [f"{key}={self.text(value)}" for key, value in node.kwargs.items()]
            return f"{_atom(arguments[0])}.{node.target}({', '.join([*arguments[1:], *keywords])})"
        assert callable(node.target)
        if node.target is getattr:
            return f"{_atom(arguments[0])}.{node.args[1]}"
        name = node.target.__name__
        if node.target is getattr(operator, name, None):
            return f"{_atom(arguments[0])} {_SYMBOLS[name]} {_atom(arguments[1])}"
        keywords = [f"{key}={self.text(value)}" for key, value in node.kwargs.items()]
        return f"{_qualified(node.target)}({', '.join([*arguments, *keywords])})"

    def text(self, argument: Any) -> str:
        if isinstance(argument, fx.Node):
            return self.texts[argument]
        if isinstance(argument, tuple):
            inner = ", ".join(self.text(item) for item in argument)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            return f"({inner},)" if len(argument) == 1 else f"({inner})"  # pyright: ignore[reportUnknownArgumentType]
        return repr(argument)


def _freed(lines: list[str]) -> list[str]:
    """The lines with each variable deleted after its last use: memory that is still warm is used again."""
    assigned = {match.group(1) for match in map(_ASSIGNED.match, lines) if match}
    last = {name: index for index, line in enumerate(lines) for name in _NAMES.findall(line.partition("  # ")[0]) if name in assigned}
    dead: dict[int, list[str]] = {}
    for name, index in last.items():
        dead.setdefault(index, []).append(name)
    found: list[str] = []
    for index, line in enumerate(lines):
        found.append(line)
        if index in dead and index < len(lines) - 1:
            found.append(f"del {', '.join(dead[index])}")
    return found


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
    raise AssertionError(f"{function} is no function of torch")
