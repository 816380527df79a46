"""infer-axes: the axes of every factor through its chain, and of every encoder and readout operation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from hopgraph.energy.maps import MAPS
from hopgraph.energy.records import RecordError
from hopgraph.errors import At, Findings, listing, rename_help
from hopgraph.frontend.ends import ENDS, Shape
from hopgraph.frontend.names import check_name
from hopgraph.graph.ham import Block, ChainMap, EndOp, Factor, Ham, Layer, Synapse, place
from hopgraph.passes.base import Pass
from hopgraph.passes.resolve_dims import UNKNOWN

MAX_AXES = 8
"""How many axes a value may have. The product of a synapse may be over twice as many: einsum has a letter for each."""


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


def _check_axes(places: Iterable[tuple[str, At]], block: Block, findings: Findings) -> bool:
    """Whether the block declares every axis that is named at some place."""
    unknown = [(axis, at) for axis, at in places if axis not in block.axes]
    for axis, at in unknown:
        findings.add(
            "axis-unknown",
            f"the block declares no axis `{axis}`",
            at,
            related=[(At(("block", "axes"), key=True), "axes are declared here")],
            notes=[f"declared axes: {listing(block.axes)}"],
            helps=rename_help(axis, block.axes),
        )
    return not unknown


def _check_count(count: int, most: int, what: str, at: At, findings: Findings) -> bool:
    if count > most:
        findings.add("too-large", f"{what} has {count} axes; {most} are the most", at)
    return count <= most


def _check_layer(layer: Layer, block: Block, findings: Findings) -> bool:
    """Check a layer's axes and its Lagrangian's; whether the layer's are known."""
    known = _check_axes(((axis, place(layer.at, "axes", index)) for index, axis in enumerate(layer.axes)), block, findings)
    known &= _check_count(len(layer.axes), MAX_AXES, f"layer `{layer.name}`", place(layer.at, "axes"), findings)
    for field in ("over", "gain", "bias") if known else ():
        value = layer.options.get(field)
        for index, axis in enumerate(value if isinstance(value, tuple) else ()):
            if axis not in layer.axes:
                findings.add(
                    "axis-unknown",
                    f"layer `{layer.name}` has no axis `{axis}`, which `{field}` of its Lagrangian names",
                    place(layer.at, "lagrangian", layer.lagrangian, field, index),
                    related=[(place(layer.at, "axes"), "the layer's axes")],
                    helps=rename_help(axis, layer.axes),
                )
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
    if not _check_count(len(uses), 2 * MAX_AXES, f"synapse `{synapse.name}`", At(synapse.at, key=True), findings):
        return
    single = [(axis, factor) for factor in factors for axis in factor.axes if uses[axis] == 1]
    if not single or len(factors) < 2:
        return
    alone = " and ".join(f"`{axis}` is only in `{factor.name}`" for axis, factor in single[:4])
    first = single[0][1]
    others = [factor for factor in factors if factor is not first]
    findings.add(
        "axes-mismatch",
        f"the axes of synapse `{synapse.name}` do not pair up: {alone}",
        At(first.at),
        related=[(At(other.at), f"`{other.name}` has the axes [{', '.join(other.axes)}]") for other in others[:4]],
        notes=[f"`{first.name}` has the axes [{', '.join(first.axes)}]"],
        helps=["map or rename axes so that each is shared by at least two factors"],
    )


def _factor(factor: Factor, layers: dict[str, Layer], usable: set[str], block: Block, findings: Findings) -> Factor:
    if factor.layer not in layers:
        at = At((*factor.at, "layer"))
        notes = [f"declared layers: {listing(layers)}"]
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
    if not _check_axes(((new, place(factor.at, "rename", old)) for old, new in factor.rename.items()), block, findings):
        return factor
    seen = tuple(factor.rename.get(axis, axis) for axis in layer.axes)
    if len(set(seen)) < len(seen):
        twice = next(axis for axis in seen if seen.count(axis) > 1)
        findings.add("axes-mismatch", f"two axes of layer `{layer.name}` would be named `{twice}` here", place(factor.at, "rename"))
        return factor
    for old, new in factor.rename.items():
        if UNKNOWN not in (block.axes[old], block.axes[new]) and block.axes[old] != block.axes[new]:
            findings.add(
                "axes-mismatch",
                f"axis `{old}` cannot be renamed to `{new}`: their sizes are {block.axes[old]} and {block.axes[new]}",
                place(factor.at, "rename", old),
                related=[(At(("block", "axes", name), key=True), f"`{name}` is declared here") for name in (old, new)],
            )
            return factor
    return _chain(replace(factor, seen=seen), block, findings)


def _chain(factor: Factor, block: Block, findings: Findings) -> Factor:
    axes = factor.seen
    chain = list(factor.chain)
    for index, step in enumerate(chain):
        try:
            target = MAPS[step.kind].target(step.options, axes, block.axes)
        except RecordError as error:
            at = place(step.at, *([error.field] if error.field else []))
            notes, helps = [f"its input has the axes [{', '.join(axes)}]"], rename_help(error.word, error.known)
            findings.add("map-invalid", error.message, at, notes=notes, helps=helps)
            return factor
        if not _check_axes(((axis, _naming(step, axis)) for axis in target if axis not in axes), block, findings):
            return factor
        if not _check_count(len(target), MAX_AXES, "the result of this map", At(step.at), findings):
            return factor
        chain[index] = replace(step, source=axes, target=target)
        axes = target
    return replace(factor, chain=tuple(chain), axes=axes)


def _naming(step: ChainMap | EndOp, axis: str) -> At:
    """Where the options of a map or an operation name an axis that it gives."""
    for field, value in step.options.items():
        if value == axis:
            return place(step.at, field)
        if isinstance(value, tuple) and axis in value:
            return place(step.at, field, value.index(axis))
        for old, new in value.items() if isinstance(value, dict) else ():
            if axis in new:
                return place(step.at, field, old, new.index(axis))
    return At(step.at)


def _ends(operations: tuple[EndOp, ...], shape: Shape | None, findings: Findings) -> tuple[tuple[EndOp, ...], Shape | None]:
    """The operations with the sizes of what they read and give, and the last of these; None where it is not known."""
    found: list[EndOp] = []
    for operation in operations:
        target = None
        if shape is not None and UNKNOWN not in (*shape.values(), *operation.options.values()):
            target = _target(operation, shape, findings)
        found.append(replace(operation, source=shape or {}, target=target or {}))
        shape = target
    return tuple(found), shape


def _target(operation: EndOp, shape: Shape, findings: Findings) -> Shape | None:
    try:
        target = ENDS[operation.kind].shape(operation.options, shape)
    except RecordError as error:
        at = place(operation.at, *([error.field] if error.field else []))
        notes, helps = [f"its input has the axes {_sizes(shape)}"], rename_help(error.word, error.known)
        findings.add("operation-invalid", error.message, at, notes=notes, helps=helps)
        return None
    for axis in target:
        if axis not in shape:
            check_name(axis, "axis", _naming(operation, axis), findings)
    return target


def _state(ham: Ham, entry: Shape | None, usable: set[str], findings: Findings) -> Shape | None:
    """The slow layer's axes and sizes, checked against what the encoder gives."""
    slow = ham.block.slow
    if len(slow) != 1:
        findings.add(
            "slow-layers",
            f"a block has exactly one slow layer; here {' and '.join(f'`{layer.name}`' for layer in slow)} are slow"
            if slow
            else "a block has exactly one slow layer; here all are fast",
            At(("block", "layers"), key=True),
            helps=["mark the hidden layers `fast: true`" if slow else "leave `fast` out of the layer that the encoder gives"],
        )
        return None
    layer = slow[0]
    if layer.name not in usable:
        return None
    state = {axis: ham.block.axes[axis] for axis in layer.axes}
    giver = "the encoder gives" if ham.encoder else "there is no encoder, the input is"
    if entry is not None and UNKNOWN not in (*entry.values(), *state.values()) and list(entry.items()) != list(state.items()):
        findings.add(
            "axes-mismatch",
            f"{giver} {_sizes(entry)}, and layer `{layer.name}` is {_sizes(state)}",
            place(layer.at, "axes"),
            related=[(At(ham.encoder[-1].at if ham.encoder else ("input",)), "this is the layer's first state")],
            helps=["make the axes and their sizes equal"],
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
