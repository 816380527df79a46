"""Statements that ONNX has one node for: a norm with its gain and bias, and attention (see :mod:`exporters.onnx.attention`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from hopgraph.energy.records import Value
from hopgraph.program.program import Repeat, Statement

Item = Statement | Repeat
Types = Mapping[str, Value]


@dataclass(frozen=True)
class Fusion:
    """One statement that takes the place of the last of several; the results of the others are its `steps`."""

    statement: Statement
    steps: tuple[str, ...]


def fuse(items: Sequence[Item], found: Iterable[Fusion], kept: Collection[str]) -> list[Item]:
    """The statements with the fusions made. One with a step that something else reads, or that is `kept` for others, is not made."""
    reads = Counter(name for item in items for name in _reads(item)) + Counter(kept)
    made = [fusion for fusion in found if all(reads[step] == 1 for step in fusion.steps)]
    gone = {step for fusion in made for step in fusion.steps}
    fused = {fusion.statement.output.name: fusion.statement for fusion in made}
    left = (item for item in items if isinstance(item, Repeat) or item.output.name not in gone)
    return [item if isinstance(item, Repeat) else fused.get(item.output.name, item) for item in left]


def by_name(items: Sequence[Item]) -> dict[str, Statement]:
    """The statements by the names of their results."""
    return {item.output.name: item for item in items if isinstance(item, Statement)}


def _reads(item: Item) -> Iterator[str]:
    if isinstance(item, Statement):
        yield from item.inputs
    else:
        yield from (carried.initial for carried in item.carried)
        yield from (name for statement in item.body for name in statement.inputs)


def find_gains(items: Sequence[Item], types: Types) -> Iterator[Fusion]:
    """A norm over the last axes and its gain: one over the same axes, or of a layernorm over several axes one number for all."""
    before = by_name(items)
    for last in before.values():
        norm = before.get(last.inputs[0])
        if last.op == "multiply" and norm is not None and norm.op in ("layernorm", "rmsnorm") and len(norm.inputs) == 1:
            gain, over = types.get(last.inputs[1]), tuple(norm.attributes["over"])
            number = norm.op == "layernorm" and len(over) > 1
            if gain is not None and not gain.batched and _trailing(norm, over) and (gain.axes == over or (number and not gain.axes)):
                yield Fusion(replace(norm, output=last.output, inputs=(*norm.inputs, last.inputs[1])), (norm.output.name,))


def find_biases(items: Sequence[Item], types: Types) -> Iterator[Fusion]:
    """A layernorm with a gain and its bias, both over its axes."""
    before = by_name(items)
    for last in before.values():
        norm = before.get(last.inputs[0])
        if last.op == "add" and norm is not None and norm.op == "layernorm" and len(norm.inputs) == 2:
            gain, bias, over = types.get(norm.inputs[1]), types.get(last.inputs[1]), tuple(norm.attributes["over"])
            if gain is not None and bias is not None and not bias.batched and gain.axes == bias.axes == over:
                yield Fusion(replace(norm, output=last.output, inputs=(*norm.inputs, last.inputs[1])), (norm.output.name,))


def _trailing(norm: Statement, over: tuple[str, ...]) -> bool:
    return norm.output.axes[len(norm.output.axes) - len(over) :] == over
