"""A text with variants and settings laid over it, to a validated spec that knows its positions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hopgraph.errors import At, Findings, Path, Source, Span
from hopgraph.frontend.overlay import apply_settings, apply_variants, settings_of, variant_names
from hopgraph.frontend.spec import Spec
from hopgraph.frontend.tree import Tree, parse
from hopgraph.frontend.validate import validate


@dataclass(frozen=True)
class LoadedSpec:
    """A spec as it will be compiled: the validated models, the tree that knows every position, and what was laid over it.

    `broken` are the places where the models hold a placeholder for a mistake that is reported already.
    """

    spec: Spec
    tree: Tree
    source: Source
    variants: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    broken: tuple[Path, ...] = ()

    def locate(self, at: At) -> Span:
        """The position of a place in the spec."""
        return self.tree.locate(at)

    @property
    def variant_names(self) -> list[str]:
        """The names of all variants that the file declares."""
        return variant_names(self.tree)


def read_spec(
    source: Source, variant: str | Iterable[str] | None, overrides: Mapping[str, Any] | Iterable[str] | None, findings: Findings
) -> LoadedSpec | None:
    """Parse a text, lay variants and settings over it, and validate it. Mistakes go to `findings`, with positions.

    None where nothing is left to check further. Raises HopgraphError for a text that is no YAML.
    """
    names = tuple(name.strip() for name in variant.split(",") if name.strip()) if isinstance(variant, str) else tuple(variant or ())
    settings = settings_of(overrides)
    tree = apply_settings(apply_variants(parse(source), names, findings), settings, findings)
    validated, broken = validate(tree, findings)
    findings.found = [diagnostic.located(tree) for diagnostic in findings.found]
    return LoadedSpec(validated, tree, source, names, settings, broken) if validated else None
