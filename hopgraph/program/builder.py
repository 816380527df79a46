"""Builds a program statement by statement; each operation's rule gives its result's axes and sizes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from hopgraph.energy.records import Axes, ParameterSpec, Value
from hopgraph.program.operations import OPERATIONS
from hopgraph.program.program import Carried, Parameter, Program, Repeat, Statement


class Builder:
    """An emitter (see :class:`hopgraph.energy.records.Emitter`) that collects statements."""

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}
        self.parameters: dict[str, Parameter] = {}
        self.statements: list[Statement | Repeat] = []
        self.inputs: list[Value] = []
        self._computed: dict[tuple[Any, ...], Value] = {}
        self._numbers: dict[str, int] = {}

    def input(self, name: str, axes: Axes, shape: tuple[int, ...], *, integer: bool = False) -> Value:
        """Declare an input of the program."""
        value = self._named(Value(name, axes, shape, integer=integer))
        self.inputs.append(value)
        return value

    def declare(self, name: str, spec: ParameterSpec, **about: Any) -> Parameter:
        """Declare a parameter, at its first use; `about` are the other fields of its record."""
        declared = Parameter(name, spec.axes, spec.shape, spec.init, spec.positive, spec.trainable, **about)
        assert self.parameters.setdefault(name, declared) == declared, f"parameter {name} is declared twice"
        return declared

    def parameter(self, name: str, spec: ParameterSpec, **about: Any) -> Value:
        """The value of a parameter. A positive one is the exponential of what is stored."""
        declared = self.declare(name, spec, **about)
        stored = self.values.setdefault(declared.stored_name, declared.stored)
        return self.once("exp", stored, hint=name) if spec.positive else stored

    def op(self, name: str, *inputs: Value, hint: str = "", **attributes: Any) -> Value:
        """Append a statement and give its value. `hint` is the name wanted for it."""
        axes, shape = OPERATIONS[name].shape(inputs, attributes)
        batched = any(value.batched for value in inputs)
        output = self._named(Value(hint or name, axes, shape, batched))
        self.statements.append(Statement(output, name, tuple(value.name for value in inputs), attributes))
        return output

    def once(self, name: str, *inputs: Value, hint: str = "", **attributes: Any) -> Value:
        """`op`, or the value of the same operation on the same inputs where it was asked for before."""
        key = (name, tuple(value.name for value in inputs), tuple(sorted(attributes.items())))
        if key not in self._computed:
            self._computed[key] = self.op(name, *inputs, hint=hint, **attributes)
        return self._computed[key]

    def rename(self, value: Value, axes: Axes) -> Value:
        """The value with its axes under other names, in the same order: every value of a program has one set of names."""
        return value if value.axes == axes else self.once("rename", value, axes=axes, hint=value.name)

    def contract(self, out: Axes, *inputs: tuple[Value, Axes], hint: str = "") -> Value:
        """The product of tensors, summed over every label that is not in `out`; each comes with the labels of its axes."""
        labels = tuple(given for _, given in inputs)
        return self.op("contract", *(value for value, _ in inputs), labels=labels, out=out, hint=hint)

    def repeat(self, times: int, start: int, carried: Iterable[tuple[Value, Value, Value, str]]) -> list[Value]:
        """Fold the statements from `start` on into a loop that carries each (initial, state, result, hint); give the last results."""
        body = tuple(item for item in self.statements[start:] if isinstance(item, Statement))
        assert len(body) == len(self.statements) - start, "loops do not nest"
        found: list[Carried] = []
        for initial, state, result, hint in carried:
            found.append(Carried(initial.name, state, result.name, self._named(Value(hint, result.axes, result.shape))))
        self.statements[start:] = [Repeat(times, tuple(found), body)]
        return [item.output for item in found]

    def placeholder(self, like: Value, name: str) -> Value:
        """A value that a loop carries."""
        return self._named(Value(name, like.axes, like.shape, like.batched))

    def program(self, name: str, outputs: Iterable[Value]) -> Program:
        """What was built."""
        return Program(
            name, tuple(self.inputs), tuple(self.parameters.values()), tuple(self.statements), tuple(value.name for value in outputs)
        )

    def _named(self, value: Value) -> Value:
        """The value with a name that is free, registered. Names are identifiers: they become those of the generated code."""
        wanted = name = value.name.replace(".", "_")
        number = self._numbers.get(wanted, 2)
        while name in self.values:
            name, number = f"{wanted}_{number}", number + 1
        self._numbers[wanted] = number
        fresh = value if name == value.name else replace(value, name=name)
        assert math.prod(fresh.shape) > 0, f"{name} has no elements"
        self.values[name] = fresh
        return fresh
