"""order-fast: an order in which every fast layer comes after those that it reads; circles stand together, and are solved."""

from __future__ import annotations

from dataclasses import replace

from hopgraph.errors import At, Findings, listing, rename_help
from hopgraph.graph.ham import Block, Circle, Ham, Stage, influences, place
from hopgraph.graph.order import among, arrange, contracted
from hopgraph.passes.base import Pass
from hopgraph.passes.known import is_complete


def run(ham: Ham, findings: Findings) -> Ham:
    """Order the fast layers. A circle that no `solve` names, and a layer that nothing pulls on, are reported."""
    return replace(ham, stages=tuple(_stage(stage, findings) for stage in ham.stages))


def _stage(stage: Stage, findings: Findings) -> Stage:
    block = stage.block
    reads = influences(block)
    complete = is_complete(block)
    if complete:
        _report_unfed(block, reads, findings)
    fast = among([layer.name for layer in block.layers if layer.fast], reads)
    arranged = arrange(fast)
    solved = [circle for circle in block.circles if frozenset(circle.order) in arranged.circles]
    named = [frozenset(circle.order) for circle in block.circles if _names_fast(circle, block, findings)]
    for circle in block.circles:
        if frozenset(circle.order) in named and complete:
            _check_solve(circle, block, arranged.circles, findings)
    all_named = len(named) == len(block.circles)  # one that is not may be meant for any circle
    for members in arranged.circles if block.slow and all_named else ():
        if not any(members & other for other in named):
            _report_circle(block, [layer.name for layer in block.layers if layer.name in members], findings)
    order = contracted(fast, [circle.order for circle in solved])
    return replace(stage, block=replace(block, fast_order=order or arranged.order))


def _report_unfed(block: Block, reads: dict[str, tuple[str, ...]], findings: Findings) -> None:
    for layer in block.layers:
        if not reads[layer.name] and not block.pulls_on(layer.name) and not layer.clamped:
            kind, so = ("fast", "it has no value") if layer.fast else ("slow", "it never changes")
            undirected = [synapse for synapse in block.synapses if synapse.symmetry.at != synapse.at]
            off = [pull for synapse in undirected for pull in synapse.pulls if synapse.factor(pull.factor).layer == layer.name]
            findings.add(
                "layer-unfed",
                f"nothing pulls on the {kind} layer `{layer.name}`, so {so}",
                At(layer.at, key=True),
                related=[(At(pull.at), "this pull on it is off") for pull in off[:4]],
                helps=["turn a pull on it on" if off else "connect it with a synapse, or leave it out"],
            )
        elif not reads[layer.name] and layer.fast:
            findings.add(
                "layer-unfed",
                f"nothing but a bias pulls on the fast layer `{layer.name}`, so it reads nothing",
                At(layer.at, key=True),
                helps=["connect it with a synapse of two factors, or leave it out"],
            )


# --- circles ----------------------------------------------------------------------------------------------------------


def _report_circle(block: Block, members: list[str], findings: Findings) -> None:
    between = [synapse for synapse in block.synapses if sum(factor.layer in members for factor in synapse.factors) > 1]
    several = len(members) > 1
    names = " and ".join(f"`{name}`" for name in members)
    findings.add(
        "fast-cycle",
        f"the fast layers {names} feed each other in a circle" if several else f"the fast layer {names} feeds itself",
        At(between[0].at if between else block.layer(members[0]).at, key=True),
        related=[(At(block.layer(name).at, key=True), "fast") for name in members[:4]],
        notes=["a tied synapse between two fast layers is always a circle"] if several else [],
        helps=[
            f"say how it is solved: `solve: {{order: [{', '.join(members)}], iterations: 2}}`",
            "or set one of the pulls between them to `off`" if several else "or leave this synapse out",
        ],
    )


def _names_fast(circle: Circle, block: Block, findings: Findings) -> bool:
    """Whether all that a `solve` names are fast layers."""
    fast = [layer.name for layer in block.layers if layer.fast]
    unknown = [(index, name) for index, name in enumerate(circle.order) if name not in fast]
    for index, name in unknown:
        notes = [f"fast layers: {listing(fast)}"]
        at = place(circle.at, "order", index)
        findings.add("layer-unknown", f"no fast layer is named `{name}`", at, notes=notes, helps=rename_help(name, fast))
    return not unknown


def _check_solve(circle: Circle, block: Block, circles: tuple[frozenset[str], ...], findings: Findings) -> None:
    """A `solve` names the layers of one circle, each once, and its iteration can start."""
    fast = [layer.name for layer in block.layers if layer.fast]
    if frozenset(circle.order) not in circles:
        shown = [listing([layer for layer in fast if layer in other]) for other in circles]
        findings.add(
            "solve-invalid",
            f"[{', '.join(circle.order)}] is not a circle of fast layers",
            place(circle.at, "order"),
            notes=[f"the circles of this block: {'; '.join(f'[{names}]' for names in shown) or 'none'}"],
            helps=["name every layer of one circle, in the order in which they are to be solved"],
        )
        return
    waiting = _cannot_start(circle, block)
    if waiting:
        findings.add(
            "solve-invalid",
            f"the iteration cannot start: nothing that is known by then pulls on `{waiting}`",
            place(circle.at, "order"),
            notes=["it starts from the pulls on the first layer from outside the circle; the others follow in order"],
            helps=["put a layer first that is fed from outside, and each other one after a layer that feeds it"],
        )


def _cannot_start(circle: Circle, block: Block) -> str | None:
    """The first layer of a circle that no pull can give a value, in the first turn."""
    unknown = set(circle.order)
    for name in circle.order:
        pulls = block.pulls_on(name)
        others = [{other.layer for other in synapse.factors if other.name != pull.factor} for synapse, pull in pulls]
        if not any(read and not (read & unknown) for read in others):
            return name
        unknown.discard(name)
    return None


def ensures(ham: Ham) -> list[str]:
    """The order holds each fast layer once, after the fast layers that it reads, but for those in its circle."""
    broken: list[str] = []
    for stage in ham.stages:
        block = stage.block
        if sorted(block.fast_order) != sorted(layer.name for layer in block.layers if layer.fast):
            broken.append("the order is not one of the fast layers")
            continue
        position = {name: index for index, name in enumerate(block.fast_order)}
        for b, others in among(block.fast_order, influences(block)).items():
            circle = block.circle(b)
            free = [a for a in others if circle is None or a not in circle.order]
            broken += [f"{a} comes after {b}, which reads it" for a in free if position[a] > position[b]]
    return broken


PASS = Pass("order-fast", run, ensures)
