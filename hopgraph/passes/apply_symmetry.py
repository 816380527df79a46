"""apply-symmetry: one pull per factor, each with what it reads: the base weights, its own, base + V, or nothing."""

from __future__ import annotations

from dataclasses import replace

from hopgraph.errors import At, Findings, listing, rename_help
from hopgraph.graph.ham import OFF, TIED, Block, Chain, Factor, Ham, Mode, Path, Pull, Stage, Synapse, place
from hopgraph.passes.base import Pass
from hopgraph.passes.chains import inferred


def run(ham: Ham, findings: Findings) -> Ham:
    """Give every synapse its pulls."""
    return replace(ham, stages=tuple(_stage(stage, findings) for stage in ham.stages))


def _stage(stage: Stage, findings: Findings) -> Stage:
    block = stage.block
    synapses = tuple(replace(synapse, pulls=_pulls(synapse, block, findings)) for synapse in block.synapses)
    return replace(stage, block=replace(block, synapses=synapses))


def _pulls(synapse: Synapse, block: Block, findings: Findings) -> tuple[Pull, ...]:
    symmetry = synapse.symmetry
    names = [factor.name for factor in synapse.factors]
    for name in symmetry.pulls:
        if name not in names and len(names) > 1:  # else it may be the one that is missing
            notes = [f"its factors: {listing(names)}"]
            message = f"synapse `{synapse.name}` has no factor `{name}`"
            findings.add("pull-unknown", message, At((*symmetry.at, name), key=True), notes=notes, helps=rename_help(name, names))
    pulls = tuple(_pull(synapse, factor, block, findings, first=index == 0) for index, factor in enumerate(synapse.factors))
    alone = len(pulls) == 1 and not synapse.biases
    if pulls and not alone and not any(pull.symmetry == "tied" for pull in pulls):
        message = f"no pull of synapse `{synapse.name}` reads its base weights"
        findings.add("no-base", message, place(symmetry.at), helps=["leave one pull tied"])
    for pull in pulls:
        if pull.symmetry == "off" and pull.factor in synapse.biases:
            findings.add(
                "bias-invalid",
                f"the pull on `{pull.factor}` of synapse `{synapse.name}` is off, so its bias would never act",
                At((*synapse.at, "bias", pull.factor), key=True),
                related=[(At(pull.at), "off here")],
                helps=["leave the bias out"],
            )
    return pulls


def _pull(synapse: Synapse, factor: Factor, block: Block, findings: Findings, *, first: bool) -> Pull:
    symmetry = synapse.symmetry
    mode, at = (
        (symmetry.pulls[factor.name], (*symmetry.at, factor.name)) if factor.name in symmetry.pulls else (symmetry.whole, symmetry.at)
    )
    if at == synapse.at:  # nothing is said of it
        at = factor.at
    if factor.name not in symmetry.pulls and (len(synapse.factors) == 1 or (first and mode.kind in ("own", "penalized"))):
        mode = OFF if mode.kind == "off" else TIED
    returns = _returns(mode, factor, at, block, findings)
    return Pull(factor.name, mode.kind, mode.penalty, at, returns)


def _returns(mode: Mode, factor: Factor, at: Path, block: Block, findings: Findings) -> Chain | None:
    """The explicit return chain with its axes: from those of the product to those of the layer."""
    if mode.returns is None or not factor.axes:
        return mode.returns
    known = inferred(mode.returns, factor.axes, block, findings)
    if known is None:
        return mode.returns
    chain, axes = known
    if sorted(axes) != sorted(factor.seen):
        findings.add(
            "axes-mismatch",
            f"the return chain gives [{', '.join(axes)}], and the pull on `{factor.name}` is [{', '.join(factor.seen)}]",
            place(at, "own", "return"),
            related=[(At(factor.at), "the factor")],
            notes=[f"it reads the product of the other factors, [{', '.join(factor.axes)}]"],
            helps=["end the chain in the axes of the layer"],
        )
    return chain


def ensures(ham: Ham) -> list[str]:
    """As many pulls as factors, a lambda where it is due."""
    broken: list[str] = []
    for stage in ham.stages:
        for synapse in stage.block.synapses:
            if [pull.factor for pull in synapse.pulls] != [factor.name for factor in synapse.factors]:
                broken.append(f"synapse {synapse.name} has other pulls than factors")
            wrong = [pull for pull in synapse.pulls if (pull.symmetry == "penalized") != (pull.penalty is not None)]
            broken += [f"pull {pull.factor} has no lambda" for pull in wrong]
    return broken


PASS = Pass("apply-symmetry", run, ensures)
