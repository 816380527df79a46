"""The catalogue: one row for each shipped spec, with its sizes, certificate, what breaks its symmetry, and its symmetric sibling."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from hopgraph.energy.lagrangians import breaking_gain
from hopgraph.frontend.library import shipped
from hopgraph.graph.ham import Ham
from hopgraph.passes.pipeline import CheckedSpec, load
from hopgraph.program.cost import cost_of
from hopgraph.show.facts import short

SIBLING = "symmetric"
"""The variant that is an architecture's symmetric sibling."""
STRONGER = ("parallel", "relu")
"""Variants that move all in one update, and that make memories convex: what most architectures lack for a guaranteed descent."""
SMALL = ("digits", "text")
"""Variants that are sizes for a first look, not published ones."""
RENEW = "hopgraph catalogue -o specs/README.md"
"""The command that writes the shipped page anew."""


def small_of(variants: Collection[str]) -> str:
    """The variant, among those of a shipped spec, that is its size for a first look."""
    return next(variant for variant in SMALL if variant in variants)


@dataclass(frozen=True)
class Entry:
    """One architecture: `parameters` and `flops` (of one example) of its default and of each variant by name, and what the compiler proves.

    `sibling` is the certificate of its symmetric sibling, None where there is none; `strongest` that of the sibling in one update
    and with convex memories, where the spec has these as variants.
    """

    name: str
    cite: str
    parameters: dict[str, int]
    flops: dict[str, int]
    certificate: str
    breaks: tuple[str, ...]
    sibling: str | None
    strongest: str | None


def entries() -> Iterator[Entry]:
    """Every shipped spec. Raises HopgraphError for one that does not hold."""
    for name in shipped():
        spec = load(name)
        variants = spec.variant_names
        sizes = {"": spec, **{variant: load(name, variant) for variant in variants if variant not in (*SMALL, SIBLING)}}
        breaks = breaking(spec.ham)
        sibling = load(name, SIBLING) if SIBLING in variants else spec if not breaks else None
        further = [variant for variant in STRONGER if variant in variants]
        strongest = load(name, [*([SIBLING] if SIBLING in variants else []), *further]) if sibling and further else None
        yield Entry(
            name,
            spec.loaded.spec.cite or "",
            {variant: size.parameter_count for variant, size in sizes.items()},
            {variant: cost_of(size.program).flops for variant, size in sizes.items()},
            str(spec.certificate),
            breaks,
            _certificate(sibling),
            _certificate(strongest),
        )


def _certificate(spec: CheckedSpec | None) -> str | None:
    return str(spec.certificate) if spec is not None else None


def breaking(ham: Ham) -> tuple[str, ...]:
    """What keeps a model's pulls from being those of one energy, each kind with the parts that have it; nothing where all is tied."""
    kinds: dict[str, dict[str, None]] = {}
    for stage in ham.stages:
        block = stage.block
        for synapse in block.synapses:
            live = [pull for pull in synapse.pulls if pull.symmetry != "off"]
            if len(synapse.pulls) > 1 and len(live) == 1:
                kinds.setdefault("directed", {})[synapse.name] = None
                continue
            for pull in synapse.pulls:
                if pull.symmetry != "tied":
                    kinds.setdefault(pull.symmetry, {})[f"{synapse.name}.{pull.factor}"] = None
        for layer in block.layers:
            if breaking_gain(layer.options, layer.axes):
                kinds.setdefault("gain along the norm", {})[layer.name] = None
    return tuple(f"{kind}: {', '.join(parts)}" for kind, parts in kinds.items())


def as_markdown() -> str:
    """The page that is shipped beside the specs."""
    head = ["architecture", "paper", "parameters; FLOPs", "certificate", "what breaks its symmetry", "its symmetric sibling"]
    lines = [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *map(_row, entries()))]
    return "\n".join([*_HEAD, *lines, *_FOOT, ""])


def _row(entry: Entry) -> list[str]:
    counts = [f"{name} {count:,}; {short(entry.flops[name])}".strip() for name, count in entry.parameters.items()]
    path = f"{entry.name}.yaml" if "/" in entry.name else f"{entry.name}/{entry.name}.yaml"
    paper = f"[{entry.cite}](https://arxiv.org/abs/{entry.cite.removeprefix('arXiv:')})" if entry.cite.startswith("arXiv:") else entry.cite
    sibling = entry.sibling or "there is none"
    if entry.strongest not in (None, entry.sibling):
        sibling += f"; with {' and '.join(f'`{name}`' for name in STRONGER)}: {entry.strongest}"
    return [f"[{entry.name}]({path})", paper, "<br>".join(counts), entry.certificate, "; ".join(entry.breaks) or "nothing", sibling]


_HEAD = (
    "# The catalogue",
    "",
    "Each architecture as its authors published it. The first number of parameters is that of the default, the others are those of its",
    "variants: sizes and forms. FLOPs are the floating point operations of one example, a multiply-add counted as 2.",
    "A `directed` synapse has one pull, `own` pulls have weights of their own, and a gain that varies along the axis of its norm makes an",
    "activation that is the gradient of no Lagrangian.",
    "",
)
_FOOT = ("", f"Written by `{RENEW}`. `hopgraph show NAME --variant VARIANT` prints the same of one, with the reasons.")
