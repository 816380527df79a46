"""Damaged specs: each gives a result or diagnostics that have places, soon, and never another exception."""

import gc
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from hopgraph.errors import HopgraphError, Source, Span
from hopgraph.frontend.library import shipped
from hopgraph.frontend.overlay import variant_names
from hopgraph.frontend.tree import parse
from hopgraph.passes.dump import dump, read_dump
from hopgraph.passes.pipeline import CheckedSpec, load
from tests.mutations import mutant

CONSTRUCTS = Path(__file__).parent / "constructs"
SPECS = {
    **{name: file.read_text("utf-8") for name, file in shipped().items()},
    **{path.stem: path.read_text("utf-8") for path in sorted(CONSTRUCTS.glob("*.yaml"))},
}
VARIANTS = {name: variant_names(parse(Source(name, text))) for name, text in SPECS.items()}
SECONDS = 1.0
"""How long a refusal may take. The clock is the process's own, so that a loaded machine does no harm."""

FAST, ALL, COMPILED = 300, 10_000, 300


def damaged(seed: int) -> tuple[str, str | None]:
    """A damaged spec, and one of the variants that it had."""
    rng = random.Random(seed)  # noqa: S311 (no secret)
    name = rng.choice(sorted(SPECS))
    return mutant(rng, SPECS[name]), rng.choice([None, *VARIANTS[name]])


def loaded(seed: int) -> CheckedSpec | HopgraphError:
    """A damaged spec, or what is wrong with it."""
    text, variant = damaged(seed)
    try:
        return load(Source("spec.yaml", text), variant)
    except HopgraphError as error:
        return error


def outcome(seed: int, codes: Counter[str]) -> CheckedSpec | None:
    """What a damaged spec is, if it is one; counts the codes of what is wrong with it else."""
    gc.disable()  # a collection would look at all that is kept of earlier ones, and count as time of this refusal
    start = time.process_time()
    found = loaded(seed)
    seconds = time.process_time() - start
    gc.enable()
    if isinstance(found, CheckedSpec):
        return found
    assert seconds < SECONDS, seed
    assert str(found).encode("utf-8")
    assert all(isinstance(diagnostic.at, Span) for diagnostic in found.diagnostics), seed
    codes.update(diagnostic.code for diagnostic in found.diagnostics)
    return None


def tally(seeds: range) -> dict[int, CheckedSpec]:
    """The damaged specs that still are specs, by their seeds. Prints what came of all."""
    codes: Counter[str] = Counter()
    valid = {seed: spec for seed in seeds if (spec := outcome(seed, codes)) is not None}
    print(f"\n{len(seeds)} mutants: {len(valid)} valid, {len(seeds) - len(valid)} diagnosed; {dict(codes.most_common())}")
    return valid


def test_a_damaged_spec_gives_a_result_or_a_diagnostic() -> None:
    assert 0 < len(tally(range(FAST))) < FAST


@pytest.mark.slow
def test_very_many_damaged_specs_do() -> None:
    assert 0 < len(tally(range(FAST, FAST + ALL))) < ALL


@pytest.mark.slow
def test_what_still_is_a_spec_is_shown_dumped_and_compiled() -> None:
    valid = tally(range(20_000, 23_500))
    assert len(valid) >= COMPILED
    for seed, spec in list(valid.items())[:COMPILED]:
        try:
            use(spec)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {damaged(seed)[0]}") from error


def use(spec: CheckedSpec) -> None:
    """Everything that can be done with a spec without allocating its model."""
    from hopgraph.lower.model import compile_model
    from hopgraph.show import FORMATS, show

    assert read_dump(dump(spec.ham)) == spec.ham
    assert read_dump(dump(spec.program)) == spec.program
    assert all(show(spec, form) for form in FORMATS)
    assert all(str(certificate) for certificate in spec.certificates)
    model = compile_model(spec, device="meta")
    assert sum(parameter.numel() for parameter in model.parameters()) == spec.program.parameter_count
