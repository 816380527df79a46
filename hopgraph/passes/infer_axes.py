"""infer-axes: the axes of every factor through its chain, and of every encoder, downsampling and readout operation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from hopgraph.energy.records import UNKNOWN, RecordError, words
from hopgraph.errors import At, Findings, listing, rename_help
from hopgraph.frontend.ends import ENDS, Shape
from hopgraph.frontend.names import check_name
from hopgraph.graph.ham import Block, EndOp, Factor, Ham, Layer, Stage, Synapse, end_ops, place
from hopgraph.passes.base import Pass
from hopgraph.passes.chains import MAX_AXES, check_axes, check_count, fault, inferred, naming
from hopgraph.passes.known import is_known


def run(ham: Ham, findings: Findings) -> Ham:
    """Check every axis and fill in those of factors and operations."""
    encoder, shape = _ends(ham.encoder, ham.input.axes, findings)
    giver = At(encoder[-1].at if encoder else ("input",))
    stages: list[Stage] = []
    for stage in ham.stages:
        down, shape = _ends(stage.down, shape, findings)
        giver = At(down[-1].at) if down else giver
        block, usable = _block(stage.block, findings)
        fits = not block.entry or _check_entry(block, usable, shape, giver, findings)
        shape = _state(block, usable) if fits else None
        stages.append(Stage(down, block))
        giver = place(block.layer(block.exit).at, "axes") if block.exit else giver
    readout, _ = _ends(ham.readout, shape, findings)
    found = replace(ham, encoder=encoder, stages=tuple(stages), readout=readout)
    _check_ties(found, findings)
    return found


def _block(block: Block, findings: Findings) -> tuple[Block, set[str]]:
    """The block with the axes of its factors, its entry and its exit; and the layers whose axes are known."""
    layers = {layer.name: layer for layer in block.layers}
    usable = {layer.name for layer in block.layers if _check_layer(layer, block, findings)}
    synapses = tuple(_synapse(synapse, layers, usable, block, findings) for synapse in block.synapses)
    entry, exit_ = _ways(block, findings)
    return replace(block, synapses=synapses, entry=entry, exit=exit_), usable


# --- layers -----------------------------------------------------------------------------------------------------------


def _check_layer(layer: Layer, block: Block, findings: Findings) -> bool:
    """Check a layer's axes and its Lagrangian's; whether the layer's are known."""
    known = check_axes(((axis, place(layer.at, "axes", index)) for index, axis in enumerate(layer.axes)), block, findings)
    known &= check_count(len(layer.axes), MAX_AXES, f"layer `{layer.name}`", place(layer.at, "axes"), findings)
    named = list(_named_axes(layer)) if known else []
    for field, axis, at in named:
        if axis not in layer.axes:
            findings.add(
                "axis-unknown",
                f"layer `{layer.name}` has no axis `{axis}`, which `{field}` of its Lagrangian names",
                at,
                related=[(place(layer.at, "axes"), "the layer's axes")],
                helps=rename_help(axis, layer.axes),
            )
    if known and all(axis in layer.axes for _, axis, _ in named):
        _check_options(layer, findings)
    return known


def _check_options(layer: Layer, findings: Findings) -> None:
    """What a Lagrangian itself asks of its options."""
    try:
        layer.record.check(layer.options, layer.axes)
    except RecordError as error:
        at = place(layer.at, "lagrangian", layer.lagrangian, *([error.field] if error.field else []))
        findings.add("bad-value", error.message, at, helps=rename_help(error.word, error.known))


def _named_axes(layer: Layer) -> Iterator[tuple[str, str, At]]:
    """The axes that a Lagrangian's options name, with the option and the place of each."""
    for field in ("over", "gain", "bias", "mask"):
        value = layer.options.get(field)
        for path, axis in words(value) if isinstance(value, tuple | dict) else ():
            yield field, axis, place(layer.at, "lagrangian", layer.lagrangian, field, *path)


def _ways(block: Block, findings: Findings) -> tuple[str, str]:
    """The layers that take the state and give it: those named, or the first slow one, and the same, or the first that moves."""
    slow = [layer.name for layer in block.slow]
    layers = {layer.name for layer in block.layers if is_known(layer)}
    if len(layers) < len(block.layers) or (not block.moving and any(f.layer not in layers for s in block.synapses for f in s.factors)):
        return "", ""  # a layer that is not known may be the one
    if not block.moving:
        message = "a block has a slow layer that moves; here " + ("every slow layer is clamped" if slow else "all are fast")
        helps = ["leave `clamped` out of one of them" if slow else "leave `fast` out of the layer that takes the state"]
        findings.add("slow-layers", message, At((*block.at, "layers"), key=True), helps=helps)
        return "", ""
    for field, name in (("entry", block.entry), ("exit", block.exit)):
        if name and name not in slow:
            notes = [f"slow layers: {listing(slow)}"]
            findings.add(
                "layer-unknown", f"no slow layer is named `{name}`", place(block.at, field), notes=notes, helps=rename_help(name, slow)
            )
    entry = block.entry if block.entry in slow else slow[0]
    moves = not block.layer(entry).clamped
    return entry, block.exit if block.exit in slow else entry if moves else block.moving[0].name


_GIVERS = {"input": "there is no encoder, the input is", "encoder": "the encoder gives"}


def _check_entry(block: Block, usable: set[str], shape: Shape | None, giver: At, findings: Findings) -> bool:
    """What comes before must be a state of the entry; and what one depth gives, one of the next. Whether the first is so."""
    if block.entry not in usable:
        return True
    entry, exit_ = block.layer(block.entry), block.layer(block.exit)
    state = {axis: block.axes[axis] for axis in entry.axes}
    sizes = (*(shape or {}).values(), *state.values())
    fits = shape is None or UNKNOWN in sizes or list(shape.items()) == list(state.items())
    if shape is not None and not fits:
        what = _GIVERS.get(str(giver.path[0]), "what stands before it gives")
        findings.add(
            "axes-mismatch",
            f"{what} {_sizes(shape)}, and layer `{entry.name}` is {_sizes(state)}",
            place(entry.at, "axes"),
            related=[(giver, "this is the layer's first state")],
            helps=["make the axes and their sizes equal"],
        )
    if block.depth > 1 and exit_.name in usable and exit_.axes != entry.axes:
        findings.add(
            "axes-mismatch",
            f"layer `{exit_.name}` is [{', '.join(exit_.axes)}], and the next depth takes it as `{entry.name}`, [{', '.join(entry.axes)}]",
            place(exit_.at, "axes"),
            related=[(place(entry.at, "axes"), "the entry")],
            helps=["make the axes equal, or the depth 1"],
        )
    return fits


def _state(block: Block, usable: set[str]) -> Shape | None:
    """The axes and sizes of what a block gives; None where they are not known."""
    if block.exit not in usable:
        return None
    return {axis: block.axes[axis] for axis in block.layer(block.exit).axes}


# --- synapses ---------------------------------------------------------------------------------------------------------


def _synapse(synapse: Synapse, layers: dict[str, Layer], usable: set[str], block: Block, findings: Findings) -> Synapse:
    factors = tuple(_factor(factor, layers, usable, block, findings) for factor in synapse.factors)
    found = replace(synapse, factors=factors)
    if not factors:
        findings.add("missing-field", f"synapse `{synapse.name}` needs a factor", place(synapse.at, "factors"))
    if len(factors) == 1:
        _check_field(found, findings)
    elif factors and all(factor.axes for factor in factors):
        _check_product(synapse, factors, findings)
    _check_biases(found, layers, usable, findings)
    return found


def _check_field(synapse: Synapse, findings: Findings) -> None:
    """A synapse of one factor is an external field: it has a bias and no chain."""
    (factor,) = synapse.factors
    if not synapse.biases:
        findings.add(
            "bias-invalid",
            f"synapse `{synapse.name}` has one factor and no bias, so it has no energy",
            At(synapse.at, key=True),
            helps=["add a second factor, or `bias:` with the axes of an external field"],
        )
    elif factor.chain:
        message = f"synapse `{synapse.name}` is an external field, which acts on its layer as it is: no chain is applied"
        findings.add("bias-invalid", message, place(factor.at, "through"), helps=["leave `through` out"])


def _check_biases(synapse: Synapse, layers: dict[str, Layer], usable: set[str], findings: Findings) -> None:
    if not synapse.factors or any(factor.layer not in layers for factor in synapse.factors):
        return  # a factor is missing, or may have another name
    for name, axes in synapse.biases.items():
        factor = next((factor for factor in synapse.factors if factor.name == name), None)
        if factor is None:
            known = [factor.name for factor in synapse.factors]
            findings.add(
                "bias-invalid",
                f"synapse `{synapse.name}` has no factor `{name}`"
                if name
                else f"the bias of synapse `{synapse.name}` needs a factor's name",
                place(synapse.at, "bias") if not name else At((*synapse.at, "bias", name), key=True),
                notes=[f"its factors: {listing(known)}"],
                helps=rename_help(name, known) or ["write `bias: {FACTOR: [AXES]}`"],
            )
            continue
        for index, axis in enumerate(axes if factor.layer in usable else ()):
            if axis not in layers[factor.layer].axes:
                findings.add(
                    "bias-invalid",
                    f"layer `{factor.layer}` has no axis `{axis}` for a bias",
                    place(synapse.at, "bias", name, index) if len(synapse.factors) > 1 else place(synapse.at, "bias", index),
                    related=[(place(layers[factor.layer].at, "axes"), "the layer's axes")],
                    helps=rename_help(axis, layers[factor.layer].axes),
                )


def _check_product(synapse: Synapse, factors: tuple[Factor, ...], findings: Findings) -> None:
    """An axis that one factor alone has would be summed away in every pull but its own, where it would be made up."""
    uses = Counter(axis for factor in factors for axis in factor.axes)
    if not check_count(len(uses), 2 * MAX_AXES, f"synapse `{synapse.name}`", At(synapse.at, key=True), findings):
        return
    single = [(axis, factor) for factor in factors for axis in factor.axes if uses[axis] == 1]
    if not single:
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
    if not check_axes(((new, place(factor.at, "rename", old)) for old, new in factor.rename.items()), block, findings):
        return factor
    seen = tuple(factor.rename.get(axis, axis) for axis in layer.axes)
    if len(set(seen)) < len(seen):
        twice = next(axis for axis in seen if seen.count(axis) > 1)
        findings.add("axes-mismatch", f"two axes of layer `{layer.name}` would be named `{twice}` here", place(factor.at, "rename"))
        return factor
    return _chained(replace(factor, seen=seen), block, findings) if _same_sizes(factor, block, findings) else factor


def _same_sizes(factor: Factor, block: Block, findings: Findings) -> bool:
    for old, new in factor.rename.items():
        if UNKNOWN not in (block.axes[old], block.axes[new]) and block.axes[old] != block.axes[new]:
            findings.add(
                "axes-mismatch",
                f"axis `{old}` cannot be renamed to `{new}`: their sizes are {block.axes[old]} and {block.axes[new]}",
                place(factor.at, "rename", old),
                related=[(At((*block.at, "axes", name), key=True), f"`{name}` is declared here") for name in (old, new)],
            )
            return False
    return True


def _chained(factor: Factor, block: Block, findings: Findings) -> Factor:
    known = inferred(factor.chain, factor.seen, block, findings)
    return factor if known is None else replace(factor, chain=known[0], axes=known[1])


# --- encoder, downsampling, readout -----------------------------------------------------------------------------------


def _ends(operations: tuple[EndOp, ...], shape: Shape | None, findings: Findings) -> tuple[tuple[EndOp, ...], Shape | None]:
    """The operations with the sizes of what they read and give, and the last of these; None where it is not known."""
    found: list[EndOp] = []
    for operation in operations:
        chains = [_ends(branch, shape, findings) for branch in operation.branches]
        target = None
        if operation.kind == "sum":
            target = _same(operation, [ends for _, ends in chains], findings)
        elif shape is not None and UNKNOWN not in (*shape.values(), *operation.options.values()):
            target = _target(operation, shape, findings)
        branches = tuple(chain for chain, _ in chains)
        found.append(replace(operation, source=shape or {}, target=target or {}, branches=branches))
        shape = target
    return tuple(found), shape


def _same(operation: EndOp, given: list[Shape | None], findings: Findings) -> Shape | None:
    """What all chains of a sum give; None where one is not known, or they differ."""
    known = [shape for shape in given if shape is not None and UNKNOWN not in shape.values()]
    if len(known) < len(given):
        return None
    for index, shape in enumerate(known):
        if list(shape.items()) != list(known[0].items()):
            message = f"the chains of a sum give the same axes: the first gives {_sizes(known[0])}, this one {_sizes(shape)}"
            related = [(place(operation.at, 0), "the first")]
            findings.add("operation-invalid", message, place(operation.at, index), related=related)
            return None
    return known[0]


def _target(operation: EndOp, shape: Shape, findings: Findings) -> Shape | None:
    try:
        target = ENDS[operation.kind].shape(operation.options, shape)
    except RecordError as error:
        at = fault(operation, error)
        notes, helps = [f"its input has the axes {_sizes(shape)}"], rename_help(error.word, error.known)
        findings.add("operation-invalid", error.message, at, notes=notes, helps=helps)
        return None
    for axis in target:
        if axis not in shape:
            check_name(axis, "axis", naming(operation, axis), findings)
    return target


def _check_ties(ham: Ham, findings: Findings) -> None:
    """What is tied is a part of the readout, and what it is tied to has the tensors that it reads."""
    for end in (*end_ops(ham.encoder), *(end for stage in ham.stages for end in end_ops(stage.down))):
        if end.options.get("tied"):
            findings.add("operation-invalid", "only an operation of the readout can be tied", place(end.at, "tied"))
    for end in end_ops(ham.readout):
        if end.options.get("tied") and end.source:
            check = _check_tied_norm if ENDS[end.kind].ties == "layer" else _check_tied_head
            check(end, ham, findings)


def _check_tied_head(end: EndOp, ham: Ham, findings: Findings) -> None:
    """A tied head reads the weight of an embedding of the encoder, which has a row for each of the head's outputs."""
    if not all(operation.target for operation in ham.encoder):
        return
    embeddings = {operation.name: operation for operation in ham.encoder if "vocabulary" in operation.options}
    name, at = end.options["tied"], place(end.at, "tied")
    if name not in embeddings:
        notes = [f"embeddings of the encoder: {listing(embeddings)}"]
        findings.add("operation-invalid", f"the encoder has no embedding `{name}`", at, notes=notes, helps=rename_help(name, embeddings))
        return
    options = embeddings[name].options
    wanted, given = (options["vocabulary"], options["channels"]), (end.options["out"], list(end.source.values())[-1])
    if wanted != given and UNKNOWN not in (*wanted, *given):
        message = f"the embedding's weight is {wanted[0]} x {wanted[1]}, and this head needs one of {given[0]} x {given[1]}"
        findings.add("operation-invalid", message, at, related=[(At(embeddings[name].at), "the embedding")])


def _check_tied_norm(end: EndOp, ham: Ham, findings: Findings) -> None:
    """A tied norm reads the gain and the bias of a layer of the last block, which every group of that block reads too."""
    block, name, at = ham.stages[-1].block, end.options["tied"], place(end.at, "tied")
    layers = {layer.name: layer for layer in block.layers}
    if name not in layers:
        notes = [f"layers of the last block: {listing(layers)}"]
        findings.add("operation-invalid", f"the last block has no layer `{name}`", at, notes=notes, helps=rename_help(name, layers))
        return
    layer = layers[name]
    own = next((group for group in block.groups or () if name in group.own_norms), None)
    if own is not None:
        message = f"layer `{name}` has parameters of its own in a group, so that there are none to be tied to"
        findings.add("operation-invalid", message, at, related=[(place(own.at, "norm", name), "the group's own")])
    elif _sound(layer, block) and layer.parameters(block.axes) != ENDS[end.kind].parameters(end.options, end.source):
        message = f"layer `{name}` does not have the parameters that this {end.kind} reads"
        related = [(place(layer.at, "lagrangian"), "the layer's")]
        findings.add("operation-invalid", message, at, related=related, helps=["give both the same `gain` and `bias`"])


def _sound(layer: Layer, block: Block) -> bool:
    """Whether a layer and its axes are known, so that it can be asked for its parameters."""
    named = all(axis in layer.axes for _, axis, _ in _named_axes(layer))
    return is_known(layer) and named and all(block.axes.get(axis, UNKNOWN) != UNKNOWN for axis in layer.axes)


def _sizes(shape: Shape) -> str:
    return "[" + ", ".join(f"{axis}={size}" for axis, size in shape.items()) + "]"


def ensures(ham: Ham) -> list[str]:
    """Every factor and every operation has axes, every block its ways in and out."""
    factors = [factor for stage in ham.stages for synapse in stage.block.synapses for factor in synapse.factors]
    broken = [f"factor {factor.name} has no axes" for factor in factors if not factor.axes]
    broken += [f"block {stage.block.at} has no entry" for stage in ham.stages if not stage.block.entry]
    chains = (ham.encoder, *(stage.down for stage in ham.stages), ham.readout)
    ends = [end for chain in chains for end in end_ops(chain)]
    return broken + [f"operation {end.name} has no source" for end in ends if not end.source]


PASS = Pass("infer-axes", run, ensures)
