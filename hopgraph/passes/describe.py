"""What a checked spec declares, as plain data and as text: `hopgraph check` and `hopgraph show`."""

from __future__ import annotations

import math
from typing import Any, cast

from hopgraph.energy.records import ParameterSpec
from hopgraph.errors import At
from hopgraph.graph.ham import Block, Factor, Group, Layer, Pull, Synapse
from hopgraph.passes.pipeline import CheckedSpec


def summary(spec: CheckedSpec) -> dict[str, Any]:
    """The facts of a spec on a few lines."""
    kinds = sorted({pull.symmetry for synapse in spec.ham.block.synapses for pull in synapse.pulls})
    return {
        "name": spec.name,
        "cite": spec.loaded.spec.cite,
        "input": sizes(spec.ham.input),
        "output": sizes(spec.ham.output),
        "parameters": spec.program.parameter_count,
        "symmetry": f"pulls {', '.join(kinds)}",
        "certificate": str(spec.certificate),
    }


def describe(spec: CheckedSpec) -> dict[str, Any]:
    """Everything that `hopgraph show` prints."""
    block = spec.ham.block
    return {
        **summary(spec),
        "variant": list(spec.loaded.variants),
        "dims": spec.ham.dims,
        "encoder": [_end(end.kind, end.source, end.target) for end in spec.ham.encoder],
        "depth": block.depth,
        "steps": block.steps,
        "layers": [_layer(layer, block) for layer in block.layers],
        "synapses": [_synapse(synapse, block) for synapse in block.synapses],
        "groups": [_group(group) for group in block.schedule],
        "readout": [_end(end.kind, end.source, end.target) for end in spec.ham.readout],
        "parameters_by_part": _by_part(spec),
        "reasons": [{"text": reason.text, "at": str(spec.loaded.locate(At(reason.at)))} for reason in spec.certificate.reasons],
    }


def sizes(axes: dict[str, int]) -> str:
    """`[n=64, c=512]`."""
    return "[" + ", ".join(f"{axis}={size}" for axis, size in axes.items()) + "]"


def _end(kind: str, source: dict[str, int], target: dict[str, int]) -> dict[str, Any]:
    return {"operation": kind, "input": sizes(source), "output": sizes(target)}


def _layer(layer: Layer, block: Block) -> dict[str, Any]:
    options = {name: value for name, value in layer.options.items() if value is not None}
    return {
        "name": layer.name,
        "axes": sizes({axis: block.axes[axis] for axis in layer.axes}),
        "lagrangian": layer.lagrangian,
        "options": options,
        "formula": layer.record.formula.replace("@", "x"),
        "kind": "fast" if layer.fast else "slow",
        "parameters": _count(layer.parameters(block.axes)),
    }


def _synapse(synapse: Synapse, block: Block) -> dict[str, Any]:
    return {
        "name": synapse.name,
        "energy": f"- sum {' '.join(_term(factor) for factor in synapse.factors)}",
        "parameters": sum(_weights(factor, block) for factor in synapse.factors),
        "pulls": [_pull(pull, synapse) for pull in synapse.pulls],
    }


def _weights(factor: Factor, block: Block) -> int:
    return sum(_count(step.parameters(block.axes)) for step in factor.chain)


def _pull(pull: Pull, synapse: Synapse) -> dict[str, Any]:
    return {"on": pull.factor, "layer": synapse.factor(pull.factor).layer, "symmetry": pull.symmetry, "lambda": pull.penalty}


def _term(factor: Factor) -> str:
    """A factor as its axes and maps: `(x[n,c] dense n->k)[k,c]`."""
    seen = f"{factor.layer}[{','.join(factor.seen)}]"
    if not factor.chain:
        return seen
    maps = " ".join(f"{step.kind} {_only(step.source, step.target)}->{_only(step.target, step.source)}" for step in factor.chain)
    return f"({seen} {maps})[{','.join(factor.axes)}]"


def _only(axes: tuple[str, ...], others: tuple[str, ...]) -> str:
    """The axes that the others lack; all of them for a map of an axis onto itself."""
    return ",".join(tuple(axis for axis in axes if axis not in others) or axes)


def _group(group: Group) -> dict[str, Any]:
    return {
        "synapses": list(group.synapses),
        "form": group.form,
        "step": group.step,
        "own_norms": list(group.own_norms),
        "fast_layers": list(group.fast),
    }


def _count(parameters: dict[str, ParameterSpec]) -> int:
    return sum(math.prod(spec.shape) for spec in parameters.values())


def _by_part(spec: CheckedSpec) -> dict[str, int]:
    """Parameters of the encoder, of all blocks, and of the readout."""
    parts: dict[str, int] = {}
    for parameter in spec.program.parameters:
        part = parameter.name.split(".")[0]
        parts[part] = parts.get(part, 0) + parameter.size
    return parts


def render(facts: dict[str, Any]) -> str:
    """The description as text."""
    title = (
        facts["name"] + (f" ({', '.join(facts['variant'])})" if facts["variant"] else "") + (f", {facts['cite']}" if facts["cite"] else "")
    )
    lines = [title, f"{facts['input']} -> {facts['output']}, {facts['parameters']:,} parameters", ""]
    for part in ("encoder", "readout"):
        lines += [f"{part}:", *(f"  {end['operation']}: {end['input']} -> {end['output']}" for end in facts[part]), ""]
    repeat = f"depth {facts['depth']}" + (f", {facts['steps']} steps each" if facts["steps"] > 1 else "")
    lines += [f"block, {repeat}:"]
    for layer in facts["layers"]:
        options = ", ".join(f"{name} {_option(value)}" for name, value in layer["options"].items())
        lines.append(f"  layer {layer['name']} {layer['axes']}, {layer['kind']}: {layer['lagrangian']}{f' ({options})' if options else ''}")
        lines.append(f"    L = {layer['formula']}")
    for synapse in facts["synapses"]:
        lines.append(f"  synapse {synapse['name']}: E = {synapse['energy']}, {synapse['parameters']:,} base weights a block")
        lines += [f"    pull on {pull['on']}: {_symmetry(pull)}" for pull in synapse["pulls"]]
    for number, group in enumerate(facts["groups"]):
        own = f", own norm of {', '.join(group['own_norms'])}" if group["own_norms"] else ""
        lines.append(f"  group {number}: {', '.join(group['synapses'])}; {group['form']}, step {group['step']:g}{own}")
    parts = ", ".join(f"{part} {count:,}" for part, count in facts["parameters_by_part"].items())
    lines += ["", f"parameters: {parts}", f"certificate: {facts['certificate']}"]
    lines += [f"  {reason['text']} ({reason['at']})" for reason in facts["reasons"]]
    return "\n".join(lines)


def _symmetry(pull: dict[str, Any]) -> str:
    return pull["symmetry"] + (f", lambda {pull['lambda']:g}" if pull["lambda"] is not None else "")


def _option(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(cast('tuple[str, ...]', value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)
