"""check-causality: nothing that a causal map hides from the past is shown to it by another way.

A pull applies the adjoint of its factor's chain, and the adjoint of a causal map is anti-causal: position i reads those after
it. So where a chain is causal the pull on its own factor must be off, or have a return chain of its own. In causal attention
the pull on the key sums over the queries that see it, which come later. A norm over the axis couples all its positions.
"""

from __future__ import annotations

from collections.abc import Iterator

from hopgraph.energy.lagrangians import over_axes
from hopgraph.energy.records import words
from hopgraph.errors import At, Findings
from hopgraph.graph.ham import Block, ChainMap, Factor, Ham, Layer, Synapse, chain_maps, place
from hopgraph.passes.base import Pass

PATTERNS = ("causal", "strict")
"""The masks that hide later positions."""


def run(ham: Ham, findings: Findings) -> Ham:
    """Report every pull and every norm that reads the future along an axis that is causal elsewhere."""
    for stage in ham.stages:
        _check_pulls(stage.block, findings)
        _check_attention(stage.block, findings)
        _check_norms(stage.block, findings)
    return ham


def _causal_maps(chain: tuple[ChainMap, ...]) -> Iterator[tuple[ChainMap, str]]:
    """The causal maps of a chain, with the axis along which each is causal. One that has no axes is refused already."""
    for step in chain_maps(chain):
        if step.kind != "sum" and step.target:
            yield from ((step, axis) for axis in step.record.causal(step.options))


def _is_stated(synapse: Synapse) -> bool:
    """Whether all that a symmetry names are factors: one that is not may be meant for any."""
    return synapse.symmetry.pulls.keys() <= {factor.name for factor in synapse.factors}


def _check_pulls(block: Block, findings: Findings) -> None:
    for synapse in block.synapses:
        for pull in synapse.pulls if _is_stated(synapse) else ():
            if pull.symmetry == "off" or pull.returns is not None:
                continue
            factor = synapse.factor(pull.factor)
            for step, axis in list(_causal_maps(factor.chain))[:1]:
                findings.add(
                    "causality",
                    f"the {pull.symmetry} pull on `{factor.name}` of synapse `{synapse.name}` would read the future along `{axis}`: "
                    "the adjoint of a causal map is anti-causal",
                    At(pull.at),
                    related=[(At(step.at, key=True), "causal here")],
                    helps=[
                        f"turn the pull off (`symmetry: {{{factor.name}: off}}`), or give it a chain of its own (`own: {{return: [...]}}`)"
                    ],
                )


def mask_of(layer: Layer) -> tuple[str, tuple[str, str]] | None:
    """The pattern of a masked softmax, with its axes (of what reads, of what is read)."""
    found = [(str(path[0]), axis) for path, axis in words(layer.options.get("mask")) if len(path) == 2]
    if len(found) != 2 or found[1][1] not in over_axes(layer.options):
        return None
    return found[0][0], (found[0][1], found[1][1])


def _check_attention(block: Block, findings: Findings) -> None:
    for synapse in block.synapses:
        for weights in synapse.factors:
            layer = next((layer for layer in block.layers if layer.name == weights.layer), None)
            mask = mask_of(layer) if layer else None
            if mask is None or mask[0] not in PATTERNS or not weights.axes:
                continue
            key = weights.rename.get(mask[1][1], mask[1][1])
            for factor in synapse.factors if _is_stated(synapse) else ():
                if factor is not weights and key in factor.axes:
                    _check_key(synapse, factor, key, layer, findings)


def _check_key(synapse: Synapse, factor: Factor, key: str, layer: Layer | None, findings: Findings) -> None:
    assert layer is not None
    pull = next((pull for pull in synapse.pulls if pull.factor == factor.name), None)
    if pull is not None and pull.symmetry != "off":
        findings.add(
            "causality",
            f"the {pull.symmetry} pull on `{factor.name}` of synapse `{synapse.name}` would read the future: "
            f"it sums over the positions that see `{key}`, which come later",
            At(pull.at),
            related=[(place(layer.at, "lagrangian", layer.lagrangian, "mask"), "causal here")],
            helps=[f"turn the pull off: `symmetry: {{{factor.name}: off}}`"],
        )


def _hidden(block: Block) -> dict[str, At]:
    """The axes of layers along which something is causal, with the place that says so."""
    found: dict[str, At] = {}
    for synapse in block.synapses:
        for factor in synapse.factors:
            back = {new: old for old, new in factor.rename.items()}
            for step, axis in _causal_maps(factor.chain):
                found.setdefault(back.get(axis, axis), At(step.at, key=True))
    for layer in block.layers:
        mask = mask_of(layer)
        if mask is not None and mask[0] in PATTERNS:
            for axis in mask[1]:
                for name in (axis, *_originals(axis, block)):
                    found.setdefault(name, place(layer.at, "lagrangian", layer.lagrangian, "mask"))
    return found


def _originals(axis: str, block: Block) -> Iterator[str]:
    """The axes that are renamed to this one."""
    for synapse in block.synapses:
        for factor in synapse.factors:
            yield from (old for old, new in factor.rename.items() if new == axis)


def _check_norms(block: Block, findings: Findings) -> None:
    hidden = _hidden(block)
    for layer in block.layers:
        mask = mask_of(layer)
        allowed = mask[1] if mask is not None and mask[0] in PATTERNS else ()
        for axis in over_axes(layer.options):
            if axis in hidden and axis not in allowed:
                findings.add(
                    "causality",
                    f"the Lagrangian of layer `{layer.name}` couples all positions along `{axis}`, which is causal elsewhere: "
                    "each would read the future",
                    place(layer.at, "lagrangian", layer.lagrangian, "over"),
                    related=[(hidden[axis], "causal here")],
                    helps=["normalize over the other axes"],
                )


def ensures(ham: Ham) -> list[str]:
    """What it gives is what it was given."""
    return []


PASS = Pass("check-causality", run, ensures)
