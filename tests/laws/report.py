"""`python -m tests.laws.report [SEEDS]`: each law with how many random specs it was held over, and its worst error."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator

import torch

from .drawing import random_spec
from .drawing.recipe import GUARANTEED
from .features import features
from .specs import check
from .table import LAWS, Law


def rows(laws: Iterable[Law], most: int) -> Iterator[str]:
    """A line for each law, over at most so many seeds."""
    for law in laws:
        found = [(error, seed) for seed in range(min(most, law.slow)) if (error := law.measure(seed)) is not None]
        worst, seed = max(found, default=(0.0, 0))
        yield f"{law.name:55} {len(found):4} specs, worst {worst:.1e} (seed {seed}), at most {law.tolerance:g}"


def guaranteed(count: int) -> Iterator[str]:
    """How many of so many guaranteed specs have each construct."""
    seen = Counter(feature for seed in range(count) for feature in features(check(random_spec(seed, GUARANTEED))))
    yield f"of {count} guaranteed specs:"
    yield from (f"  {number:4} {feature}" for feature, number in sorted(seen.items()))


def main() -> None:
    """Print the report."""
    torch.set_num_threads(1)
    most = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    for line in rows(LAWS, most):
        print(line, flush=True)
    for line in guaranteed(most):
        print(line)


if __name__ == "__main__":
    main()
