"""What is known of a block that has mistakes: what depends on the rest is passed over, since it may be a consequence."""

from __future__ import annotations

from hopgraph.frontend.repair import HOLE
from hopgraph.graph.ham import Block, Layer, Synapse


def is_known(layer: Layer) -> bool:
    """Whether a layer is what its spec says, and no placeholder for one that is broken."""
    return HOLE not in layer.axes


def is_whole(synapse: Synapse, block: Block) -> bool:
    """Whether a synapse has factors enough, all of them of known layers. One that does not is reported elsewhere."""
    known = {layer.name for layer in block.layers if is_known(layer)}
    enough = len(synapse.factors) > 1 or any(factor.name in synapse.biases for factor in synapse.factors)
    return enough and all(factor.layer in known for factor in synapse.factors)


def is_complete(block: Block) -> bool:
    """Whether every layer is known, every synapse whole and with a pull that reads its base weights, and none missing from the groups."""
    declared = {synapse.name for synapse in block.synapses}
    grouped = {entry.partition(".")[0] for group in block.groups or () for entry in group.synapses}
    based = (is_whole(synapse, block) and any(pull.symmetry == "tied" for pull in synapse.pulls) for synapse in block.synapses)
    return grouped <= declared and all(map(is_known, block.layers)) and all(based)
