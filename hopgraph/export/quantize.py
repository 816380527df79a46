"""Eight bits: the products with weights read int8 or fp8, by QuantizeLinear and DequantizeLinear in the ONNX graph; the rest is float32.

A number x is rounded to scale * q, where scale = largest |x| / largest |q|. Activations have one scale each, measured on examples;
weights one for each output channel. A weight that is read in two directions, as a tied one is, has one scale and is stored once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes.common import RemoveUnusedNodesPass

from hopgraph.errors import Diagnostic, HopgraphError
from hopgraph.export.calibrate import largest_values
from hopgraph.export.products import Site, find_sites


@dataclass(frozen=True)
class Grid:
    """The numbers of eight bits: their type, the largest, and the first opset that rounds to them. They are symmetric about zero."""

    dtype: type[np.generic]
    largest: float
    integer: bool
    opset: int

    def rounded(self, array: NDArray[Any], scale: NDArray[np.float32]) -> NDArray[Any]:
        """The array over the scale, each number rounded to the nearest of the grid."""
        inside = np.clip(array / scale, -self.largest, self.largest)
        return (np.rint(inside) if self.integer else inside).astype(self.dtype)

    def scale(self, largest: NDArray[Any]) -> NDArray[np.float32]:
        """What the largest number of the grid stands for over that number; a range of zeros is one of the smallest numbers."""
        return (np.maximum(largest, 1e-12) / self.largest).astype(np.float32)


GRIDS = {"int8": Grid(np.int8, 127.0, True, 13), "fp8": Grid(ml_dtypes.float8_e4m3fn, 448.0, False, 19)}
"""The dtypes of eight bits. int8 runs from -127, as symmetric scales want it; fp8 has 4 bits of exponent and 3 of fraction."""

FP8_IR_VERSION = 9
"""The first version of the ONNX format that has fp8."""


def quantize(source: Path, dtype: str, examples: Sequence[NDArray[Any]]) -> ir.Model:
    """The model of a float32 ONNX file with its products in `int8` or `fp8`.

    `examples` are batches of inputs. The folder of the file must be writable. Raises HopgraphError where there are no examples, no
    onnxruntime that runs them, or no products with weights.
    """
    if not examples:
        message = f"{dtype} needs data: the range of every activation is measured on examples"
        raise HopgraphError(Diagnostic("exporter-failed", message, helps=("give the data that the model was trained on",)))
    model = ir.load(source)
    sites = find_sites(model.graph)
    if not sites:
        message = f"no product of the model has weights that could be in {dtype}"
        raise HopgraphError(Diagnostic("exporter-failed", message, helps=("export it in float32 or float16",)))
    names = {str(site.value.name) for site in sites}
    ranges = largest_values(source, names, examples)
    grid = GRIDS[dtype]
    _Rewriting(model.graph, grid).rewrite(sites, ranges)
    RemoveUnusedNodesPass()(model)
    model.graph.opset_imports[""] = max(model.graph.opset_imports[""], grid.opset)
    model.ir_version = max(model.ir_version, FP8_IR_VERSION)
    return model


class _Rewriting:
    """Puts the nodes and constants into a graph, each once."""

    def __init__(self, graph: ir.Graph, grid: Grid) -> None:
        self.graph = graph
        self.grid = grid
        self.zero = self._constant("zero_point", np.zeros((), dtype=grid.dtype))

    def rewrite(self, sites: Iterable[Site], ranges: dict[str, float]) -> None:
        activations: dict[ir.Value, ir.Value] = {}
        channels: dict[ir.Value, set[int | None]] = {}
        for site in sites:
            channels.setdefault(site.weight, set()).add(site.channel)
            if site.value not in activations:
                activations[site.value] = self._activation(site.value, ranges[str(site.value.name)])
            site.node.replace_input_with(site.operand, activations[site.value])
        weights = {weight: self._weight(weight, found) for weight, found in channels.items()}
        for site in sites:
            site.reader.replace_input_with(site.slot, weights[site.weight])

    def _activation(self, value: ir.Value, largest: float) -> ir.Value:
        """The value rounded: Q and DQ behind what makes it, or before all else where it is an input."""
        scale = self._constant(f"{value.name}.scale", self.grid.scale(np.asarray(largest)))
        forth = _node("QuantizeLinear", f"{value.name}.q", value, scale, self.zero)
        back = _node("DequantizeLinear", f"{value.name}.dq", forth.outputs[0], scale, self.zero)
        producer, graph = value.producer(), value.graph
        if producer is not None and producer.graph is not None:
            producer.graph.insert_after(producer, [forth, back])
        else:
            assert graph is not None, f"{value.name} belongs to no graph"
            graph.insert_before(graph[0], [forth, back])
        return back.outputs[0]

    def _weight(self, weight: ir.Value, channels: set[int | None]) -> ir.Value:
        """The weight in eight bits, and the DQ that everything reads in its place."""
        assert weight.const_value is not None
        array = weight.const_value.numpy()
        channel = next(iter(channels)) if len(channels) == 1 else None
        others = None if channel is None else tuple(axis for axis in range(array.ndim) if axis != channel)
        scale = self.grid.scale(np.abs(array).max(axis=others, keepdims=True))
        stored = self._constant(f"{weight.name}.q", self.grid.rounded(array, scale))
        scales = self._constant(f"{weight.name}.scale", scale.reshape(() if channel is None else -1))
        back = _node("DequantizeLinear", f"{weight.name}.dq", stored, scales, axis=channel)
        self.graph.insert_before(self.graph[0], back)
        return back.outputs[0]

    def _constant(self, name: str, array: NDArray[Any]) -> ir.Value:
        tensor = ir.tensor(array, name=name)
        value = ir.Value(name=name, type=ir.TensorType(tensor.dtype), shape=ir.Shape(array.shape), const_value=tensor)
        self.graph.register_initializer(value)
        return value


def _node(kind: str, name: str, *inputs: ir.Value, axis: int | None = None) -> ir.Node:
    attributes = {} if axis is None else {"axis": axis}
    return ir.node(kind, inputs, attributes, name=name, outputs=[ir.Value(name=name)])
