"""What of the language a spec uses, by name."""

from __future__ import annotations

from collections.abc import Iterator

from hopgraph.energy.lagrangians import breaking_gain
from hopgraph.graph.ham import Block, Chain, Layer, Pull, Synapse, chain_maps
from hopgraph.passes.pipeline import CheckedSpec


def features(spec: CheckedSpec) -> set[str]:
    """Every construct that a spec has."""
    ham = spec.ham
    found = {f"input {ham.input.kind}", f"{len(ham.stages)} stages", spec.certificate.verdict.value}
    found |= {f"encoder of {len(ham.encoder)}", "readout" if ham.readout else "no readout"}
    for stage in ham.stages:
        found |= {f"down {end.kind}" for end in stage.down} | set(_block(stage.block))
    return found


def _block(block: Block) -> Iterator[str]:
    yield from (f"depth {block.depth}", f"{block.steps} steps", f"{len(block.schedule)} groups", f"{len(block.slow)} slow layers")
    yield from (f"circle of {len(circle.order)}" for circle in block.circles)
    if block.entry != block.exit:
        yield "exit"
    for layer in block.layers:
        yield from _layer(layer)
    for synapse in block.synapses:
        yield from _synapse(synapse)
    yield from _schedule(block)


def _layer(layer: Layer) -> Iterator[str]:
    yield f"{'fast' if layer.fast else 'slow'} {layer.lagrangian}"
    yield f"{len(layer.axes)} axes"
    if layer.clamped:
        yield "clamped"
    if layer.tau != 1:
        yield "tau"
    if breaking_gain(layer.options, layer.axes):
        yield "breaking gain"
    if layer.options.get("mask"):
        yield "softmax mask"
    if isinstance(layer.options.get("beta"), dict):
        yield "learned beta"


def _synapse(synapse: Synapse) -> Iterator[str]:
    yield f"{len(synapse.factors)} factors"
    yield from ("bias" for _ in synapse.biases)
    for factor in synapse.factors:
        yield f"chain of {min(len(factor.chain), 3)}"
        yield from _chain(factor.chain)
        if factor.rename:
            yield "rename"
    for pull in synapse.pulls:
        yield from _pull(pull)


def _pull(pull: Pull) -> Iterator[str]:
    yield pull.symmetry
    if pull.returns is not None:
        yield "return chain"
    if pull.penalty is not None:
        yield f"penalty {'learned' if pull.penalty.learned else pull.penalty.schedule}"


def _chain(chain: Chain) -> Iterator[str]:
    for step in chain_maps(chain):
        yield f"map {step.kind}"
        if step.kind == "dense":
            yield from (f"dense {field}" for field in ("bias", "per", "mask", "toeplitz", "rank", "spectral") if step.options[field])
            yield "dense of several" if len(step.options["axes"]) > 1 else "dense of one"
        if step.kind == "conv":
            yield from (f"conv {field}" for field in ("map", "per", "bias", "mask") if step.options[field])


def _schedule(block: Block) -> Iterator[str]:
    for group in block.schedule:
        yield group.form
        if group.own_norms:
            yield "own norm"
        if group.drop:
            yield from (f"drop per {group.drop.per}", f"drop {group.drop.schedule}")
        if group.step.learned:
            yield f"learned step {'free' if group.step.free else 'vector' if group.step.axes else 'scalar'}"
        if any("." in entry for entry in group.synapses):
            yield "synapse.factor"
        if len(block.moved(group)) > 1:
            yield "several layers in a group"
