"""Variants and `--set`: values laid over a tree at dotted paths, each keeping the position that it came from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from hopgraph.energy.options import as_mapping
from hopgraph.errors import At, Diagnostic, Findings, HopgraphError, Place, Source, Span, listing, rename_help
from hopgraph.frontend.fields import fields_at, fields_of
from hopgraph.frontend.grammar import SPEC, Grammar, Model
from hopgraph.frontend.tree import MAX_DEPTH, Tree, parse_value


def variant_names(tree: Tree) -> list[str]:
    """The names of a spec's variants, in the file's order."""
    variants = tree.child("variants")
    return list(variants.value) if variants is not None and isinstance(variants.value, dict) else []


def apply_variants(tree: Tree, names: Iterable[str], findings: Findings) -> Tree:
    """The tree with each named variant laid over it, in turn."""
    variants = tree.child("variants")
    known = variant_names(tree)
    for name in names:
        overlay = variants.child(name) if variants and name in known else None
        if overlay is None:
            notes = [f"declared variants: {listing(known)}" if known else "the spec declares no variants"]
            place = At(("variants",) if known else (), key=True)
            findings.add("variant-unknown", f"no variant is named `{name}`", place, notes=notes, helps=rename_help(name, known))
        elif isinstance(overlay.value, dict):  # any other value is reported by the validation
            for path, node in overlay.value.items():
                tree = _lay(tree, path, node, overlay.keys[path], SPEC, findings)
    return tree


def apply_settings(tree: Tree, settings: Iterable[str], findings: Findings, grammar: Grammar[Model] = SPEC) -> Tree:
    """The tree with each `path=value` of the command line laid over it, in turn."""
    for setting in settings:
        path, equals, _ = setting.partition("=")
        source = Source("--set", setting)
        span = Span(source, 1, 1, max(1, len(path)))
        if not equals or not path.strip():
            findings.add("overlay-path", "a setting is written `path=value`", span, helps=[f"write for example `--set {grammar.example}`"])
            continue
        try:
            node = parse_value(source, len(path) + 1)
        except HopgraphError as error:
            findings.found.extend(error.diagnostics)
            continue
        tree = _lay(tree, path.strip().removeprefix(grammar.prefix), node, span, grammar, findings, new_dims=False)
    return tree


def settings_of(overrides: Mapping[str, Any] | Iterable[str] | None) -> tuple[str, ...]:
    """Overrides given in Python, `{"dims.C": 256}`, as the texts of `--set`."""
    if overrides is None:
        return ()
    items = as_mapping(overrides)
    if items is None:
        return (overrides,) if isinstance(overrides, str) else tuple(overrides)
    return tuple(f"{path}={json.dumps(value, ensure_ascii=False)}" for path, value in items.items())


def _lay(tree: Tree, path: str, node: Tree, key: Span, grammar: Grammar[Model], findings: Findings, *, new_dims: bool = True) -> Tree:
    """The tree with `node` at `path`. A new dim in a setting is a slip: nothing would read it."""
    steps = tuple(path.split("."))
    laid, at = tree, tree
    for index, step in enumerate(steps):
        child, last = at.child(step), index == len(steps) - 1
        new_name = last and (new_dims or steps[0] != "dims")
        if index == MAX_DEPTH or (child is None and not _may_add(at, steps[: index + 1], grammar, new_name)):
            findings.found.append(_no_place(path, steps[:index], step, at, key, grammar))
            return tree
        if child is None and not last:
            laid = laid.replaced(steps[: index + 1], Tree({}, key), key)
        at = child or Tree({}, key)
    return laid.replaced(steps, node, key)


def _may_add(at: Tree, steps: tuple[str, ...], grammar: Grammar[Model], new_name: bool) -> bool:
    """Whether the last step may be added to a node: a field of the language, or a name that a file gives where `new_name`."""
    owner = fields_at(grammar.model, steps[:-1])
    is_field = owner is not None and steps[-1] in fields_of(owner)
    return isinstance(at.value, dict) and (is_field or (new_name and steps[-1] != "" and not steps[-1].isdecimal()))


def _no_place(path: str, parent: tuple[str, ...], step: str, at: Tree, place: Place, grammar: Grammar[Model]) -> Diagnostic:
    where = f"`{'.'.join(parent)}`" if parent else f"the {grammar.noun}"
    message, helps = f"`{path}` names a place that the {grammar.noun} does not have: {where} has no `{step}`", []
    if isinstance(at.value, dict):
        notes = (f"it has {listing(at.value)}",)
        owner = fields_at(grammar.model, parent)
        helps = rename_help(step, dict.fromkeys([*at.value, *(fields_of(owner) if owner else ())]))
    elif isinstance(at.value, tuple):
        notes = (f"it is a list of {len(at.value)}, numbered from 0",)
    else:
        notes = (f"it is one value, `{at.value}`",)
    return Diagnostic("overlay-path", message, place, notes=notes, helps=tuple(helps))
