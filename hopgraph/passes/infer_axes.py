"""infer-axes: the axes of every factor through its chain, and of every encoder and readout operation."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hopgraph.energy.maps import MAPS
from hopgraph.energy.records import RecordError
from hopgraph.errors import At, Findings, listing, rename_help
from hopgraph.frontend.ends import ENDS, Shape
from hopgraph.graph.ham import Block, EndOp, Factor, Ham, Layer, Synapse, place
from hopgraph.passes.base import Pass
from hopgraph.passes.resolve_dims import UNKNOWN


def run(ham: Ham, findings: Findings) -> Ham:
    """Check every axis and fill in those of factors and operations."""
    block = ham.block
    layers = {layer.name: layer for layer in block.layers}
    usable = {layer.name for layer in block.layers if _check_layer(layer, block, findings)}
    synapses = tuple(_synapse(synapse, layers, usable, block, findings) for synapse in block.synapses)
    encoder, entry = _ends(ham.encoder, ham.input, findings)
    state = _state(ham, entry, usable, findings)
    readout, _ = _ends(ham.readout, state, findings)
    return replace(ham, encoder=encoder, readout=readout, block=replace(block, synapses=synapses))


def _check_axes(axes: tuple[str, ...], block: Block, at: At, findings: Findings) -> bool:
    unknown = [axis for axis in axes if axis not in block.axes]
    for axis in unknown:
        findings.add(
            "axis-unknown",
            f"the block declares no axis `{axis}`",
            at,
            related=[(At(("block", "axes"), key=True), "axes are declared here")],
            notes=[f"declared axes are {listing(block.axes)}"],
            helps=rename_help(axis, block.axes),
        )
    return not unknown


def _check_layer(layer: Layer, block: Block, findings: Findings) -> bool:
    known = _check_axes(layer.axes, block, place(layer.at, "axes"), findings)
    if len(set(layer.axes)) < len(layer.axes):
        findings.add("axes-mismatch", f"layer `{layer.name}` has an axis twice", place(layer.at, "axes"))
        known = False
    for field in ("over", "gain", "bias"):
        value = layer.options.get(field)
        for axis in value if isinstance(value, tuple) else ():
            if axis not in layer.axes:
                findings.add(
                    "axis-unknown",
                    f"the Lagrangian of layer `{layer.name}` is over axis `{axis}`, which the layer does not have",
                    place(layer.at, "lagrangian", layer.lagrangian, field),
                    related=[(place(layer.at, "axes"), "the layer's axes")],
                    helps=rename_help(axis, layer.axes),
                )
                known = False
    return known


def _synapse(synapse: Synapse, layers: dict[str, Layer], usable: set[str], block: Block, findings: Findings) -> Synapse:
    factors = tuple(_factor(factor, layers, usable, block, findings) for factor in synapse.factors)
    if len(factors) < 2:
        findings.add("missing-field", f"synapse `{synapse.name}` needs at least two factors", place(synapse.at, "factors"))
    if all(factor.axes for factor in factors):
        _check_product(synapse, factors, findings)
    return replace(synapse, factors=factors)


def _check_product(synapse: Synapse, factors: tuple[Factor, ...], findings: Findings) -> None:
    """An axis that one factor alone has would be summed away in every pull but its own, where it would be made up."""
    uses = Counter(axis for factor in factors for axis in factor.axes)
    for factor in factors:
        for axis in factor.axes:
            if uses[axis] == 1 and len(factors) > 1:
                others = [(At(other.at), f"has the axes [{', '.join(other.axes)}]") for other in factors if other is not factor]
                findings.add(
                    "axes-mismatch",
                    f"in synapse `{synapse.name}` only the factor `{factor.name}` has the axis `{axis}`",
                    At(factor.at),
                    related=others,
                    notes=[f"`{factor.name}` has the axes [{', '.join(factor.axes)}]"],
                    helps=["map or rename axes so that each is shared by at least two factors"],
                )


def _factor(factor: Factor, layers: dict[str, Layer], usable: set[str], block: Block, findings: Findings) -> Factor:
    if factor.layer not in layers:
        at = At((*factor.at, "layer"))
        notes = [f"declared layers are {listing(layers)}"]
        findings.add("layer-unknown", f"no layer is named `{factor.layer}`", at, notes=notes, helps=rename_help(factor.layer, layers))
        return factor
    layer = layers[factor.layer]
    if factor.layer not in usable:
        return factor
    for old in factor.rename:
        if old not in layer.axes:
            findings.add(
                "axis-unknown",
                f"layer `{layer.name}` has no axis `{old}` to rename",
                At((*factor.at, "rename", old), key=True),
                related=[(place(layer.at, "axes"), "the layer's axes")],
                helps=rename_help(old, layer.axes),
            )
            return factor
    if not _check_axes(tuple(factor.rename.values()), block, place(factor.at, "rename"), findings):
        return factor
    seen = tuple(factor.rename.get(axis, axis) for axis in layer.axes)
    resized = [(old, new) for old, new in factor.rename.items() if block.axes[old] != block.axes[new]]
    if resized or len(set(seen)) < len(seen):
        reason = f"axis `{resized[0][0]}` and axis `{resized[0][1]}` have different sizes" if resized else "two axes would get one name"
        findings.add("axes-mismatch", f"`rename` cannot be applied: {reason}", place(factor.at, "rename"))
        return factor
    return _chain(replace(factor, seen=seen), block, findings)


def _chain(factor: Factor, block: Block, findings: Findings) -> Factor:
    axes = factor.seen
    chain = list(factor.chain)
    for index, step in enumerate(chain):
        try:
            target = MAPS[step.kind].target(step.options, axes)
        except RecordError as error:
            at = place(step.at, *([error.field] if error.field else []))
            findings.add("map-invalid", error.message, at, notes=[f"it is applied to the axes [{', '.join(axes)}]"])
            return factor
        new = tuple(axis for axis in target if axis not in axes)
        if not _check_axes(new, block, At(step.at), findings):
            return factor
        chain[index] = replace(step, source=axes, target=target)
        axes = target
    return replace(factor, chain=tuple(chain), axes=axes)


def _ends(operations: tuple[EndOp, ...], shape: Shape, findings: Findings) -> tuple[tuple[EndOp, ...], Shape]:
    found: list[EndOp] = []
    for operation in operations:
        if not shape or UNKNOWN in shape.values() or UNKNOWN in operation.options.values():
            shape = {}
            found.append(operation)
            continue
        try:
            target = ENDS[operation.kind].shape(operation.options, shape)
        except RecordError as error:
            at = place(operation.at, *([error.field] if error.field else []))
            findings.add(
                "operation-invalid", error.message, at, helps=[f"its input has the axes {listing(error.known)}"] if error.known else []
            )
            target = {}
        found.append(replace(operation, source=shape, target=target))
        shape = target
    return tuple(found), shape


def _state(ham: Ham, entry: Shape, usable: set[str], findings: Findings) -> Shape:
    """The slow layer's axes and sizes, checked against what the encoder gives."""
    slow = ham.block.slow
    if len(slow) != 1:
        findings.add(
            "slow-layers",
            f"a block with an encoder needs exactly one slow layer; this one has {listing(layer.name for layer in slow)}",
            At(("block", "layers"), key=True),
            helps=["mark the hidden layers `fast: true`"],
        )
        return {}
    layer = slow[0]
    if layer.name not in usable:
        return {}
    state = {axis: ham.block.axes[axis] for axis in layer.axes}
    if entry and UNKNOWN not in state.values() and list(entry.items()) != list(state.items()):
        findings.add(
            "axes-mismatch",
            f"the encoder gives {_sizes(entry)}, and layer `{layer.name}` is {_sizes(state)}",
            place(layer.at, "axes"),
            related=[(At(ham.encoder[-1].at if ham.encoder else ("input",)), "the encoder's result comes from here")],
            helps=["make the sizes equal: the encoder's result is the layer's first state"],
        )
    return state


def _sizes(shape: Shape) -> str:
    return "[" + ", ".join(f"{axis}={size}" for axis, size in shape.items()) + "]"


def ensures(ham: Ham) -> list[str]:
    """Every factor and every operation has axes."""
    factors = [factor for synapse in ham.block.synapses for factor in synapse.factors]
    broken = [f"factor {factor.name} has no axes" for factor in factors if not factor.axes]
    return broken + [f"operation {end.name} has no source" for end in (*ham.encoder, *ham.readout) if not end.source]


PASS = Pass("infer-axes", run, ensures)
