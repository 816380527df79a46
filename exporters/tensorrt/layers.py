"""What an engine computes in: its layers read back after the build, and held against what was asked of each product."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from onnx import GraphProto, NodeProto

from hopgraph.errors import Diagnostic, HopgraphError
from hopgraph.export.products import PRODUCTS

DTYPES: dict[str, tuple[str, ...]] = {
    "fp8": ("FP8",),
    "int8": ("INT8",),
    "bfloat16": ("BF16", "BFLOAT16"),
    "float16": ("HALF", "FP16"),
    "float32": ("FLOAT", "FP32"),
}
"""The types of tensors by what the packages call them, the narrowest first."""

FUSED = "kgen"
"""The kind of the kernels that are generated for what stands between products: casts, sums and activations."""


@dataclass(frozen=True)
class Layer:
    """A layer of an engine: its kind, the types of what it reads, and the ONNX nodes that it stands for."""

    kind: str
    reads: frozenset[str]
    nodes: frozenset[str]

    @property
    def dtype(self) -> str | None:
        """The narrowest type that it reads, none where it reads no numbers."""
        return next((dtype for dtype in DTYPES if dtype in self.reads), None)


@dataclass(frozen=True)
class Reading:
    """The layers, and where they were read: the engine itself, the log of its build, or the network before the build."""

    source: str
    layers: tuple[Layer, ...]

    def products(self, asked: Mapping[str, str]) -> dict[str, str | None]:
        """The type of each product of the graph that a layer stands for; the one that was asked for where it is among those read."""
        return {node: _of(held, dtype) for node, dtype in asked.items() if (held := self._holders(node))}

    def facts(self, asked: Mapping[str, str]) -> dict[str, Any]:
        """How many layers read each type, and how many products are computed in it."""
        layers = Counter(layer.dtype for layer in self.layers)
        return {"layers_read_from": self.source, "layers": _counts(layers), "products": _counts(Counter(self.products(asked).values()))}

    def require(self, asked: Mapping[str, str]) -> None:
        """Raise HopgraphError where a product is not computed in the type that was asked for, or where none can be told."""
        found = self.products(asked)
        wrong = [f"`{node}` reads {dtype}, and {asked[node]} was asked for" for node, dtype in found.items() if dtype != asked[node]]
        if asked and not found:
            wrong = ["no layer of the engine names a product of the graph"]
        if wrong:
            message = "the engine does not compute in the types that were asked for"
            raise HopgraphError(Diagnostic("exporter-failed", message, notes=tuple(wrong[:4])))

    def _holders(self, node: str) -> list[Layer]:
        """The layers that compute a product. A generated kernel that bears its name too computes what surrounds it."""
        found = [layer for layer in self.layers if node in layer.nodes]
        return [layer for layer in found if layer.kind != FUSED] or found


def _of(layers: Iterable[Layer], asked: str) -> str | None:
    """The type of a product: as asked if every layer reads that."""
    found = list(layers)
    return next((layer.dtype for layer in found if asked not in layer.reads), asked)


def _counts(found: Mapping[str | None, int]) -> dict[str, int]:
    return {str(dtype): found[dtype] for dtype in DTYPES if dtype in found}


def asked_of(graph: Path, dtype: str) -> dict[str, str]:
    """The type that each product of an ONNX graph is to be computed in, by the node's name.

    In a graph of eight bits it is that of the products that read DequantizeLinear; the others are float32.
    """
    proto = onnx.load(str(graph), load_external_data=False).graph
    rounded = {output for node in _nodes(proto) if node.op_type == "DequantizeLinear" for output in node.output}
    products = [node for node in _nodes(proto) if node.op_type in PRODUCTS]
    if not rounded:
        return {node.name: dtype for node in products}
    return {node.name: dtype if rounded.intersection(node.input) else "float32" for node in products}


def _nodes(graph: GraphProto) -> list[NodeProto]:
    inner = [item.g for node in graph.node for item in node.attribute if item.HasField("g")]
    return [*graph.node, *(node for body in inner for node in _nodes(body))]


def layers_of_text(text: str) -> tuple[Layer, ...]:
    """The layers that the log of a build tells, one a line."""
    return tuple(_layer_of_line(line) for line in text.split("\n") if line.startswith("Name: "))


def _layer_of_line(line: str) -> Layer:
    kind = re.search(r"LayerType: ([^,]*)", line)
    reads = line.partition("Inputs: ")[2].partition("Outputs: ")[0]
    return _layer(kind[1] if kind else "", re.findall(r"Datatype: ([^},]*)", reads), line)


def layers_of_json(text: str) -> tuple[Layer, ...]:
    """The layers that an engine's inspector tells. Up to TensorRT 10 format and type are one text."""
    found: list[dict[str, Any]] = [layer for layer in json.loads(text)["Layers"] if isinstance(layer, dict)]
    return tuple(_layer(str(layer.get("LayerType")), map(_type_of, _read(layer)), str(layer.get("Metadata", ""))) for layer in found)


def _read(layer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*layer.get("Inputs", ()), *layer.get("Constants", ())]


def _type_of(tensor: Mapping[str, Any]) -> str:
    return str(tensor.get("Datatype", tensor.get("Format/Datatype", "")))


def _layer(kind: str, types: Iterable[str], metadata: str) -> Layer:
    reads = frozenset(dtype for text in types for dtype in [_dtype_of(text)] if dtype)
    return Layer(kind, reads, frozenset(re.findall(r"\[ONNX Layer: ([^\]]*)\]", metadata)))


def _dtype_of(text: str) -> str | None:
    words = set(re.findall(r"\w+", text.upper()))
    return next((dtype for dtype, names in DTYPES.items() if words.intersection(names)), None)


def layers_of_network(network: Any) -> tuple[Layer, ...]:
    """The layers of a network that is to be built. What a layer dequantizes counts as what is behind that."""
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    behind = {layer.get_output(0).name: layer.get_input(0) for layer in layers if layer.type.name == "DEQUANTIZE"}

    def read(tensor: Any) -> str:
        return str(behind.get(tensor.name, tensor).dtype.name)

    given = [[tensor for index in range(layer.num_inputs) if (tensor := layer.get_input(index))] for layer in layers]
    return tuple(
        Layer(layer.type.name, frozenset(dtype for tensor in tensors if (dtype := _dtype_of(read(tensor)))), frozenset([layer.name]))
        for layer, tensors in zip(layers, given, strict=True)
    )
