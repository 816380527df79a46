"""What stands in the boxes of a picture."""

from __future__ import annotations

from typing import Any

from hopgraph.graph.ham import Block, Chain, ChainMap, EndOp, Factor, Ham, Layer, Synapse
from hopgraph.show.facts import map_text, sizes

Words = list[tuple[str, str]]
"""Lines of text, each with its kind: `bold`, `plain` or `small`."""
LONGEST = 56
"""How many signs a line of a box may have; the rest is left to the text and the equations."""


def cut(words: str) -> str:
    """The words, cut where they are too long for a box."""
    return words if len(words) <= LONGEST else words[: LONGEST - 1] + "…"


def layer_kind(layer: Layer) -> str:
    """`slow`, `fast` or `clamped`."""
    return "fast" if layer.fast else "clamped" if layer.clamped else "slow"


LINES, SPEEDS = ("tied", "own", "penalized", "off"), ("slow", "fast", "clamped")
"""The kinds of lines and of layers, in the order of legends."""


def kinds(ham: Ham) -> tuple[list[str], list[str]]:
    """The kinds of lines and of layers that a picture of the model has."""
    blocks = [stage.block for stage in ham.stages]
    pulls = {pull.symmetry for block in blocks for synapse in block.synapses for pull in synapse.pulls}
    layers = {layer_kind(layer) for block in blocks for layer in block.layers}
    return [kind for kind in LINES if kind in pulls], [kind for kind in SPEEDS if kind in layers]


def layer_words(layer: Layer, block: Block) -> Words:
    """A layer's name, its axes with their sizes, its Lagrangian, and what is unusual of it."""
    over = layer.options.get("over")
    lagrangian = layer.lagrangian + (f" over {','.join(over)}" if over else "")
    marks = ["clamped"] if layer.clamped else [f"tau {layer.tau:g}"] if layer.tau != 1 else []
    circle = block.circle(layer.name)
    marks += [f"circle, {circle.iterations} iterations"] if circle else []
    words = [(layer.name, "bold"), (cut(sizes({axis: block.axes[axis] for axis in layer.axes})), "plain"), (cut(lagrangian), "small")]
    return [*words, *((cut(mark), "small") for mark in marks)]


def is_product(synapse: Synapse) -> bool:
    """Whether a synapse is drawn as a node: three factors or more, or one layer twice."""
    layers = [factor.layer for factor in synapse.factors]
    return len(layers) > 2 or len(set(layers)) < len(layers)


def synapse_words(synapse: Synapse) -> Words:
    """A synapse's name; its maps too, where its factors do not stand apart."""
    words: Words = [(synapse.name, "bold")]
    if not is_product(synapse):
        several = sum(bool(factor.chain or factor.rename) for factor in synapse.factors) > 1
        for factor in synapse.factors:
            words += [(f"{factor.name}: {line}" if several else line, "small") for line in factor_lines(factor)]
    words += [(cut(f"bias [{','.join(axes)}] on {name}"), "small") for name, axes in synapse.biases.items()]
    return words


def factor_lines(factor: Factor) -> list[str]:
    """What a factor does to its layer's activation, a map a line."""
    renamed = [cut("rename " + ", ".join(f"{old}→{new}" for old, new in factor.rename.items()))] if factor.rename else []
    return [*renamed, *chain_lines(factor.chain)]


def chain_lines(chain: Chain) -> list[str]:
    """A line for each map; a sum has one for each of its chains."""
    found: list[str] = []
    for step in chain:
        if step.kind == "sum":
            found += [cut("+ " + (" ".join(short_map(inner) for inner in branch) or "identity")) for branch in step.branches]
        else:
            found.append(cut(short_map(step)))
    return found


SHOWN = ("mask", "toeplitz", "rank", "spectral", "per", "kernel", "stride", "dilation", "bias", "factor", "gain", "pattern")
"""The options of maps that a picture shows."""


def short_map(step: ChainMap) -> str:
    """A map in a few words: `dense n→k causal`, `conv 3x3 per c`."""
    if step.kind == "sum":
        return map_text(step)
    across = map_text(step).split(" (")[0].replace("->", "→")
    options = [words for name in SHOWN if (words := _option(name, step.options.get(name)))]
    over = [f"over {','.join(step.options['over'])}"] if step.kind in ("conv", "pool") else []
    return " ".join([across, *options, *over])


def _option(name: str, value: Any) -> str:
    if value in (None, False, (), 1) and value is not True:
        return ""
    if value is True:
        return f"+{name}" if name == "bias" else name
    written = ",".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)  # pyright: ignore[reportUnknownArgumentType]
    return written if name in ("mask", "pattern", "factor") else f"{name} {written}"


def end_words(title: str, ends: tuple[EndOp, ...], given: dict[str, int]) -> Words:
    """Operations outside the energy, below each other, with the sizes that they start from and give."""
    words: Words = [(title, "bold"), (cut(sizes(given)), "small")]
    for end in ends:
        words += [(end.kind, "plain"), (cut(sizes(end.target)), "small")]
    return words
