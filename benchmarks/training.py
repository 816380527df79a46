"""What a training step costs: of the penalized variant over the own one, and of our loop over one written by hand.

    python -m benchmarks.training [ROUNDS]

All candidates are in one process and take turns, some steps each, in a random order. A line gives the median over the rounds of
the ratio of their medians, with its bootstrap interval of 95%. The targets are 1.05 for penalized over own and 1.03 for our loop over
the plain one: the same compiled model, torch's AdamW, and data that were normalized beforehand. Timings mean something on a machine
that does nothing else.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the name that torch's own documentation uses)

from hopgraph.lower.model import compile_model
from hopgraph.passes.pipeline import CheckedSpec, load
from hopgraph.train.checkpoint import Origin
from hopgraph.train.data import Examples, Images
from hopgraph.train.recipe import Recipe
from hopgraph.train.run import SpecText
from hopgraph.train.tasks import choose_task
from hopgraph.train.trainer import Trainer

ROUNDS = 30
STEPS = 8
"""The steps of a candidate in a round."""
RESAMPLES = 2000
BATCH = 64
EXAMPLES = 1024
SIZES = {
    "digits (8x8, C=64, depth 4)": ("digits", ()),
    "CIFAR (32x32, C=128, depth 4)": ("", ("dims.C=128", "dims.depth=4")),
}
"""By name, the variants and settings of the ParaMixers that are measured."""

Step = Callable[[], object]


@dataclass(frozen=True)
class Ratio:
    """The median ratio of two candidates over the rounds, with its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def images(spec: CheckedSpec) -> Images:
    """Random images as a spec reads them."""
    (classes,), (channels, *_) = spec.ham.output.values(), spec.ham.input.shape
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(EXAMPLES, *spec.ham.input.shape, generator=generator)
    found = Examples(inputs, torch.randint(classes, (EXAMPLES,), generator=generator))
    labels = tuple(map(str, range(classes)))
    return Images(name="random", train=found, test=found, mean=(0.5,) * channels, std=(0.3,) * channels, labels=labels)


def ours(spec: CheckedSpec) -> Step:
    """A step of our loop."""
    data, recipe = images(spec), Recipe(epochs=10**6, batch_size=BATCH)
    trainer = Trainer(spec, choose_task(spec, data), data, recipe, Origin(SpecText.of(spec), {}, data.name, 0, 1, "ddp"))
    plan = trainer.begin()

    def step() -> None:
        nonlocal plan
        if trainer.steps == len(plan.steps):
            trainer.steps = 0
            plan = trainer.begin()
        trainer.step(plan)

    return step


def by_hand(spec: CheckedSpec) -> Step:
    """A step of the same model in a loop as one writes it."""
    data, model = images(spec), compile_model(spec)
    inputs, targets = data.normalized(data.train.inputs), data.train.targets
    matrices = [tensor for tensor in model.parameters() if tensor.ndim > 1]
    others = [tensor for tensor in model.parameters() if tensor.ndim <= 1]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}], lr=1e-6)
    rows = iterate(torch.randperm(EXAMPLES))

    def step() -> None:
        batch = next(rows)
        loss = F.cross_entropy(model(inputs[batch]), targets[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def iterate(order: torch.Tensor) -> Iterator[torch.Tensor]:
    """Batches of an order, again and again."""
    while True:
        yield from order.reshape(-1, BATCH)


def timed(steps: dict[str, Step], rounds: int) -> dict[str, list[float]]:
    """By candidate, the median seconds of a step in each round."""
    shuffler, found = random.Random(0), {name: list[float]() for name in steps}  # noqa: S311 (an order, not a secret)
    for number in range(rounds + 2):  # two to warm up
        for name in shuffler.sample(list(steps), len(steps)):
            seconds = [_seconds(steps[name]) for _ in range(STEPS)]
            if number >= 2:
                found[name].append(statistics.median(seconds))
    return found


def _seconds(step: Step) -> float:
    begun = time.perf_counter()
    step()
    return time.perf_counter() - begun


def ratio(own: Sequence[float], base: Sequence[float]) -> Ratio:
    """The median over rounds of own / base, and its bootstrap interval."""
    ratios = np.asarray(own) / np.asarray(base)
    resampled = np.median(np.random.default_rng(0).choice(ratios, (RESAMPLES, len(ratios))), axis=1)
    low, high = np.quantile(resampled, (0.025, 0.975))
    return Ratio(float(np.median(ratios)), float(low), float(high))


def main(rounds: int = ROUNDS) -> None:
    """Print the ratios."""
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, batch {BATCH}, {rounds} rounds of {STEPS} steps")
    for size, (variants, settings) in SIZES.items():
        own, penalized = (load("paramixer", f"{form},{variants}".strip(","), settings) for form in ("broken", "asymmetric"))
        found = timed({"own": ours(own), "penalized": ours(penalized), "by hand": by_hand(own)}, rounds)
        print(f"{size}: {statistics.median(found['own']) * 1e3:.1f} ms a step")
        print(f"  penalized over own      {ratio(found['penalized'], found['own'])}")
        print(f"  our loop over by hand   {ratio(found['own'], found['by hand'])}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
