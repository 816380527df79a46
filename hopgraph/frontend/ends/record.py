"""What an encoder or readout operation is: a record with its options, shape rule, parameters and program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from hopgraph.energy.options import AXES, AxisList, JsonSchema, OptionModel, as_mapping, either
from hopgraph.energy.records import Axes, Emitter, Options, ParameterSpec, RecordError, Value, Weights

Shape = dict[str, int]
"""Axes with their sizes, in order."""


def as_is(value: Any) -> Any:
    """The shorthand of an operation that has none."""
    return value


def no_parameters(options: Options, shape: Shape) -> dict[str, ParameterSpec]:
    """The parameters of an operation that has none."""
    return {}


@dataclass(frozen=True)
class End:
    """One kind of encoder or readout operation.

    `shape(options, shape)` is the rule for the axes and sizes of the result and raises RecordError where the options do not fit.
    `parameters(options, shape)` are the tensors that the operation reads, by name, and `emit` writes the program. `ties` is what
    its option `tied` names: an embedding of the encoder or a layer of the last block.
    """

    name: str
    options: type[OptionModel]
    shape: Callable[[Options, Shape], Shape]
    emit: Callable[[Emitter, Value, Options, Weights, str], Value]
    parameters: Callable[[Options, Shape], dict[str, ParameterSpec]] = no_parameters
    shorthand: Callable[[Any], Any] = as_is
    ties: Literal["", "embedding", "layer"] = ""


class Over(OptionModel):
    """Axes: `mean: n` or `mean: {over: [n, c]}`."""

    over: AxisList

    @classmethod
    def as_written(cls, mapping: JsonSchema) -> JsonSchema:
        """The axes alone, or the mapping."""
        return either(AXES, mapping)


def short_for(field: str) -> Callable[[Any], Any]:
    """A shorthand: what is no mapping is the value of one field."""

    def shorthand(value: Any) -> Any:
        return {field: value} if as_mapping(value) is None else value

    return shorthand


def require(options: Options, shape: Shape, field: str) -> Axes:
    """The axes that an option names, all of them axes of the input."""
    named = options[field]
    axes: Axes = (named,) if isinstance(named, str) else tuple(named)
    for axis in axes:
        if axis not in shape:
            raise RecordError(f"the operation reads axis `{axis}`, which its input does not have", field, axis, tuple(shape))
    return axes


def unchanged(options: Options, shape: Shape) -> Shape:
    """The shape rule of an operation that changes no shape."""
    return shape
