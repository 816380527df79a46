"""What each pass over the program is good for: the compiled model with all of them, against the same one without that pass.

Below them the memory format: kernels with their channels last (the recipe's `channels_last`), against kernels as they are.

    python -m benchmarks.passes [--quick] [--out FOLDER]

Forward, and forward with backward, eager, float32, on the CPU, with the same weights; outputs are compared in float64. Only where a pass
changes the program is there a row. A ratio below 1 is what the pass saves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from benchmarks.base import Effort, Result, compared, effort, interleaved
from benchmarks.forward import BATCH, PASSES
from benchmarks.pairs import example, pairs, relative
from benchmarks.tables import Table, command
from hopgraph.lower.model import Model, compile_model
from hopgraph.passes.pipeline import PROGRAM_PASSES, CheckedSpec, load

FURTHER = (("ninformer", "symmetric"),)
"""Specs beside those of the table of speed, with variants: what is computed twice in them is shared."""
CONVOLUTIONS = ("convmixer", "ffnet", "poolformer")
"""Specs of which convolutions or pooling take the time."""


def specs(quick: bool) -> Iterator[tuple[str, CheckedSpec]]:
    """The specs by name."""
    yield from ((pair.name, pair.load()) for pair in pairs(quick))
    for name, variant in FURTHER:
        yield f"{name} {variant}", load(name, f"{variant},digits" if quick else variant)


def without(spec: CheckedSpec, name: str) -> CheckedSpec | None:
    """The spec without a pass; none where that changes nothing."""
    found = replace(spec, without=(*spec.without, name))
    return None if found.program == spec.program else found


def rows(name: str, spec: CheckedSpec, off: CheckedSpec, given: Effort) -> Iterator[Result]:
    """Both ways through the model."""
    equal = difference(spec, off)
    ours, theirs = made(spec), made(off)
    inputs = example(ours, BATCH)
    for what, step in PASSES.items():
        found = interleaved({"ours": step(ours, inputs), "theirs": step(theirs, inputs)}, given)
        yield compared(what, f"without {off.without[-1]}", found["ours"], found["theirs"], name=name, equal=equal)


def formats(name: str, spec: CheckedSpec, given: Effort) -> Iterator[Result]:
    """Both ways through the model, with channels last and as it is."""
    model, plain = made(spec).channels_last(), made(spec)
    inputs = example(plain, BATCH)
    exact = example(plain, 2, torch.float64)
    with torch.no_grad():
        equal = relative(made(spec, torch.float64).channels_last()(exact), made(spec, torch.float64)(exact))
    for what, step in PASSES.items():
        found = interleaved({"ours": step(model, inputs), "theirs": step(plain, inputs)}, given)
        yield compared(what, "channels first", found["ours"], found["theirs"], name=name, equal=equal)


def made(spec: CheckedSpec, dtype: torch.dtype = torch.float32) -> Model:
    """A model with random weights, the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return compile_model(spec, dtype=dtype)


def difference(spec: CheckedSpec, off: CheckedSpec) -> float:
    """The relative difference of the outputs in float64."""
    model = made(spec, torch.float64)
    given = example(model, 2, torch.float64)
    with torch.no_grad():
        return relative(model(given), made(off, torch.float64)(given))


def measure(quick: bool) -> Table:
    """Every spec without every pass."""
    found: list[Result] = []
    for name, spec in specs(quick):
        for item in PROGRAM_PASSES:
            off = without(spec, item.name)
            if off is not None:
                found += rows(name, spec, off, effort(quick))
    for name in CONVOLUTIONS:
        found += formats(name, load(name, "digits" if quick else None), effort(quick))
    return Table(tuple(found))


def main() -> None:
    """Print the table."""
    command("passes", __doc__ or "", measure)


if __name__ == "__main__":
    main()
