"""Writes nodes: what an operation's ONNX column is given as `o`, and what all the parts of one graph share."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import ml_dtypes
import numpy as np
import onnx_ir as ir

from exporters.onnx.opsets import since

DTYPES = {"float32": ir.DataType.FLOAT, "float16": ir.DataType.FLOAT16, "bfloat16": ir.DataType.BFLOAT16}
"""The dtypes of values, by name."""
ARRAYS = {"float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}
"""The same as NumPy has them."""


@dataclass(frozen=True)
class Leaf:
    """A tensor of the weights as a graph reads it: its name, its shape, the dtype that it is read in, and the shape that it is seen in."""

    tensor: str
    whole: tuple[int, ...]
    dtype: str
    shape: tuple[int, ...]


@dataclass
class Shared:
    """What the main graph and the bodies of its loops share: the dtype, the newest opset allowed, constants and weights by name."""

    dtype: str
    newest: int
    constants: dict[str, ir.Value] = field(default_factory=dict[str, ir.Value])
    leaves: dict[str, Leaf] = field(default_factory=dict[str, Leaf])
    weights: dict[str, ir.Value] = field(default_factory=dict[str, ir.Value])
    used: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    counts: Counter[str] = field(default_factory=Counter[str])

    def stored(self, leaf: Leaf) -> str:
        """The name of a leaf in the file of weights. In another dtype than the graph's the tensor is stored a second time."""
        return leaf.tensor if leaf.dtype == self.dtype else f"{leaf.tensor}:{leaf.dtype}"

    def weight(self, leaf: Leaf) -> ir.Value:
        """The initializer of a leaf. One that is seen in another shape is an initializer of its own on the same bytes."""
        seen = "" if leaf.shape == leaf.whole else f"[{','.join(map(str, leaf.shape))}]"
        name = f"{self.stored(leaf)}{seen}"
        if name not in self.weights:
            self.leaves[name] = leaf
            self.weights[name] = ir.val(name, dtype=DTYPES[leaf.dtype], shape=leaf.shape)
        return self.weights[name]


class NodeBuilder:
    """Appends nodes: `o("MatMul", x, w)`. What an operation's ONNX column writes with, in one dtype."""

    def __init__(self, shared: Shared, nodes: list[ir.Node], dtype: str, name: str) -> None:
        self.shared, self.nodes, self.dtype, self.name = shared, nodes, dtype, name

    def __call__(self, op_type: str, *inputs: ir.Value, **attributes: Any) -> ir.Value:
        """One node, its first output."""
        return self.several(op_type, inputs, 1, **attributes)[0]

    def several(self, op_type: str, inputs: tuple[ir.Value | None, ...], outputs: int, **attributes: Any) -> list[ir.Value]:
        """One node of several outputs. It is named after the statement that it is written for."""
        self.shared.used.add((op_type, self.dtype))
        stem = f"{self.name}.{op_type}"
        self.shared.counts[stem] += 1
        count = self.shared.counts[stem]
        name = stem if count == 1 else f"{stem}_{count}"
        results = [ir.Value(name=f"{name}:{index}" if index else name) for index in range(outputs)]
        self.nodes.append(ir.node(op_type, inputs, attributes or None, outputs=results, name=name))
        return results

    def has(self, op_type: str) -> bool:
        """Whether a node may be used: models for old runtimes do without the newest."""
        return since(op_type, self.dtype) <= self.shared.newest

    def reshape(self, value: ir.Value, shape: tuple[int, ...], given: tuple[int, ...] | None = None) -> ir.Value:
        """A value in another shape, of which a first 0 is the batch as it is. `given` is the shape that it has, where that is known."""
        if given is not None and value.shape is None:
            value.dtype, value.shape = DTYPES[self.dtype], ir.Shape([None, *given[1:]])
        return self("Reshape", value, self.integers(shape))

    def integers(self, values: tuple[int, ...]) -> ir.Value:
        """A constant vector of int64, such as a shape or axes."""
        return self.constant(f"integers {list(values)}", np.asarray(values, dtype=np.int64))

    def number(self, value: float) -> ir.Value:
        """A constant scalar."""
        return self.constant(repr(value), np.asarray(value))

    def constant(self, name: str, array: np.ndarray) -> ir.Value:
        """A constant by its name, once; numbers with a fraction in the dtype of the builder."""
        fraction = array.dtype.kind == "f"
        name = f"constant:{name}:{self.dtype}" if fraction and self.dtype != "float32" else f"constant:{name}"
        if name not in self.shared.constants:
            tensor = ir.tensor(array.astype(ARRAYS[self.dtype]) if fraction else array, name=name)
            self.shared.constants[name] = ir.val(name, const_value=tensor)
        return self.shared.constants[name]

    def view(self, value: ir.Value, shape: tuple[int, ...]) -> ir.Value:
        """A value in another shape. Weights are read in it from where they lie."""
        leaf = self.shared.leaves.get(str(value.name))
        if leaf is None:
            return self.reshape(value, shape)
        return self.shared.weight(replace(leaf, shape=shape))
