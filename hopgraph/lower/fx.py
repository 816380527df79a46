"""An operation to a torch.fx graph: its torch column is applied to proxies, which record it."""

from __future__ import annotations

import torch
from torch import fx
from torch.fx.proxy import GraphAppendingTracer

from hopgraph.program.operations import OPERATIONS, Site


def recorded(operation: str, site: Site) -> fx.Graph:
    """The graph of one statement: a placeholder for each input, the result as its output."""
    graph, row = fx.Graph(), OPERATIONS[operation]
    tracer = GraphAppendingTracer(graph)
    inputs = [fx.Proxy(graph.placeholder(f"x{index}"), tracer) for index in range(len(site.inputs))]
    if row.training:
        inputs.append(fx.Proxy(graph.get_attr("training"), tracer))  # the module's: printed as self.training
    result: fx.Proxy = row.torch(torch, site, *inputs)
    graph.output(result.node)
    return graph
