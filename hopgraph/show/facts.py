"""What a checked spec declares, as plain data."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, cast

from hopgraph.energy.records import ParameterSpec
from hopgraph.errors import At
from hopgraph.graph.certificate import Certificate, Reason
from hopgraph.graph.ham import Block, Chain, ChainMap, Circle, EndOp, Factor, Group, Layer, Pull, Stage, Start, Synapse, chain_parameters
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.program.cost import cost_of, flops_by_operation

NORM_LETTERS = {"gain": "gain γ", "bias": "bias δ", "beta": "β"}  # noqa: RUF001 (Greek is meant)
LETTERS = {"affine": {"gain": "gain α", "bias": "bias β"}, "star_relu": {"scale": "scale s", "bias": "bias b"}}  # noqa: RUF001
"""The letters that Lagrangians have for their options, where they are not those of a norm."""


def summary(spec: CheckedSpec) -> dict[str, Any]:
    """The facts of a spec on a few lines."""
    kinds = sorted({pull.symmetry for stage in spec.ham.stages for synapse in stage.block.synapses for pull in synapse.pulls})
    return {
        "name": spec.name,
        "cite": spec.loaded.spec.cite,
        "input": sizes(spec.ham.input.axes),
        "output": sizes(spec.ham.output),
        "parameters": spec.parameter_count,
        "flops": cost_of(spec.program).flops,
        "symmetry": f"pulls {', '.join(kinds)}",
        "certificate": str(spec.certificate),
        "iso_params": str(spec.iso) if spec.iso else None,
    }


def facts(spec: CheckedSpec) -> dict[str, Any]:
    """Everything that a spec declares, and what the compiler knows of it."""
    ham = spec.ham
    known = zip(ham.stages, spec.certificates, strict=True)
    cost = cost_of(spec.program)
    return {
        **summary(spec),
        "variant": list(spec.loaded.variants),
        "settings": list(spec.loaded.settings),
        "dims": ham.dims,
        "kind": ham.input.kind,
        "vocabulary": ham.input.vocabulary,
        "encoder": [_end(end) for end in ham.encoder],
        "stages": [_stage(stage, certificate, spec) for stage, certificate in known],
        "readout": [_end(end) for end in ham.readout],
        "parameters_by_part": _by_part(spec),
        "flops_by_operation": flops_by_operation(spec.program),
        "weight_bytes": cost.weight_bytes,
        "value_bytes": cost.value_bytes,
        "tensors": {parameter.name: list(parameter.shape) for parameter in spec.program.parameters},
    }


def as_json(spec: CheckedSpec) -> str:
    """The facts as JSON."""
    return json.dumps(facts(spec), indent=1, ensure_ascii=False) + "\n"


def title(spec: CheckedSpec) -> str:
    """The name, the variants and settings laid over it, and what to cite."""
    over = [*spec.loaded.variants, *spec.loaded.settings]
    cite = spec.loaded.spec.cite
    return spec.name + (f" ({', '.join(over)})" if over else "") + (f", {cite}" if cite else "")


def reason_lines(spec: CheckedSpec, certificate: Certificate) -> list[str]:
    """Each reason with its position in the file, then the notes."""
    return [f"{reason.text} ({spec.loaded.locate(At(reason.at))})" for reason in (*certificate.reasons, *certificate.notes)]


def certificates(spec: CheckedSpec) -> list[tuple[str, Certificate, list[str]]]:
    """Each certificate with its reasons, and the stages that have it, in words: of a single stage none. Stages that agree stand once."""
    if len(spec.certificates) == 1:
        return [("", spec.certificate, reason_lines(spec, spec.certificate))]
    found: dict[tuple[str, ...], list[int]] = {}
    for number, certificate in enumerate(spec.certificates):
        found.setdefault((str(certificate), certificate.energy, *reason_lines(spec, certificate)), []).append(number)
    return [
        (_stages([number + 1 for number in numbers]), spec.certificates[numbers[0]], list(reasons))
        for (_, _, *reasons), numbers in found.items()
    ]


def _stages(numbers: list[int]) -> str:
    return f"{'stage' if len(numbers) == 1 else 'stages'} {listed(str(number) for number in numbers)}"


# --- parts ------------------------------------------------------------------------------------------------------------


def _stage(stage: Stage, certificate: Certificate, spec: CheckedSpec) -> dict[str, Any]:
    block = stage.block
    return {
        "down": [_end(end) for end in stage.down],
        "depth": block.depth,
        "steps": block.steps,
        "axes": block.axes,
        "entry": block.entry,
        "exit": block.exit,
        "layers": [_layer(layer, block) for layer in block.layers],
        "synapses": [_synapse(synapse, block) for synapse in block.synapses],
        "starts": [_start(start) for start in block.starts],
        "circles": [_circle(circle) for circle in block.circles],
        "groups": [_group(group) for group in block.schedule],
        "certificate": _certificate(certificate, spec),
    }


def _certificate(certificate: Certificate, spec: CheckedSpec) -> dict[str, Any]:
    return {
        "verdict": certificate.verdict.value,
        "steps": certificate.steps,
        "energy": certificate.energy,
        "has_energy": certificate.has_energy,
        "relaxed": list(certificate.relaxed),
        "reasons": [_reason(reason, spec) for reason in certificate.reasons],
        "notes": [_reason(reason, spec) for reason in certificate.notes],
    }


def _reason(reason: Reason, spec: CheckedSpec) -> dict[str, Any]:
    return {"verdict": reason.verdict.value, "text": reason.text, "at": str(spec.loaded.locate(At(reason.at)))}


def _end(end: EndOp) -> dict[str, Any]:
    return {
        "operation": end.kind,
        "name": end.name,
        "options": plain(_given(_end_options(end))),
        "input": sizes(end.source),
        "output": sizes(end.target),
    }


def _end_options(end: EndOp) -> Mapping[str, Any]:
    """The options of an operation; of a sum its chains, as text."""
    if not end.branches:
        return end.options
    return {"of": " + ".join(" ".join(map(_inner_text, branch)) or "identity" for branch in end.branches)}


def _inner_text(end: EndOp) -> str:
    """An operation with its options."""
    options = ", ".join(_options(_end_options(end), ()))
    return f"{end.kind}{f' ({options})' if options else ''}"


def _layer(layer: Layer, block: Block) -> dict[str, Any]:
    return {
        "name": layer.name,
        "axes": {axis: block.axes[axis] for axis in layer.axes},
        "lagrangian": layer.lagrangian,
        "options": plain(_given(layer.options)),
        "formula": layer.record.formula.replace("@", "x"),
        "convex": layer.convex,
        "kind": "fast" if layer.fast else "clamped" if layer.clamped else "slow",
        "tau": 0.0 if layer.fast else layer.tau,
        "parameters": count(layer.parameters(block.axes)),
    }


def _synapse(synapse: Synapse, block: Block) -> dict[str, Any]:
    return {
        "name": synapse.name,
        "energy": energy_text(synapse),
        "parameters": sum(count(chain_parameters(factor.chain, block.axes)) for factor in synapse.factors),
        "factors": [_factor(factor, block) for factor in synapse.factors],
        "biases": {name: list(axes) for name, axes in synapse.biases.items()},
        "pulls": [_pull(pull, synapse) for pull in synapse.pulls],
    }


def _factor(factor: Factor, block: Block) -> dict[str, Any]:
    return {
        "name": factor.name,
        "layer": factor.layer,
        "rename": dict(factor.rename),
        "chain": [map_text(step) for step in factor.chain],
        "axes": list(factor.axes),
        "parameters": {name: list(spec.shape) for name, spec in chain_parameters(factor.chain, block.axes).items()},
    }


def _pull(pull: Pull, synapse: Synapse) -> dict[str, Any]:
    return {
        "on": pull.factor,
        "layer": synapse.factor(pull.factor).layer,
        "symmetry": pull.symmetry,
        "lambda": str(pull.penalty) if pull.penalty is not None else None,
        "return": [map_text(step) for step in pull.returns] if pull.returns is not None else None,
        "reads": [] if pull.symmetry == "off" else [factor.name for factor in synapse.factors if factor.name != pull.factor],
    }


def _start(start: Start) -> dict[str, Any]:
    return {"layer": start.layer, "pulls": [".".join(pull) for pull in start.pulls], "fast": list(start.fast)}


def _circle(circle: Circle) -> dict[str, Any]:
    return {"order": list(circle.order), "iterations": circle.iterations}


def _group(group: Group) -> dict[str, Any]:
    drop = group.drop
    return {
        "synapses": list(group.synapses),
        "form": group.form,
        "step": str(group.step),
        "own_norms": list(group.own_norms),
        "fast": list(group.fast),
        "drop": {"rate": drop.rate, "per": drop.per, "schedule": drop.schedule} if drop is not None else None,
    }


def _by_part(spec: CheckedSpec) -> dict[str, int]:
    """Parameters of the encoder, of all blocks, of what is between stages, and of the readout."""
    parts: dict[str, int] = {}
    for parameter in (parameter for parameter in spec.program.parameters if parameter.trainable):
        part = parameter.name.split(".")[0]
        parts[part] = parts.get(part, 0) + parameter.size
    return parts


def count(parameters: Mapping[str, ParameterSpec]) -> int:
    """How many numbers some parameters are."""
    return sum(math.prod(spec.shape) for spec in parameters.values())


# --- words ------------------------------------------------------------------------------------------------------------


def sizes(axes: Mapping[str, int]) -> str:
    """`[n=64, c=512]`."""
    return "[" + ", ".join(f"{axis}={size}" for axis, size in axes.items()) + "]"


def short(number: float) -> str:
    """A count to three digits: `594`, `7.58 k`, `36.1 G`, `1.2 T`."""
    for unit in ("", " k", " M", " G"):
        if number < 999.5:
            return f"{number:.3g}{unit}"
        number /= 1000
    return f"{number:.3g} T"


def listed(names: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def energy_text(synapse: Synapse) -> str:
    """E_s in one line: `- sum s[k,c] (x[n,c] dense n->k)[k,c]`, and its external fields."""
    product = [f"- sum {' '.join(_term(factor) for factor in synapse.factors)}"] if len(synapse.factors) > 1 else []
    fields = [f"- <b[{','.join(axes)}], {synapse.factor(name).layer}>" for name, axes in synapse.biases.items()]
    return " ".join((*product, *fields))


def _term(factor: Factor) -> str:
    """A factor as its axes and maps: `(x[n,c] dense n->k)[k,c]`."""
    seen = f"{factor.layer}[{','.join(factor.seen)}]"
    return f"({seen} {chain_text(factor.chain)})[{','.join(factor.axes)}]" if factor.chain else seen


def chain_text(chain: Chain) -> str:
    """The maps of a chain, one after the other."""
    return " ".join(map_text(step) for step in chain)


def map_text(step: ChainMap) -> str:
    """A map as its kind, the axes that it changes, and its options: `dense n->k (mask causal)`."""
    if step.kind == "sum":
        return "sum (" + " + ".join(chain_text(branch) or "identity" for branch in step.branches) + ")"
    across = _across(step)
    hidden = () if step.kind == "mask" else ("axes",)
    options = [text for text in _options(step.options, hidden) if text]
    return f"{step.kind}{across}" + (f" ({', '.join(options)})" if options else "")


def _across(step: ChainMap) -> str:
    """` n->k`: the axes that a map names as its own, or those that it changes."""
    named = step.options.get("axes")
    if isinstance(named, dict):
        given = cast("dict[str, str | tuple[str, ...]]", named)
        new = [axis for axes in given.values() for axis in ((axes,) if isinstance(axes, str) else axes)]
        return f" {','.join(given)}->{','.join(new)}"
    old, new = (_only(*pair) for pair in ((step.source, step.target), (step.target, step.source)))
    return f" {','.join(old)}->{','.join(new)}" if old or new else ""


def _only(axes: tuple[str, ...], others: tuple[str, ...]) -> list[str]:
    """The axes that the others lack."""
    return [axis for axis in axes if axis not in others]


def end_text(end: EndOp) -> str:
    """An operation with its options and the sizes of what it reads and gives."""
    return f"{_inner_text(end)}: {sizes(end.source)} -> {sizes(end.target)}"


def option_text(layer: Layer, block: Block) -> list[str]:
    """A Lagrangian's options under the letters of its formula, and how many elements a norm is over."""
    letters = {"eps": "ε", **LETTERS.get(layer.lagrangian, NORM_LETTERS)}
    found = _options({letters.get(name, name): value for name, value in layer.options.items()}, ())
    if "eps" in layer.options:
        found.append(f"D {math.prod(block.axes[axis] for axis in layer.options['over'])}")
    return found


def pull_text(pull: Pull) -> str:
    """The symmetry of a pull, with its lambda and its return chain."""
    text = pull.symmetry + (f", lambda {pull.penalty}" if pull.penalty is not None else "")
    return text + (f", returns through {chain_text(pull.returns) or 'the identity'}" if pull.returns is not None else "")


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that say something."""
    return {name: value for name, value in options.items() if value not in (None, False, (), {})}


def _options(options: Mapping[str, Any], hidden: tuple[str, ...]) -> list[str]:
    return [f"{name}{'' if value is True else ' ' + _option(value)}" for name, value in _given(options).items() if name not in hidden]


def _option(value: Any) -> str:
    if isinstance(value, tuple | list):
        return f"[{', '.join(_option(item) for item in cast('tuple[Any, ...]', value))}]"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_option(item)}" for name, item in _given(cast("dict[str, Any]", value)).items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def plain(value: Any) -> Any:
    """A value as JSON reads it back: tuples as lists."""
    if isinstance(value, tuple | list):
        return [plain(item) for item in cast("tuple[Any, ...]", value)]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in cast("dict[str, Any]", value).items()}
    return value
