"""A Hopfield network with a Lagrangian that HopGraph does not ship: verified, certified, and better at digits than without it.

    pip install -e examples/custom_lagrangian
    python examples/custom_lagrangian/recall_with_threshold.py

The Lagrangian is in `hopgraph_soft_threshold.py`, the network in `thresholded.yaml`. Every command of HopGraph knows both once the
package is installed: `hopgraph verify`, `show`, `train` and `export` as well.
"""

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from sklearn.datasets import load_digits

import hopgraph
from hopgraph.lower.verify import verify
from hopgraph.recall.dynamics import corrupted, recall
from hopgraph.recall.memory import find_memory, store

SPEC = Path(__file__).with_name("thresholded.yaml")
COUNTS = (2, 5, 10, 20, 40)
NETWORKS = {"classical": ("hopfield", "classical"), "thresholded": (SPEC, None)}


def share_recalled(network: str, count: int) -> float:
    """The share of so many digits that come back to the last pixel after a tenth of their pixels was flipped."""
    spec, variant = NETWORKS[network]
    patterns = np.where(cast("Any", load_digits()).data[:count] >= 8, 1.0, -1.0)
    model = hopgraph.compile(spec, variant, {"dims.M": count})
    store(model, find_memory(model.spec), patterns)
    wanted = torch.from_numpy(patterns)
    found = recall(model, corrupted(wanted, 0.1, noise=0.0, seed=0))
    return (found.states["x"].sign() == wanted).all(1).double().mean().item()


def main() -> None:
    """Verify the Lagrangian in the Mixer, then compare what Hopfield networks recall with it and without."""
    sparse = {f"block.layers.{layer}.lagrangian": {"soft_threshold": {"threshold": 0.5}} for layer in ("s", "h")}
    for name, overrides in {"gelu": {}, "soft_threshold": sparse}.items():
        spec = hopgraph.load("paramixer", "symmetric,digits", {"dims.C": 16, **overrides})
        found = verify(spec, name)
        print(f"the Mixer with {name}: certificate {spec.certificate}; its update is autograd's to {found.update_error:.0e}")
    print(f"the Hopfield network with a threshold: certificate {hopgraph.load(SPEC).certificate}")
    print(f"  {'digits stored':>14}", *(f"{count:5}" for count in COUNTS))
    for network in NETWORKS:
        print(f"  {network:>14}", *(f"{share_recalled(network, count):5.0%}" for count in COUNTS))


if __name__ == "__main__":
    main()
