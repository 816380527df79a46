"""iso_params: scale some dims by one factor until two variants have equal parameter counts.

Tying halves the weights, so at equal width a comparison mixes symmetry with capacity. The count grows with the factor, and is
bisected; the dims are integers, so some inequality remains, which is told. A factor with which the spec no longer holds, such as
one that leaves `C / 2` no integer, is passed over for one nearer to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from hopgraph.errors import At, Findings, HopgraphError, listing, rename_help
from hopgraph.frontend.load import LoadedSpec, read_spec
from hopgraph.frontend.spec import IsoParams
from hopgraph.graph.ham import Ham

SYMMETRIES = ("tied", "own")
"""What `match` may name besides a variant."""
JOINED = "+"
"""What joins the names of variants that are laid over a spec together."""
LARGEST_FACTOR = 64.0
TURNS = 40
NUDGES = 16
"""So many sizes are tried from one with which the spec does not hold, such as one that leaves `C / heads` no integer."""

Measure = Callable[[LoadedSpec], tuple[Ham, int]]
"""A spec's graph and its number of parameters. Raises HopgraphError."""


@dataclass(frozen=True)
class Iso:
    """What was done: the dims before and after, and the parameters of the result and of what it matches."""

    match: str
    before: dict[str, int]
    after: dict[str, int]
    parameters: int
    wanted: int

    def __str__(self) -> str:
        dims = ", ".join(f"{name} {size:,} -> {self.after[name]:,}" for name, size in self.before.items())
        apart = (self.parameters - self.wanted) / max(1, self.wanted)
        return f"{dims}; {self.parameters:,} parameters against {self.wanted:,} of `{self.match}` ({apart:+.2%})"


def match_parameters(loaded: LoadedSpec, measure: Measure, findings: Findings) -> tuple[LoadedSpec, Iso] | None:
    """The spec with its dims scaled as its `iso_params` says. None after a diagnostic."""
    wish = loaded.spec.iso_params
    assert wish is not None
    other = _other(loaded, wish, findings)
    ham, _ = measure(_without(loaded))
    unknown = [(index, name) for index, name in enumerate(wish.by) if name not in ham.dims]
    for index, name in unknown:
        notes = [f"declared dims: {listing(ham.dims)}"]
        at = At(("iso_params", "by", index))
        findings.add("iso-params", f"no dim is named `{name}`", at, notes=notes, helps=rename_help(name, ham.dims))
    if other is None or unknown:
        return None
    try:
        _, wanted = measure(other)
    except HopgraphError as error:
        _report_other(wish, error, findings)
        return None
    return _search(loaded, wish, {name: ham.dims[name] for name in wish.by}, wanted, measure, findings)


def _other(loaded: LoadedSpec, wish: IsoParams, findings: Findings) -> LoadedSpec | None:
    """What is to be matched: the spec with another variant laid over it, or with another symmetry."""
    variants, settings = loaded.variants, loaded.settings
    names = wish.match.split(JOINED)
    if all(name in loaded.variant_names for name in names):
        variants = (*variants, *names)
    elif wish.match in SYMMETRIES:
        spec = loaded.spec
        blocks = ["block"] if spec.block else [f"stages.{index}.block" for index in range(len(spec.stages))]
        settings = (*settings, *(f"{block}.symmetry={wish.match}" for block in blocks))
    else:
        known = [*loaded.variant_names, *SYMMETRIES]
        notes = [f"variants: {listing(loaded.variant_names)}", f"symmetries: {listing(SYMMETRIES)}"]
        stranger = next(name for name in names if name not in loaded.variant_names)
        message = f"no variant or symmetry is named `{stranger}`"
        findings.add("iso-params", message, At(("iso_params", "match")), notes=notes, helps=rename_help(stranger, known))
        return None
    mine = Findings()
    other = read_spec(loaded.source, variants, settings, mine)
    try:
        mine.raise_if_any()
    except HopgraphError as error:
        _report_other(wish, error, findings)
        return None
    assert other is not None
    return _without(other)


def _report_other(wish: IsoParams, error: HopgraphError, findings: Findings) -> None:
    message = f"`{wish.match}` is no model whose parameters could be matched: {error.diagnostics[0].message}"
    findings.add("iso-params", message, At(("iso_params", "match")))


def _without(loaded: LoadedSpec) -> LoadedSpec:
    return replace(loaded, spec=loaded.spec.model_copy(update={"iso_params": None}))


def _search(
    loaded: LoadedSpec, wish: IsoParams, before: dict[str, int], wanted: int, measure: Measure, findings: Findings
) -> tuple[LoadedSpec, Iso] | None:
    """Bisect the factor; of all that was tried, the nearest count. Factor 1, the first, is the spec as it is, which holds."""
    found: list[tuple[int, int, LoadedSpec, dict[str, int]]] = []
    refused: list[str] = []
    low, high = 1 / LARGEST_FACTOR, LARGEST_FACTOR
    counts: dict[tuple[int, ...], int | None] = {}

    def count_with(after: dict[str, int]) -> int | None:
        """The parameters with these sizes; None where the spec does not hold with them."""
        key = tuple(after.values())
        if key not in counts:
            try:
                scaled, count = _scaled(loaded, after, measure)
            except HopgraphError as error:
                refused.append(f"with {', '.join(_settings(after))}, {error.diagnostics[0].message}")
                counts[key] = None
            else:
                found.append((abs(count - wanted), count, scaled, after))
                counts[key] = count
        return counts[key]

    for _ in range(TURNS):
        factor = (low * high) ** 0.5
        held = (count for count in map(count_with, _nearer(before, factor)) if count is not None)
        few = next(held, 0 if factor < 1 else wanted) < wanted
        low, high = (factor, high) if few else (low, factor)
    apart, count, scaled, after = min(found, key=lambda item: item[0])
    if apart > wanted / 10:
        message = f"no factor of {listing(f'`{name}`' for name in before)} brings {count:,} parameters near the {wanted:,} of the other"
        helps = ["name dims that most parameters depend on"]
        findings.add("iso-params", message, At(("iso_params", "by")), notes=refused[-1:], helps=helps)
        return None
    return scaled, Iso(wish.match, before, after, count, wanted)


def _nearer(before: dict[str, int], factor: float) -> Iterator[dict[str, int]]:
    """The sizes at a factor, then those between it and 1, as far as one of NUDGES steps of the first dim leads."""
    first = next(iter(before.values()))
    steps = (round(first * factor) + count * (1 if factor < 1 else -1) for count in range(1, NUDGES))
    for each in (factor, *(step / first for step in steps if min(factor, 1) < step / first < max(factor, 1))):
        yield {name: max(1, round(size * each)) for name, size in before.items()}


def _settings(dims: dict[str, int]) -> list[str]:
    return [f"dims.{name}={size}" for name, size in dims.items()]


def _scaled(loaded: LoadedSpec, dims: dict[str, int], measure: Measure) -> tuple[LoadedSpec, int]:
    """The spec with other dims, and its parameters. Raises HopgraphError where it no longer holds."""
    mine = Findings()
    found = read_spec(loaded.source, loaded.variants, (*loaded.settings, *_settings(dims)), mine)
    mine.raise_if_any()
    assert found is not None
    scaled = replace(_without(found), settings=loaded.settings)
    return scaled, measure(scaled)[1]
