"""A spec as a Mermaid flowchart.

Slow layers are boxes, fast ones rounded, clamped ones hexagons. A synapse of two layers is an edge, any other a small node.
Tied pulls are plain arrows, own ones thick, penalized ones dotted; a line without a head only reads.
"""

from __future__ import annotations

from collections.abc import Iterator

from hopgraph.graph.ham import Block, EndOp, Factor, Layer, Stage, Synapse
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.show.boxes import Words, end_words, factor_lines, is_product, layer_kind, layer_words, synapse_words
from hopgraph.show.facts import title

SHAPES = {"slow": ("[", "]"), "fast": ("(", ")"), "clamped": ("{{", "}}")}
ARROWS = {"own": ("==", "==>"), "penalized": ("-.", ".->")}
CLASSES = (
    "classDef slow fill:#e3ecff,stroke:#2557c7,stroke-width:3px,color:#1c2430",
    "classDef fast fill:#ffffff,stroke:#7a8597,color:#1c2430",
    "classDef clamped fill:#f1eefb,stroke:#6f52c4,stroke-width:2px,stroke-dasharray:6 3,color:#1c2430",
)


def mermaid(spec: CheckedSpec) -> str:
    """The flowchart, as text."""
    ham = spec.ham
    lines = [f"%% {title(spec)}", "flowchart LR"]
    lines.append(_end("encoder", "encoder" if ham.encoder else "input", ham.encoder, ham.input.axes))
    before = "encoder"
    for number, stage in enumerate(ham.stages):
        part = f"s{number + 1}"
        lines += [*_stage(stage, part, before, several=len(ham.stages) > 1)]
        before = f"{part}_{stage.block.exit}"
    given = ham.readout[0].source if ham.readout else ham.output
    lines.append(_end("readout", "readout" if ham.readout else "output", ham.readout, given))
    return "\n".join([*lines, f"{before} --> readout", *CLASSES, ""])


def _stage(stage: Stage, part: str, before: str, *, several: bool) -> Iterator[str]:
    block = stage.block
    entry = f"{part}_{block.entry}"
    if stage.down:
        yield _end(f"{part}_down", "down", stage.down, stage.down[0].source)
        yield f"{before} --> {part}_down"
    words = [f"stage {part[1:]}" if several else "block", f"depth {block.depth}", f"steps {block.steps}"]
    yield f'subgraph {part} ["{quoted(", ".join(words))}"]'
    yield from (f"  {_layer(layer, block, part)}" for layer in block.layers)
    yield from (f"  {line}" for synapse in block.synapses for line in _synapse(synapse, part))
    yield "end"
    yield f"{part}_down --> {entry}" if stage.down else f"{before} --> {entry}"


def _end(name: str, head: str, ends: tuple[EndOp, ...], given: dict[str, int]) -> str:
    return f'{name}[/"{_label(end_words(head, ends, given))}"/]'


def _layer(layer: Layer, block: Block, part: str) -> str:
    kind = layer_kind(layer)
    left, right = SHAPES[kind]
    return f'{part}_{layer.name}{left}"{_label(layer_words(layer, block))}"{right}:::{kind}'


def _synapse(synapse: Synapse, part: str) -> list[str]:
    if len(synapse.factors) == 2 and not is_product(synapse):
        return _edges(synapse, part)
    node = f"{part}_syn_{synapse.name}"
    factors = [line for factor in synapse.factors for line in _factor(synapse, factor, node, part)]
    return [f'{node}(("{_label(synapse_words(synapse))}"))', *factors]


def _edges(synapse: Synapse, part: str) -> list[str]:
    """The edge of the base weights, with a head at every tied pull, and an edge for every other pull."""
    one, other = (f"{part}_{factor.layer}" for factor in synapse.factors)
    label = _label(synapse_words(synapse))
    heads = [synapse.pull(factor.name).symmetry == "tied" for factor in synapse.factors]
    start, end = (other, one) if heads == [True, False] else (one, other)
    lines = [f'{start} {"<--" if all(heads) else "--"} "{label}" --> {end}']
    for factor, from_, to in zip(synapse.factors, (other, one), (one, other), strict=True):
        lines += _own(synapse, factor, from_, to)
    return lines


def _factor(synapse: Synapse, factor: Factor, node: str, part: str) -> list[str]:
    """A factor of a node: its line, with a head at a tied pull, and the line of an own or penalized one."""
    layer = f"{part}_{factor.layer}"
    tied = synapse.pull(factor.name).symmetry == "tied"
    words = _label([(factor.name, "plain"), *((line, "small") for line in factor_lines(factor))])
    read = any(pull.symmetry != "off" for pull in synapse.pulls if pull.factor != factor.name)
    tail, head = "<--" if tied and read else "--", "-->" if tied else "---"
    return [f'{node} {tail} "{words}" {head} {layer}', *_own(synapse, factor, node, layer)]


def _own(synapse: Synapse, factor: Factor, start: str, end: str) -> list[str]:
    pull = synapse.pull(factor.name)
    if pull.symmetry not in ARROWS:
        return []
    tail, head = ARROWS[pull.symmetry]
    penalty = f", lambda {pull.penalty}" if pull.penalty is not None else ""
    return [f'{start} {tail} "{quoted(f"{synapse.name}: {pull.symmetry}{penalty}")}" {head} {end}']


def _label(words: Words) -> str:
    return "<br/>".join(quoted(line) for line, _ in words)


def quoted(words: str) -> str:
    """Words as Mermaid reads them between quotes."""
    signs = {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;"}
    return "".join(signs.get(sign, sign) for sign in words)
