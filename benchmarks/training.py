"""What a training step costs: of the penalized variant over the own one, of our loop over one by hand, of ours over timm's MLP-Mixer.

    python -m benchmarks.training [--rounds N] [--quick] [--out FOLDER]

All candidates of a size are in one process and take turns. The targets are 1.05 for penalized over own, both in our loop; 1.03 for our loop
over one written by hand, of the same compiled model; 0.90 for the symmetric and the own variant over timm's Mixer of the same sizes, each
in the loop by hand. timm's Mixer is written out in benchmarks/rivals/timm.py; it is another function, with biases and a norm for each half,
so outputs are not compared. The loops have torch's AdamW, and data that were normalized beforehand. Timings mean something on a machine
that does nothing else.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812 (the name that torch's own documentation uses)
from torch import nn

from benchmarks.base import QUICK, Effort, Result, Step, Target, compared, interleaved
from benchmarks.rivals import timm
from benchmarks.rivals.parts import Sizes
from benchmarks.tables import Table, parser, run
from hopgraph.lower.model import compile_model
from hopgraph.passes.pipeline import CheckedSpec, load
from hopgraph.train.checkpoint import Origin
from hopgraph.train.data import Examples, Images
from hopgraph.train.recipe import Recipe
from hopgraph.train.run import SpecText
from hopgraph.train.tasks import choose_task
from hopgraph.train.trainer import Trainer

ROUNDS = 20
SECONDS = 0.15
"""A round of one candidate takes about so long."""
BATCH = 64
EXAMPLES = 1024


@dataclass(frozen=True)
class Case:
    """ParaMixers of one size. `loops` says whether our loop is measured, `mixer` are the sizes of timm's, where it is."""

    name: str
    variants: str
    batch: int
    loops: bool
    mixer: Sizes | None

    def load(self, form: str) -> CheckedSpec:
        """The spec of a form."""
        return load("paramixer", f"{form},{self.variants}".strip(","), self.mixer.settings if self.mixer else None)


CASES = (
    Case("digits (8x8, C=64, depth 4)", "digits", BATCH, True, None),
    Case("CIFAR (32x32, C=128, depth 4)", "", BATCH, True, Sizes(32, 4, 128, 4)),
    Case("S (32x32, C=512, depth 8), batch 8", "", 8, False, Sizes(32, 4, 512, 8)),
)
TOYS = (Case("toy (8x8, C=16, depth 1)", "", BATCH, True, Sizes(8, 4, 16, 1)),)


def images(spec: CheckedSpec, count: int = EXAMPLES) -> Images:
    """So many random images as a spec reads them."""
    (classes,), (channels, *_) = spec.ham.output.values(), spec.ham.input.shape
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(count, *spec.ham.input.shape, generator=generator)
    found = Examples(inputs, torch.randint(classes, (count,), generator=generator))
    labels = tuple(map(str, range(classes)))
    return Images(name="random", train=found, test=found, mean=(0.5,) * channels, std=(0.3,) * channels, labels=labels)


RECIPE = Recipe(epochs=10**6, batch_size=BATCH)


def ours(spec: CheckedSpec, recipe: Recipe = RECIPE, count: int = EXAMPLES) -> Step:
    """A step of our loop, on the GPU where there is one; an epoch has so many examples."""
    data = images(spec, count)
    trainer = Trainer(spec, choose_task(spec, data), data, recipe, Origin(SpecText.of(spec), {}, data.name, 0, 1, "ddp"))
    plan = trainer.begin()

    def step() -> None:
        nonlocal plan
        if trainer.steps == len(plan.steps):
            trainer.steps = 0
            plan = trainer.begin()
        trainer.step(plan)

    return step


def by_hand(model: nn.Module, data: Images, batch: int = BATCH, device: str = "cpu", mixed: bool = False) -> Step:
    """A step of a model in a loop as one writes it, with products in bfloat16 where it is `mixed`. `batch` divides the examples."""
    model.to(device)
    inputs, targets = data.normalized(data.train.inputs).to(device), data.train.targets.to(device)
    matrices = [tensor for tensor in model.parameters() if tensor.ndim > 1]
    others = [tensor for tensor in model.parameters() if tensor.ndim <= 1]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}], lr=1e-6)
    rows = iterate(torch.randperm(len(targets), device=device), batch)
    around = partial(torch.autocast, device, torch.bfloat16) if mixed else nullcontext

    def step() -> None:
        chosen = next(rows)
        with around():
            loss = F.cross_entropy(model(inputs[chosen]), targets[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def iterate(order: torch.Tensor, batch: int) -> Iterator[torch.Tensor]:
    """Batches of an order, again and again."""
    while True:
        yield from order.reshape(-1, batch)


@dataclass(frozen=True)
class Row:
    """Two candidates, and what their ratio must reach."""

    what: str
    ours: str
    theirs: str
    target: Target


LOOPS = (
    Row("a step of penalized", "penalized", "own, our loop", Target(1.05)),
    Row("a step of our loop", "own, our loop", "own, loop by hand", Target(1.03)),
)
MIXERS = (
    Row("a step of symmetric", "symmetric, loop by hand", "timm's MLP-Mixer", Target(0.9)),
    Row("a step of own", "own, loop by hand", "timm's MLP-Mixer", Target(0.9)),
)


def candidates(case: Case) -> dict[str, Step]:
    """Those of a size, by name."""
    own = case.load("broken")
    hand = partial(by_hand, data=images(own), batch=case.batch)
    found = {"own, loop by hand": hand(compile_model(own))}
    if case.loops:
        found |= {"own, our loop": ours(own), "penalized": ours(case.load("asymmetric"))}
    if case.mixer:
        symmetric = hand(compile_model(case.load("symmetric")))
        found |= {"symmetric, loop by hand": symmetric, "timm's MLP-Mixer": hand(timm.mixer(case.mixer))}
    return found


def rows(case: Case, given: Effort) -> Iterator[Result]:
    """The ratios of a size."""
    found = interleaved(candidates(case), given)
    for row in (*(LOOPS if case.loops else ()), *(MIXERS if case.mixer else ())):
        yield compared(row.what, row.theirs, found[row.ours], found[row.theirs], name=case.name, target=row.target)


def measure(given: argparse.Namespace, quick: bool) -> Table:
    """Every size."""
    effort = replace(QUICK if quick else Effort(ROUNDS, SECONDS), **({"rounds": given.rounds} if given.rounds else {}))
    return Table(tuple(result for case in (TOYS if quick else CASES) for result in rows(case, effort)))


def main() -> None:
    """Print the ratios."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--rounds", type=int, help=f"{ROUNDS} without it")
    given = arguments.parse_args()
    run("training", given, partial(measure, given))


if __name__ == "__main__":
    main()
