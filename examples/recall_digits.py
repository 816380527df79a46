"""Twenty handwritten digits in a classical, a dense and a modern Hopfield network: what comes back of them when they are corrupted.

Run it with `python examples/recall_digits.py`. A pixel is +1 where it is brighter than its median over the twenty, else -1,
and pixels that are alike in all are left out: patterns that share much of what they are crowd each other in the classical network.
"""

from typing import Any, cast

import numpy as np
import torch
from sklearn.datasets import load_digits

import hopgraph
from hopgraph.recall.dynamics import corrupted, recall
from hopgraph.recall.memory import find_memory, store

COUNT = 20
SHARE = 0.2


def main() -> None:
    """Print, for each network, how many digits come back to the last pixel, and the energy before and after."""
    images = cast("Any", load_digits()).data[:COUNT]
    patterns = np.where(images > np.median(images, 0), 1.0, -1.0)
    patterns = patterns[:, patterns.std(0) > 0]
    start = corrupted(torch.tensor(patterns), SHARE, noise=0.0, seed=0)
    print(f"{COUNT} digits of {patterns.shape[1]} pixels, {SHARE:.0%} of them flipped")
    for variant in ("classical", "dense", "modern"):
        model = hopgraph.compile("hopfield", variant, {"dims.M": COUNT, "dims.N": patterns.shape[1]}).double()
        store(model, find_memory(model.spec), patterns)
        found = recall(model, start)
        back = int((np.sign(found.states["x"].numpy()) == patterns).all(1).sum())
        print(f"{variant}: {back} of {COUNT} come back to the last pixel")
        if found.energies is not None:
            print(f"  mean energy {found.energies[0].mean():.2f} at first, {found.energies[-1].mean():.2f} at last")


if __name__ == "__main__":
    main()
