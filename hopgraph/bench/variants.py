"""What is compared: variants by name, the values of a sweep, and each of these at an equal number of parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from hopgraph.errors import Diagnostic, HopgraphError
from hopgraph.passes.iso_params import JOINED
from hopgraph.passes.pipeline import CheckedSpec, load

ISO = " (iso)"
"""What the label of a variant at equal parameters ends with."""
DEFAULT = "default"
"""The name of the spec as it is."""
SYMMETRY = re.compile(r"(.*\.symmetry(?:\.\w+)?)\.penalized")
"""A path whose value is a lambda, and the place of the symmetry itself."""


@dataclass(frozen=True)
class Sweep:
    """A place in the spec and the values, as they are written, that are laid there one after the other.

    `*` in the place stands for every stage: `stages.*.block.symmetry.penalized`.
    """

    path: str
    values: tuple[str, ...]

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """`penalized=1e-4` for each value."""
        return tuple(f"{self.path.rpartition('.')[2]}={value}" for value in self.values)

    @cached_property
    def numbers(self) -> tuple[float, ...] | None:
        """The values, where all of them are numbers from 0."""
        try:
            found = tuple(map(float, self.values))
        except ValueError:
            return None
        return found if all(0 <= value < float("inf") for value in found) else None

    @property
    def of_lambda(self) -> bool:
        """Whether the values are penalties of asymmetry: towards infinity the pulls are tied, at 0 they are their own."""
        return SYMMETRY.fullmatch(self.path) is not None

    def settings(self, base: CheckedSpec, value: str) -> list[str]:
        """The texts of `--set` that lay a value over the base; a word that stands where the value belongs gives way."""
        found: list[str] = []
        for path in _places(base, self.path):
            parent, _, leaf = path.rpartition(".")
            above = base.loaded.tree.at(tuple(parent.split("."))) if parent else base.loaded.tree
            word = above is not None and not isinstance(above.value, dict | tuple)
            found.append(f"{parent}={{{leaf}: {value}}}" if word else f"{path}={value}")
        return found


def _places(base: CheckedSpec, path: str) -> list[str]:
    """The path, or one for each stage where `*` stands for its number."""
    if "*" not in path.split("."):
        return [path]
    numbers = map(str, range(len(base.loaded.spec.stages)))
    return [".".join(number if step == "*" else step for step in path.split(".")) for number in numbers] or [path]


def read_sweep(text: str) -> Sweep:
    """`PATH=V1,V2`; commas inside brackets belong to a value. Raises HopgraphError."""
    path, equals, rest = text.partition("=")
    values = tuple(part.strip() for part in _parts(rest))
    if not equals or not path.strip() or not all(values):
        helps = ("write for example `--sweep block.symmetry.penalized=0,1e-4,1e-2`",)
        raise HopgraphError(Diagnostic("overlay-path", "a sweep is written `path=value,value`", helps=helps))
    twice = [value for index, value in enumerate(values) if value in values[:index]]
    if twice:
        raise HopgraphError(Diagnostic("bad-value", f"the value `{twice[0]}` stands twice in the sweep"))
    return Sweep(path.strip(), values)


def _parts(text: str) -> Iterator[str]:
    """What stands between the commas outside brackets."""
    depth, part = 0, ""
    for sign in text:
        depth += (sign in "[{(") - (sign in ")}]")
        if sign == "," and depth == 0:
            yield part
            part = ""
        else:
            part += sign
    yield part


@dataclass(frozen=True)
class Wanted:
    """What is to be compared. `iso` is what the parameters of further rows match, by scaling the dims `by`.

    A name is a variant, several joined by `+`, or `default`: the spec as it is, with `variant` alone laid over it.
    """

    spec: str
    variant: str | None
    settings: tuple[str, ...]
    names: tuple[str, ...]
    sweep: Sweep | None = None
    iso: str | None = None
    by: tuple[str, ...] = ()


def members(wanted: Wanted) -> dict[str, CheckedSpec]:
    """The checked spec of everything that is compared, by its label. Raises HopgraphError."""
    base = load(wanted.spec, wanted.variant, wanted.settings)
    require_variants(base, wanted.names, wanted.sweep)
    by = _scaled_dims(base, wanted) if wanted.iso else ()
    found: dict[str, CheckedSpec] = {}
    equal: dict[str, CheckedSpec] = {}
    for label, variant, settings in _overlays(base, wanted):
        found[label] = load(wanted.spec, variant, settings)
        if by and label != wanted.iso:
            scaled = load(wanted.spec, variant, (*settings, f"iso_params={{match: {wanted.iso}, by: [{', '.join(by)}]}}"))
            if scaled.iso and scaled.iso.before != scaled.iso.after:
                equal[label + ISO] = scaled
    if wanted.sweep:
        _require_effect(wanted.sweep, found)
    return {**found, **equal}


def _require_effect(sweep: Sweep, specs: dict[str, CheckedSpec]) -> None:
    """Raise HopgraphError where two values give the same model: what is nearer to a pull, such as its synapse, has the last word."""
    first, *others = sweep.labels
    same = next((label for label in others if specs[label].ham == specs[first].ham), None)
    if same:
        helps = ("sweep the place that decides, as `block.synapses.NAME.symmetry.penalized`",)
        raise HopgraphError(
            Diagnostic("overlay-path", f"`{first}` and `{same}` give the same model: `{sweep.path}` has no effect", helps=helps)
        )


def _overlays(base: CheckedSpec, wanted: Wanted) -> Iterator[tuple[str, str | None, tuple[str, ...]]]:
    """The label, variants and settings of everything that is compared at equal width."""
    for name in wanted.names:
        yield name, ",".join((*_variants(base, name), *((wanted.variant,) if wanted.variant else ()))) or None, wanted.settings
    if wanted.sweep:
        for label, value in zip(wanted.sweep.labels, wanted.sweep.values, strict=True):
            yield label, wanted.variant, (*wanted.settings, *wanted.sweep.settings(base, value))


def _variants(base: CheckedSpec, name: str) -> Sequence[str]:
    """The variants that a name stands for."""
    return () if name == DEFAULT and DEFAULT not in base.variant_names else name.split(JOINED)


def _scaled_dims(base: CheckedSpec, wanted: Wanted) -> Sequence[str]:
    """The dims that are scaled to equal parameters: those given, or those that the spec names."""
    declared = base.loaded.tree.at(("iso_params", "by"))
    if wanted.by or declared is None:
        if not wanted.by:
            helps = (f"name some with `--iso-by`; it has {', '.join(base.ham.dims)}",)
            raise HopgraphError(
                Diagnostic("iso-params", f"`{base.name}` does not say which dims are scaled to equal parameters", helps=helps)
            )
        return wanted.by
    return [declared.plain] if isinstance(declared.plain, str) else [str(name) for name in declared.plain]


def require_variants(spec: CheckedSpec, names: Sequence[str], sweep: Sweep | None = None) -> None:
    """Raise HopgraphError where there is nothing to compare, or where a variant is named twice."""
    twice = [name for index, name in enumerate(names) if name in names[:index]]
    if twice or not (names or sweep):
        message = f"the variant `{twice[0]}` stands twice" if twice else "there is no variant to compare"
        raise HopgraphError(Diagnostic("variant-unknown", message, helps=(f"`{spec.name}` has {', '.join(spec.variant_names)}",)))


def folder_name(label: str) -> str:
    """A label as the name of a folder."""
    return re.sub(r"[^\w.=+-]+", "-", label).strip("-")


def ends(sweep: Sweep, specs: dict[str, CheckedSpec]) -> dict[str, str]:
    """Which variants are the ends of a sweep of lambda: `tied` (lambda to infinity) or `own` (0), all else being equal."""
    found = SYMMETRY.fullmatch(sweep.path)
    swept = specs.get(sweep.labels[0])
    if found is None or swept is None:
        return {}
    result: dict[str, str] = {}
    for word in ("tied", "own"):
        loaded = swept.loaded
        settings = [f"{path}={word}" for path in _places(swept, found[1])]
        end = _computed(load(loaded.source, loaded.variants, (*loaded.settings, *settings)))
        result |= {label: word for label, spec in specs.items() if label not in sweep.labels and _computed(spec) == end}
    return result


def _computed(spec: CheckedSpec) -> object:
    """What a spec says about what is computed, to be compared with another's."""
    return spec.loaded.spec.model_copy(update={"variants": {}, "weights": {}, "cite": None, "iso_params": None})
