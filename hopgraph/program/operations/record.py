"""What an operation is: a record with a shape rule, a torch column, an ONNX column and a count.

`shape(inputs, attributes)` gives the axes and sizes of the result. `torch(t, site, *tensors)` computes it, `t` being the
torch module; it runs on tensors and on torch.fx proxies alike. `onnx(o, site, *values)` emits it, `o` being the exporter's
node builder, in the dtype `o.dtype`: that of the whole graph, or float32 where `float32` says so. `flops(site)` counts what it
computes for one example (see :mod:`hopgraph.program.operations.flops`).
Neither library is imported here: `hopgraph check` needs this table and must start in a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hopgraph.energy.records import Axes, Value

Attributes = Mapping[str, Any]
Typed = tuple[Axes, tuple[int, ...]]


@dataclass(frozen=True)
class Site:
    """Where an operation stands: the types of its inputs and output, and its attributes."""

    inputs: tuple[Value, ...]
    output: Value
    attributes: Attributes

    def dim(self, axis: str, index: int = 0) -> int:
        """The position of an axis in input `index`, the batch counted."""
        value = self.inputs[index]
        return value.axes.index(axis) + value.batched

    def dims(self, field: str = "over") -> tuple[int, ...]:
        """The positions in the first input of the axes that an attribute names."""
        return tuple(sorted(self.dim(axis) for axis in self.attributes[field]))

    @property
    def rank(self) -> int:
        """The number of dimensions of the first input, the batch counted."""
        return len(self.inputs[0].axes) + self.inputs[0].batched

    def trailing(self) -> bool:
        """Whether the axes of `over` are the last ones, in order."""
        over = tuple(self.attributes["over"])
        return self.inputs[0].axes[-len(over) :] == over

    def aligned(self, index: int) -> tuple[int, ...] | None:
        """The shape that makes input `index` broadcast to the first by axis names; None where it already does."""
        first, other = self.inputs[0], self.inputs[index]
        if other.batched or first.axes[len(first.axes) - len(other.axes) :] == other.axes:
            return None
        start = first.axes.index(other.axes[0])
        return tuple(size if axis in other.axes else 1 for axis, size in zip(first.axes[start:], first.shape[start:], strict=True))


HALVES = ("float16", "bfloat16")
"""The dtypes of 16 bits: statistics are computed in float32 in their graphs."""


@dataclass(frozen=True)
class Operation:
    """One row of the table. The torch column of one that differs in `training` gets a last argument that says whether it is on.

    `float32` are the dtypes of graphs in which the ONNX column reads and writes float32 all the same.
    """

    name: str
    shape: Callable[[Sequence[Value], Attributes], Typed]
    torch: Callable[..., Any]
    onnx: Callable[..., Any]
    flops: Callable[[Site], int]
    training: bool = False
    float32: tuple[str, ...] = ()


def same(inputs: Sequence[Value], attributes: Attributes) -> Typed:
    """The shape rule of an operation that changes no shape."""
    return inputs[0].axes, inputs[0].shape


def broadcast(inputs: Sequence[Value], attributes: Attributes) -> Typed:
    """The shape rule of two operands, the second with axes of the first, in order; with all of them where it has a batch."""
    first, second = inputs
    assert not second.batched or second.axes == first.axes, f"{second} has a batch, and not the axes of {first}"
    assert [axis for axis in first.axes if axis in second.axes] == list(second.axes), f"{second} does not broadcast to {first}"
    return first.axes, first.shape
