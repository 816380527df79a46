"""The languages of YAML files: that of specs, and whatever else is written, validated and overlaid in the same way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from hopgraph.energy.options import OptionModel
from hopgraph.errors import Findings, Path
from hopgraph.frontend.forms import check_forms
from hopgraph.frontend.spec import LANGUAGE, Spec
from hopgraph.frontend.tree import Tree

Model = TypeVar("Model", bound=OptionModel)


def _any_form(tree: Tree, findings: Findings) -> list[Path]:
    """No rule but those of the model."""
    return []


@dataclass(frozen=True)
class Grammar(Generic[Model]):
    """A language of files, by its `name`.

    `noun` is what a file of it is called, `model` what it is validated by. The field `version` at its head holds `number`.
    `example` is a setting of it. `prefix` may stand before the paths of its settings, where they are given beside another language's.
    `open_fields` are those in which a name may stand without a value. `forms` reports which fields cannot stand together, and gives
    the places that cannot be used.
    """

    name: str
    noun: str
    model: type[Model]
    version: str
    number: int
    example: str
    prefix: str = ""
    open_fields: tuple[str, ...] = ()
    forms: Callable[[Tree, Findings], list[Path]] = _any_form


SPEC = Grammar("the language", "spec", Spec, "hopgraph", LANGUAGE, "dims.C=256", open_fields=("variants", "weights"), forms=check_forms)
"""The language of specs."""
