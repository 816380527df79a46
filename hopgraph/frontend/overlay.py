"""Variants and `--set`: values laid over a spec at dotted paths, each keeping the position that it came from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from hopgraph.energy.options import as_mapping
from hopgraph.errors import At, Diagnostic, Findings, HopgraphError, Place, Source, Span, listing, rename_help
from hopgraph.frontend.tree import Tree, parse_value


def variant_names(tree: Tree) -> list[str]:
    """The names of a spec's variants, in the file's order."""
    variants = tree.child("variants")
    return list(variants.value) if variants is not None and isinstance(variants.value, dict) else []


def apply_variants(tree: Tree, names: Iterable[str], findings: Findings) -> Tree:
    """The tree with each named variant laid over it, in turn."""
    variants = tree.child("variants")
    known = variant_names(tree)
    for name in names:
        overlay = variants.child(name) if variants else None
        if overlay is None or not isinstance(overlay.value, dict):
            message = f"no variant is named `{name}`" if overlay is None else f"the variant `{name}` should be a mapping of paths to values"
            place = At(("variants",), key=True) if overlay is None else At(("variants", name))
            code = "variant-unknown" if overlay is None else "bad-value"
            findings.add(code, message, place, notes=[f"declared variants are {listing(known)}"], helps=rename_help(name, known))
            continue
        for path, node in overlay.value.items():
            tree = _lay(tree, path, node, overlay.keys[path], findings)
    return tree


def apply_settings(tree: Tree, settings: Iterable[str], findings: Findings) -> Tree:
    """The tree with each `path=value` of the command line laid over it, in turn."""
    for setting in settings:
        path, equals, text = setting.partition("=")
        source = Source("--set", setting)
        span = Span(source, 1, 1, max(1, len(path)))
        if not equals:
            findings.add("overlay-path", "a setting is written path=value", span, helps=["write for example `--set dims.C=256`"])
            continue
        try:
            node = parse_value(text, "--set")
        except HopgraphError as error:
            findings.found.extend(error.diagnostics)
            continue
        tree = _lay(tree, path.strip(), node, span, findings)
    return tree


def settings_of(overrides: Mapping[str, Any] | Iterable[str] | None) -> tuple[str, ...]:
    """Overrides given in Python, `{"dims.C": 256}`, as the texts of `--set`."""
    if overrides is None:
        return ()
    items = as_mapping(overrides)
    return tuple(overrides) if items is None else tuple(f"{path}={json.dumps(value)}" for path, value in items.items())


def _lay(tree: Tree, path: str, node: Tree, key: Span, findings: Findings) -> Tree:
    steps = tuple(path.split("."))
    at: Tree | None = tree
    for index, step in enumerate(steps):
        assert at is not None
        last = index == len(steps) - 1
        child = at.child(step)
        if child is None and not (last and isinstance(at.value, dict) and step):
            known = list(at.value) if isinstance(at.value, dict) else []
            findings.found.append(_no_place(path, steps[:index], step, known, key))
            return tree
        at = child
    return tree.replaced(steps, node, key)


def _no_place(path: str, parent: tuple[str, ...], step: str, known: list[str], at: Place) -> Diagnostic:
    where = f"`{'.'.join(parent)}`" if parent else "the spec"
    return Diagnostic(
        "overlay-path",
        f"`{path}` names a place that the spec does not have: {where} has no `{step}`",
        at,
        notes=(f"it has {listing(known)}",),
        helps=tuple(rename_help(step, known)),
    )
