"""The symmetric siblings, small: asymmetry of their pulls and energy along their updates.

`python -m tests.parity.siblings` prints the table. Weights and states are random, in float64. Where the certificate promises
descent for small steps, the step is `SMALL_STEP`; where it promises it at every step, the step is the spec's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hopgraph.frontend.library import shipped
from hopgraph.graph.certificate import Verdict
from hopgraph.lower.verify import Verification, verify
from hopgraph.passes.pipeline import CheckedSpec, load
from hopgraph.show.catalogue import SIBLING, SMALL, STRONGER, breaking

STEPS = 50
SIZES = {"ffnet": ("dims.base=4", "dims.stem=4"), "poolformer": ("dims.C1=8", "dims.C2=8", "dims.C3=8", "dims.C4=8")}
"""Settings that make some still smaller: of a pyramid, each stage is measured."""
SMALL_STEP = 1e-3
DESCENDING = (Verdict.GUARANTEED, Verdict.CONTINUOUS_TIME, Verdict.SMALL_STEP)


@dataclass(frozen=True)
class Sibling:
    """A spec by name with the variants that make it symmetric and small."""

    spec: str
    variants: tuple[str, ...]

    @property
    def label(self) -> str:
        return f"{self.spec} {','.join(self.variants)}".strip()

    def load(self, settings: tuple[str, ...] = ()) -> CheckedSpec:
        return load(self.spec, self.variants, settings)


def siblings() -> Iterator[Sibling]:
    """Each architecture's, and the strongest form of it."""
    for name in shipped():
        spec = load(name)
        if SIBLING not in spec.variant_names and breaking(spec.ham):
            continue
        own = tuple(variant for variant in (SIBLING,) if variant in spec.variant_names)
        small = tuple(variant for variant in SMALL if variant in spec.variant_names)[:1]
        stronger = tuple(variant for variant in STRONGER if variant in spec.variant_names)
        yield Sibling(name, (*own, *small))
        if stronger:
            yield Sibling(name, (*own, *stronger, *small))


def measured(sibling: Sibling) -> Verification:
    """A sibling at a depth of one, at the step that its certificate speaks of."""
    spec = sibling.load()
    blocks = [f"stages.{index}.block" for index in range(len(spec.loaded.spec.stages))] or ["block"]
    settings = [*SIZES.get(sibling.spec, ()), *(f"{block}.depth=1" for block in blocks)]
    if spec.certificate.verdict in (Verdict.SMALL_STEP, Verdict.CONTINUOUS_TIME):
        settings += [f"{block}.update.step={SMALL_STEP}" for block in blocks]
    return verify(sibling.load(tuple(settings)), sibling.label, steps=STEPS)


def main() -> None:
    print(f"{'sibling':44} {'asymmetry':>9} {'certificate':>16} {'rise':>9} {'fall':>9}")
    for sibling in siblings():
        found = measured(sibling)
        rise, fall = ("-" if value is None else f"{value:.1e}" for value in (found.energy_rise, found.energy_fall))
        print(f"{sibling.label:44} {found.asymmetry:9.1e} {found.verdict:>16} {rise:>9} {fall:>9}")


if __name__ == "__main__":
    main()
