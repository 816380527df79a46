"""A program to Python source: the one place where code is written.

The compiled model runs this source, and `hopgraph compile -o` prints it, so both compute the same to the bit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hopgraph.energy.records import Value
from hopgraph.lower.template import Template, template
from hopgraph.program.program import Program, Statement

_BLOCK = re.compile(r"blocks\.(\d+)\.")


def function_source(program: Program, name: str) -> str:
    """`def name(self, ...)`, its repeats written out: one line per value of the program, with the value's axes and sizes as a comment."""
    printer = _Printer(program)
    head = f"def {name}(self, {', '.join(value.name for value in program.inputs)}):"
    return "\n".join([head, *(f"    {line}" for line in _freed(list(printer.lines())))]) + "\n"


def parameter_source(name: str) -> str:
    """The expression that reads a parameter by its dotted name."""
    return "self" + "".join(f"[{part}]" if part.isdecimal() else f".{part}" for part in name.split("."))


def shape_comment(value: Value) -> str:
    """`[batch, n=16, c=64]`."""
    axes = [f"{axis}={size}" for axis, size in zip(value.axes, value.shape, strict=True)]
    return "[" + ", ".join((["batch"] if value.batched else []) + axes) + "]"


@dataclass(frozen=True)
class _Line:
    """A line, the variable that it assigns, if any, and those that it may read."""

    text: str
    assigned: str = ""
    reads: tuple[str, ...] = ()


class _Printer:
    """Writes the statements of a program, each by the template of its kind."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.texts = {value.name: value.name for value in program.inputs}
        self.texts |= {item.stored_name: parameter_source(item.stored_name) for item in program.parameters}
        self.blocks = {item.stored_name: match.group(1) for item in program.parameters if (match := _BLOCK.match(item.stored_name))}
        self.taken = {value.name for value in program.inputs} | {statement.output.name for statement in program.flat()}
        self.block = ""

    def lines(self) -> Iterator[_Line]:
        """The body of the function."""
        for value in self.program.inputs:
            yield _Line(f"# {value.name}: {shape_comment(value)}")
        for statement, site in self.program.sites():
            yield from self.statement(statement, template(statement.op, site))
        given = [self.texts[name] for name in self.program.outputs]
        yield _Line(f"return {given[0] if len(given) == 1 else '(' + ', '.join(given) + ')'}", reads=tuple(given))

    def statement(self, statement: Statement, how: Template) -> Iterator[_Line]:
        """The lines of one statement. A value that is renamed is the tensor that it was: it has no line."""
        inputs, output = tuple(self.texts[name] for name in statement.inputs), statement.output
        if how.renamed is not None:
            self.texts[output.name] = inputs[how.renamed]
            return
        self.texts[output.name] = output.name
        yield from self.heading(statement.inputs)
        names = [self.free(f"{output.name}_{hint}") for hint, _ in how.parts]
        for name, (_, text) in zip(names, how.parts, strict=True):
            yield _Line(f"{name} = {text.format(*inputs, *names)}", name, (*inputs, *names))
        text = how.result.format(*inputs, *names)
        yield _Line(f"{output.name} = {text}  # {shape_comment(output)}", output.name, (*inputs, *names))

    def heading(self, inputs: Iterable[str]) -> Iterator[_Line]:
        """A comment where the weights of another block begin."""
        number = next((self.blocks[name] for name in inputs if name in self.blocks), self.block)
        if number != self.block:
            self.block = number
            yield _Line(f"# block {number}")

    def free(self, name: str) -> str:
        """The name, lengthened until it is no value's."""
        while name in self.taken:
            name += "_"
        return name


def _freed(lines: list[_Line]) -> Iterator[str]:
    """The lines with each variable deleted after its last use: memory that is still warm is used again."""
    last = {name: index for index, line in enumerate(lines) for name in (line.assigned, *line.reads)}
    dead: dict[int, list[str]] = {}
    for name in dict.fromkeys(line.assigned for line in lines if line.assigned):
        dead.setdefault(last[name], []).append(name)
    for index, line in enumerate(lines):
        yield line.text
        if index in dead and index < len(lines) - 1:
            yield f"del {', '.join(dead[index])}"
