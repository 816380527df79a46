"""The facts of a spec as text for a terminal."""

from __future__ import annotations

from typing import Any, cast

Facts = dict[str, Any]


def text(known: Facts) -> str:
    """The facts as text."""
    lines = [_title(known), f"{known['input']} -> {known['output']}, {known['parameters']:,} parameters"]
    lines += _ends("encoder", known["encoder"])
    several = len(known["stages"]) > 1
    for number, stage in enumerate(known["stages"]):
        lines += ["", *_stage(stage, f"stage {number + 1}" if several else "block")]
    lines += _ends("readout", known["readout"])
    parts = ", ".join(f"{part} {count:,}" for part, count in known["parameters_by_part"].items())
    lines += ["", f"parameters: {parts}", _cost(known)]
    lines += [f"iso_params: {known['iso_params']}"] if known["iso_params"] else []
    return "\n".join([*lines, *([f"certificate: {known['certificate']}"] if several else [])])


def _cost(known: Facts) -> str:
    """The floating point operations of one example, by operation."""
    kinds = ", ".join(f"{name} {count:,}" for name, count in known["flops_by_operation"].items())
    return f"FLOPs of one example: {known['flops']:,}" + (f" ({kinds})" if kinds else "")


def _title(known: Facts) -> str:
    over = [*known["variant"], *known["settings"]]
    return known["name"] + (f" ({', '.join(over)})" if over else "") + (f", {known['cite']}" if known["cite"] else "")


def _ends(part: str, ends: list[Facts]) -> list[str]:
    return ["", f"{part}:", *(f"  {_end(end)}" for end in ends)] if ends else []


def _end(end: Facts) -> str:
    return f"{end['operation']}{_options(end['options'])}: {end['input']} -> {end['output']}"


def _stage(stage: Facts, name: str) -> list[str]:
    steps = f", {stage['steps']} steps each" if stage["steps"] > 1 else ""
    way = f", {stage['entry']} to {stage['exit']}" if stage["entry"] != stage["exit"] else ""
    lines = [f"{name}, depth {stage['depth']}{steps}{way}:", *(f"  before it, {_end(end)}" for end in stage["down"])]
    for part, write in (("layers", _layer), ("synapses", _synapse), ("starts", _start), ("circles", _circle)):
        lines += [f"  {line}" for item in stage[part] for line in write(item)]
    for number, group in enumerate(stage["groups"]):
        lines.append(f"  {_group(group, number)}")
    return [*lines, *(f"  {line}" for line in _certificate(stage["certificate"]))]


def _layer(layer: Facts) -> list[str]:
    axes = ", ".join(f"{axis}={size}" for axis, size in layer["axes"].items())
    tau = f", tau {layer['tau']:g}" if layer["kind"] == "slow" and layer["tau"] != 1 else ""
    parameters = f", {layer['parameters']:,} parameters" if layer["parameters"] else ""
    head = f"layer {layer['name']} [{axes}], {layer['kind']}{tau}: {layer['lagrangian']}{_options(layer['options'])}{parameters}"
    return [head, f"  L = {layer['formula']}{'' if layer['convex'] else ', not convex'}"]


def _synapse(synapse: Facts) -> list[str]:
    head = f"synapse {synapse['name']}: E = {synapse['energy']}, {synapse['parameters']:,} base weights a block"
    return [head, *(f"  {_pull(pull)}" for pull in synapse["pulls"])]


def _pull(pull: Facts) -> str:
    on = pull["on"] if pull["on"] == pull["layer"] else f"{pull['on']} ({pull['layer']})"
    text = f"pull on {on}: {pull['symmetry']}" + (f", lambda {pull['lambda']}" if pull["lambda"] is not None else "")
    text += f", returns through {' '.join(pull['return']) or 'the identity'}" if pull["return"] is not None else ""
    return text + (f", reads {', '.join(pull['reads'])}" if pull["reads"] else "")


def _start(start: Facts) -> list[str]:
    before = f" after {', '.join(start['fast'])}" if start["fast"] else ""
    return [f"start: {start['layer']} from {', '.join(start['pulls'])}{before}"]


def _circle(circle: Facts) -> list[str]:
    return [f"circle: {', '.join(circle['order'])}, {circle['iterations']} Picard iterations"]


def _group(group: Facts, number: int) -> str:
    text = f"group {number + 1}: {', '.join(group['synapses'])}; {group['form']}, step {group['step']}"
    text += f"; after {', '.join(group['fast'])}" if group["fast"] else ""
    text += f"; own norm of {', '.join(group['own_norms'])}" if group["own_norms"] else ""
    drop = group["drop"]
    return text + (f"; drop {drop['rate']:g} per {drop['per']}, {drop['schedule']} in depth" if drop and drop["rate"] else "")


def _certificate(certificate: Facts) -> list[str]:
    about = f", of {certificate['energy']}" if certificate["has_energy"] else ""
    steps = f" ({certificate['steps']})" if certificate["steps"] else ""
    head = f"certificate: {certificate['verdict']}{steps}{about}"
    return [head, *(f"  {reason['text']} ({reason['at']})" for reason in [*certificate["reasons"], *certificate["notes"]])]


def _options(options: Facts) -> str:
    words = [f"{name}{'' if value is True else ' ' + _option(value)}" for name, value in options.items()]
    return f" ({', '.join(words)})" if words else ""


def _option(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_option(item) for item in cast('list[Any]', value))}]"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_option(item)}" for name, item in cast("Facts", value).items())
    return f"{value:g}" if isinstance(value, float) else str(value)
