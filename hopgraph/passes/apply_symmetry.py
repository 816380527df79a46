"""apply-symmetry: one pull per factor, each with what it reads: the base weights, its own, base + V, or nothing."""

from __future__ import annotations

from dataclasses import replace

from hopgraph.errors import At, Findings, listing, rename_help
from hopgraph.graph.ham import Ham, Pull, Synapse, place
from hopgraph.passes.base import Pass


def run(ham: Ham, findings: Findings) -> Ham:
    """Give every synapse its pulls."""
    synapses = tuple(replace(synapse, pulls=_pulls(synapse, findings)) for synapse in ham.block.synapses)
    return replace(ham, block=replace(ham.block, synapses=synapses))


def _pulls(synapse: Synapse, findings: Findings) -> tuple[Pull, ...]:
    symmetry = synapse.symmetry
    names = [factor.name for factor in synapse.factors]
    for name in symmetry.pulls:
        if name not in names:
            notes = [f"its factors: {listing(names)}"]
            message = f"synapse `{synapse.name}` has no factor `{name}`"
            findings.add("pull-unknown", message, At((*symmetry.at, name), key=True), notes=notes, helps=rename_help(name, names))
    pulls = tuple(_pull(synapse, name, first=index == 0) for index, name in enumerate(names))
    if pulls and not any(pull.symmetry == "tied" for pull in pulls):
        findings.add(
            "no-base",
            f"no pull of synapse `{synapse.name}` reads its base weights",
            place(symmetry.at),
            helps=["leave one pull tied"],
        )
    return pulls


def _pull(synapse: Synapse, name: str, first: bool) -> Pull:
    symmetry = synapse.symmetry
    if name in symmetry.pulls:
        kind, penalty = symmetry.pulls[name]
        return Pull(name, kind, penalty, (*symmetry.at, name))
    kind, penalty = symmetry.whole
    if first and kind in ("own", "penalized"):
        kind, penalty = "tied", None
    return Pull(name, kind, penalty, symmetry.at)


def ensures(ham: Ham) -> list[str]:
    """As many pulls as factors, and one of them reads the base weights."""
    broken: list[str] = []
    for synapse in ham.block.synapses:
        if [pull.factor for pull in synapse.pulls] != [factor.name for factor in synapse.factors]:
            broken.append(f"synapse {synapse.name} has other pulls than factors")
        broken += [
            f"pull {pull.factor} has no lambda" for pull in synapse.pulls if (pull.symmetry == "penalized") != (pull.penalty is not None)
        ]
    return broken


PASS = Pass("apply-symmetry", run, ensures)
