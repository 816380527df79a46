"""fuse-norms: a norm with the gain and the bias that come after it, as one operation.

One pass over the values in place of up to three. A gain is over the norm's axes, or one number; a bias, of a layernorm, over its axes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hopgraph.errors import Findings
from hopgraph.passes.base import Pass
from hopgraph.passes.fusion import Before, Fusion, Types, fused
from hopgraph.passes.sound import ensures
from hopgraph.program.program import Program, Statement


def run(program: Program, findings: Findings) -> Program:
    """Gains first, for a bias comes after one."""
    return fused(fused(program, _gains), _biases)


def _gains(before: Before, types: Types) -> Iterator[Fusion]:
    for last in before.values():
        norm = before.get(last.inputs[0])
        if last.op == "multiply" and norm is not None and norm.op in ("layernorm", "rmsnorm") and len(norm.inputs) == 1:
            gain, over = types[last.inputs[1]], tuple(norm.attributes["over"])
            if not gain.batched and _trailing(norm, over) and gain.axes in (over, ()):
                yield _with(norm, last)


def _biases(before: Before, types: Types) -> Iterator[Fusion]:
    for last in before.values():
        norm = before.get(last.inputs[0])
        if last.op == "add" and norm is not None and norm.op == "layernorm" and len(norm.inputs) == 2:
            bias = types[last.inputs[1]]
            if not bias.batched and bias.axes == tuple(norm.attributes["over"]):
                yield _with(norm, last)


def _with(norm: Statement, last: Statement) -> Fusion:
    return Fusion(replace(norm, output=last.output, inputs=(*norm.inputs, last.inputs[1])), (norm.output.name,))


def _trailing(norm: Statement, over: tuple[str, ...]) -> bool:
    return norm.output.axes[len(norm.output.axes) - len(over) :] == over


PASS = Pass("fuse-norms", run, ensures)
