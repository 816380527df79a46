"""A program as an ONNX graph: every statement by its operation's ONNX column, a repeat as nodes of its own or as a loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from exporters.onnx.builder import DTYPES, Leaf, NodeBuilder, Shared
from exporters.onnx.opsets import NEWEST, lowest
from exporters.onnx.reshapes import shortened
from hopgraph.energy.records import Value
from hopgraph.export.fold import fold
from hopgraph.export.weights import COMPUTED
from hopgraph.program.operations import OPERATIONS, Site
from hopgraph.program.program import Program, Repeat, Statement

FIRST = "batch"
"""The name of the first dimension of every value that has a batch."""


@dataclass(frozen=True)
class Emitted:
    """A graph whose initializers have no data yet: the weights that it reads by the initializers' names, and their names in the file."""

    graph: ir.Graph
    opset: int
    leaves: Mapping[str, Leaf]
    stored: Mapping[str, str]


def emit_graph(program: Program, dtype: str = "float32", *, loop: bool = False, newest: int = NEWEST) -> Emitted:
    """The graph of a program. Input and output are float32, or int64 for tokens; what is between them is in `dtype`."""
    folded = fold(program)
    shared = Shared(dtype, newest)
    scope = _Scope(shared, _weights(program, folded.computed))
    inputs = [_typed(value, value.name, "float32") for value in program.inputs]
    for value, given in zip(program.inputs, inputs, strict=True):
        scope.define(value, given, dtype if value.integer else "float32")
    scope.write(folded.program.statements if loop else tuple(folded.program.flat()))
    outputs = [_output(scope, name, inputs) for name in program.outputs]
    nodes = shortened(scope.nodes, outputs)
    opset = lowest(shared.used)
    initializers = [value for value in (*shared.constants.values(), *shared.weights.values()) if value.uses()]
    graph = ir.Graph(inputs, outputs, nodes=nodes, initializers=initializers, opset_imports={"": opset}, name=program.name)
    leaves = {name: leaf for name, leaf in shared.leaves.items() if name in graph.initializers}
    return Emitted(graph, opset, leaves, {name: shared.stored(leaf) for name, leaf in leaves.items()})


def _weights(program: Program, computed: Iterable[str]) -> dict[str, tuple[str, Value]]:
    """What is read of the weights: by name, the name in the file and the type."""
    made = {statement.output.name: statement.output for statement in program.flat() if not statement.output.batched}
    stored = {item.stored_name: (item.stored_name, item.stored) for item in program.parameters}
    return {**stored, **{name: (f"{COMPUTED}{name}", made[name]) for name in computed}}


def _output(scope: _Scope, name: str, inputs: Sequence[ir.Value]) -> ir.Value:
    """An output of the model: float32, under the program's name in every dtype, unless that is the name of an input."""
    value = scope.result(name, "float32")
    if all(given.name != name for given in inputs):
        for other in scope.values.values():
            other.name = f"{name}:{scope.shared.dtype}" if other.name == name else other.name
        value.name = name
    return value


def _typed(value: Value, name: str, dtype: str) -> ir.Value:
    """A value of the program as a value of the graph."""
    return ir.val(name, dtype=ir.DataType.INT64 if value.integer else DTYPES[dtype], shape=[FIRST, *value.shape])


class _Scope:
    """The nodes of one graph, the main one or a loop's body, and the values that they read, by name and dtype."""

    def __init__(self, shared: Shared, weights: Mapping[str, tuple[str, Value]], outer: _Scope | None = None) -> None:
        self.shared, self.weights = shared, weights
        self.nodes: list[ir.Node] = []
        self.types: dict[str, Value] = {name: value for name, (_, value) in weights.items()} if outer is None else dict(outer.types)
        self.values: dict[tuple[str, str], ir.Value] = {} if outer is None else dict(outer.values)

    def define(self, value: Value, given: ir.Value, dtype: str) -> None:
        """Make a value of the graph known as one of the program."""
        self.types[value.name] = value
        self.values[value.name, dtype] = given

    def read(self, name: str, dtype: str) -> ir.Value:
        """A value in a dtype: as it is, cast once, or the weight that is stored in it."""
        if (name, dtype) in self.values:
            return self.values[name, dtype]
        if name in self.weights:
            tensor, value = self.weights[name]
            return self.shared.weight(Leaf(tensor, value.shape, dtype, value.shape))
        other = next(self.values[name, given] for given in DTYPES if (name, given) in self.values)
        self.values[name, dtype] = self._builder(dtype, name)("Cast", other, to=DTYPES[dtype].value)
        return self.values[name, dtype]

    def write(self, items: Sequence[Statement | Repeat]) -> None:
        """Write statements and loops, in order."""
        for item in items:
            if isinstance(item, Repeat):
                self._loop(item)
            else:
                self._statement(item)

    def result(self, name: str, dtype: str, taken: Sequence[ir.Value] = ()) -> ir.Value:
        """A value as an output of this graph: made by one of its nodes, and not yet `taken` as another output."""
        value = self.read(name, dtype)
        if value in taken or all(value is not made for node in self.nodes for made in node.outputs):
            value = self._builder(dtype, f"{name}.result")("Identity", value)
        return _described(value, str(value.name), self.types[name], dtype)

    def _builder(self, dtype: str, name: str) -> NodeBuilder:
        return NodeBuilder(self.shared, self.nodes, dtype, name)

    def _statement(self, statement: Statement) -> None:
        output = statement.output
        emit, dtype = _column(statement.op, self.shared.dtype)
        site = Site(tuple(self.types[name] for name in statement.inputs), output, statement.attributes)
        given = [
            self.read(name, self.shared.dtype if value.integer else dtype)
            for name, value in zip(statement.inputs, site.inputs, strict=True)
        ]
        result: ir.Value = emit(self._builder(dtype, output.name), site, *given)
        fresh = all(result is not value for value in given)
        self.define(output, _described(result, output.name, output, dtype) if fresh else result, dtype)

    def _loop(self, repeat: Repeat) -> None:
        """A Loop with a fixed number of turns. What its body reads of this graph and of the weights it reads from inside."""
        dtype, name = self.shared.dtype, repeat.carried[0].output.name
        o = self._builder(dtype, name)
        given = [self.read(item.initial, dtype) for item in repeat.carried]
        turns = o.constant("turns " + str(repeat.times), np.asarray(repeat.times, dtype=np.int64))
        on = o.constant("true", np.asarray(True))  # TensorRT's parser knows the body's condition only where it is given
        results = o.several("Loop", (turns, on, *given), len(given), body=self._body(repeat))
        for item, result in zip(repeat.carried, results, strict=True):
            self.define(item.output, _described(result, item.output.name, item.output, dtype), dtype)

    def _body(self, repeat: Repeat) -> ir.Graph:
        """One turn: its number, whether to go on, and the states, to whether to go on and the states after it."""
        inner, dtype = _Scope(self.shared, self.weights, self), self.shared.dtype
        stem = f"{repeat.carried[0].output.name}.Loop"
        turn = ir.val(f"{stem}.turn", dtype=ir.DataType.INT64, shape=())
        more = ir.val(f"{stem}.more", dtype=ir.DataType.BOOL, shape=())
        states = [_typed(item.state, item.state.name, dtype) for item in repeat.carried]
        for item, state in zip(repeat.carried, states, strict=True):
            inner.define(item.state, state, dtype)
        inner.write(repeat.body)
        results: list[ir.Value] = []
        for item in repeat.carried:
            results.append(inner.result(item.result, dtype, results))
        again = inner._builder(dtype, stem)("Identity", more)
        again.dtype, again.shape = ir.DataType.BOOL, ir.Shape(())
        return ir.Graph([turn, more, *states], [again, *results], nodes=shortened(inner.nodes, results), name=f"{stem}.body")


def _column(op: str, dtype: str) -> tuple[Callable[..., ir.Value], str]:
    """What writes an operation, and the dtype that it writes in: statistics are computed in float32 in every graph."""
    row = OPERATIONS[op]
    return row.onnx, "float32" if dtype in row.float32 else dtype


def _described(given: ir.Value, name: str, value: Value, dtype: str) -> ir.Value:
    """A value of the graph with the name and type of one of the program."""
    given.name, given.dtype, given.shape = name, DTYPES[dtype], ir.Shape([FIRST, *value.shape])
    return given
