"""A program to a torch.fx graph: each operation's torch column is applied to proxies, which record it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import fx
from torch.fx.proxy import GraphAppendingTracer

from hopgraph.energy.records import Value
from hopgraph.program.operations import OPERATIONS
from hopgraph.program.program import Program


@dataclass(frozen=True)
class Lowered:
    """An fx graph, and the value of the program that a node holds, by the node's name."""

    graph: fx.Graph
    values: dict[str, Value]


def lower(program: Program) -> Lowered:
    """The fx graph of a program, its repeats written out. Parameters are read by their stored names."""
    graph = fx.Graph()
    tracer = GraphAppendingTracer(graph)
    proxies = {value.name: fx.Proxy(graph.placeholder(value.name), tracer) for value in program.inputs}
    values = {proxies[value.name].node.name: value for value in program.inputs}
    for statement, site in program.sites():
        for name in statement.inputs:
            if name not in proxies:
                proxies[name] = fx.Proxy(graph.get_attr(name), tracer)
        operation = OPERATIONS[statement.op]
        arguments = [proxies[name] for name in statement.inputs]
        if operation.training:
            arguments.append(fx.Proxy(graph.get_attr("training"), tracer))  # the module's: printed as self.training
        result: fx.Proxy = operation.torch(torch, site, *arguments)
        proxies[statement.output.name] = result
        values.setdefault(result.node.name, statement.output)  # a renamed value is the tensor that it was
    outputs = tuple(proxies[name].node for name in program.outputs)
    graph.output(outputs[0] if len(outputs) == 1 else outputs)
    return Lowered(graph, values)
