"""Calibration: the largest absolute value of each activation of an ONNX model over examples, measured by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from hopgraph.errors import Diagnostic, HopgraphError


def largest_values(source: Path, names: Iterable[str], examples: Sequence[NDArray[Any]]) -> dict[str, float]:
    """The largest |value| by name, over batches of inputs and over the steps of loops.

    Only numbers leave the session, never whole activations. A copy of the graph lies beside it meanwhile, so that it finds its
    weights. Raises HopgraphError without onnxruntime.
    """
    model = ir.load(source)
    wanted = sorted(names)
    outputs = _measured(model.graph, wanted)
    copy = source.with_suffix(".ranges.onnx")
    try:
        copy.write_bytes(ir.to_proto(model).SerializeToString())
        session = _session(copy)
        (given,) = session.get_inputs()
        found = [session.run(outputs, {given.name: batch}) for batch in examples]
    finally:
        copy.unlink(missing_ok=True)
    return {name: float(np.max(values)) for name, values in zip(wanted, zip(*found, strict=True), strict=True)}


def _session(path: Path) -> Any:
    if not find_spec("onnxruntime"):
        message = "eight bits are calibrated by onnxruntime, which is not installed"
        raise HopgraphError(Diagnostic("exporter-unavailable", message, helps=("pip install 'hopgraph[cpu]'",)))
    ort: Any = import_module("onnxruntime")
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _measured(graph: ir.Graph, names: Sequence[str]) -> list[str]:
    """Make the largest absolute values of those names the graph's only outputs; their names."""
    owners = {inner: node for node in graph.all_nodes() for inner in _bodies(node)}
    values = {str(value.name): value for node in graph.all_nodes() for value in node.outputs}
    values |= {str(value.name): value for inner in (graph, *owners) for value in inner.inputs}
    found = [_lifted(_largest(values[name]), owners) for name in names]
    graph.outputs.clear()
    graph.outputs.extend(found)
    return [str(value.name) for value in found]


def _bodies(node: ir.Node) -> list[ir.Graph]:
    return [attribute.as_graph() for attribute in node.attributes.values() if attribute.type == ir.AttributeType.GRAPH]


def _largest(value: ir.Value) -> ir.Value:
    """The largest |value|, as a node behind what makes it."""
    size = ir.node("Abs", [value])
    return _append([size, _reduce(size.outputs[0])], value)


def _lifted(value: ir.Value, owners: dict[ir.Graph, ir.Node]) -> ir.Value:
    """A number of a loop's body, out of the loop: its largest over the steps."""
    node = value.producer()
    assert node is not None
    owner = owners.get(node.graph) if isinstance(node.graph, ir.Graph) else None
    if owner is None:
        return value
    assert isinstance(node.graph, ir.Graph)
    node.graph.outputs.append(value)
    owner.resize_outputs(len(owner.outputs) + 1)
    scan = owner.outputs[-1]
    scan.name, scan.dtype = f"{value.name}.steps", ir.DataType.FLOAT
    return _lifted(_append([_reduce(scan)], scan), owners)


def _reduce(value: ir.Value) -> ir.Node:
    node = ir.node("ReduceMax", [value], {"keepdims": 0})
    node.outputs[0].dtype, node.outputs[0].shape = ir.DataType.FLOAT, ir.Shape(())
    return node


def _append(nodes: list[ir.Node], value: ir.Value) -> ir.Value:
    """Put nodes behind what makes a value, or before all else where it is an input; what the last makes."""
    for node in nodes:
        node.name = f"{value.name}.{node.op_type}"
        node.outputs[0].name = node.name
    producer, graph = value.producer(), value.graph
    if producer is not None and producer.graph is not None:
        producer.graph.insert_after(producer, nodes)
    else:
        assert graph is not None, f"{value.name} belongs to no graph"
        graph.insert_before(graph[0], nodes)
    return nodes[-1].outputs[0]
