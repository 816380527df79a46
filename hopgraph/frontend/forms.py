"""Which fields may stand together: the forms that a mapping can have, where its model alone would allow more.

Checked on the tree, beside the models, so that a mistake here hides none elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from hopgraph.errors import At, Findings, Path, similar
from hopgraph.frontend.tree import Tree


def check_forms(tree: Tree, findings: Findings) -> list[Path]:
    """Report mappings of no form; give the places that cannot be used."""
    broken = [*_body(tree, findings), *_input(tree, findings)]
    for path, block in blocks(tree):
        broken += _layers(block, path, findings)
        synapses = block.child("synapses")
        for name, synapse in synapses.value.items() if synapses and isinstance(synapses.value, dict) else ():
            place = (*path, "synapses", name)
            broken += [place] if isinstance(synapse.value, dict) and _bad_synapse(synapse, place, findings) else []
    return broken


def blocks(tree: Tree) -> Iterator[tuple[Path, Tree]]:
    """The blocks of a spec, with their paths."""
    single, stages = tree.child("block"), tree.child("stages")
    if single is not None:
        yield ("block",), single
    for index, stage in enumerate(stages.value if stages and isinstance(stages.value, tuple) else ()):
        block = stage.child("block")
        if block is not None:
            yield ("stages", index, "block"), block


def _body(tree: Tree, findings: Findings) -> list[Path]:
    if tree.child("block") is None and tree.child("stages") is None:
        if not _misspelt(tree, "block", "stages"):
            message = "a spec needs the field `block`"
            findings.add("missing-field", message, At((), key=True), helps=["add `block:`, or `stages:` with a block each"])
        return [("block",)]
    if tree.child("block") is not None and tree.child("stages") is not None:
        message = "a spec has one `block`, or `stages` with a block each, not both"
        findings.add("bad-value", message, At(("stages",), key=True), helps=["move `block` into the first stage"])
        return [("block",)]
    stages = tree.child("stages")
    if stages is not None and stages.value == ():
        findings.add("bad-value", "`stages` should be a list of at least one stage", At(("stages",)))
        return [("block",)]
    return []


def _input(tree: Tree, findings: Findings) -> list[Path]:
    given = tree.child("input")
    if given is None or not isinstance(given.value, dict):
        return []
    kinds = [name for name in given.value if name in ("image", "tokens", "tensor")]
    if len(kinds) == 1 or len(kinds) < len(given.value):  # a field that is none is reported as such
        return []
    if kinds:
        findings.add("bad-value", "`input` should be one of `image`, `tokens` and `tensor`", At(("input",)))
    else:
        findings.add(
            "missing-field", "`input` needs the field `image`", At(("input",), key=True), helps=["add `image:`, `tokens:` or `tensor:`"]
        )
    return [("input",)]


def _layers(block: Tree, path: Path, findings: Findings) -> list[Path]:
    """Report fast layers with what only a state has; give the places of it."""
    found: list[Path] = []
    layers = block.child("layers")
    for name, layer in layers.value.items() if layers and isinstance(layers.value, dict) else ():
        fast = layer.child("fast")
        for field in ("clamped", "tau") if fast and fast.value is True else ():
            child = layer.child(field)
            if child and child.value is not False:
                place = (*path, "layers", name, field)
                message = f"layer `{name}` is fast, so it has no state, and no `{field}`"
                findings.add("bad-value", message, At(place, key=True), helps=[f"leave `{field}` out, or `fast`"])
                found.append(place)
    return found


def _misspelt(owner: Tree, *fields: str) -> bool:
    """Whether a mapping has a key that was meant to be one of these fields: it is reported as unknown."""
    assert isinstance(owner.value, dict)
    return any(similar(key, fields) for key in owner.value)


def _bad_synapse(synapse: Tree, path: Path, findings: Findings) -> bool:
    """Whether a synapse has neither factors, nor both ends of a directed one, or too much of both."""
    assert isinstance(synapse.value, dict)
    given = set(synapse.value)
    directed = given & {"from", "to"}
    place = f"`{At(path)}`"
    if not directed and "factors" in given:
        return False
    if not directed:
        if not _misspelt(synapse, "factors"):
            findings.add("missing-field", f"{place} needs the field `factors`", At(path, key=True), helps=["add `factors:`"])
    elif "factors" in given:
        message = f"{place} has `factors`; a synapse has these, or `from` and `to`, not both"
        findings.add("bad-value", message, At((*path, min(directed)), key=True), helps=["leave one of them out"])
    elif len(directed) == 1:
        (missing,) = {"from", "to"} - directed
        if _misspelt(synapse, missing):
            return True
        findings.add("missing-field", f"{place} needs the field `{missing}`", At(path, key=True), helps=[f"add `{missing}:`"])
    elif "symmetry" in given:
        message = f"{place} is directed, so its pull on `to` is its only one and has no symmetry"
        findings.add("bad-value", message, At((*path, "symmetry"), key=True), helps=["leave `symmetry` out, or write `factors`"])
    else:
        return False
    return True
