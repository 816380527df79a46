"""Handwritten digits stored in a classical, a dense and a modern Hopfield network, corrupted, and recalled.

    python examples/recall_digits.py [FOLDER]

Each digit of scikit-learn's set is 64 pixels, +1 where it is bright and -1 elsewhere. One corruption flips a tenth of the pixels, the
other covers the lower half. The digits resemble each other, for they share their background: the classical network mixes them up from
the third on, the dense one after a few, and the modern one tells scores of them apart. Writes `recall_digits.png`, what comes back of
five digits; `recall_energy.png`, the energy at every update; and `recall_capacity.png`, how many digits each network can hold.
"""

import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from sklearn.datasets import load_digits
from torch import Tensor

import hopgraph
from hopgraph.recall.dynamics import Recall, corrupted, recall
from hopgraph.recall.memory import find_memory, store

NETWORKS = {"classical": "#0072b2", "dense": "#e69f00", "modern": "#009e73"}
SHOWN, COUNTS = 5, (2, 3, 4, 5, 7, 10, 14, 20, 40, 80, 160)


def digits(count: int) -> Tensor:
    """The first digits of the set as patterns [count, 64] of +1 and -1."""
    return torch.from_numpy(np.where(cast("Any", load_digits()).data[:count] >= 8, 1.0, -1.0))


def corruptions(patterns: Tensor) -> dict[str, Tensor]:
    """The patterns with a tenth of their pixels flipped, and with the lower half dark."""
    covered = patterns.clone()
    covered[:, 32:] = -1
    return {"a tenth flipped": corrupted(patterns, 0.1, noise=0.0, seed=0), "lower half covered": covered}


def run(network: str, patterns: Tensor, start: Tensor) -> tuple[Recall, Tensor]:
    """Store patterns in a network and let it settle from given states: what it did, and its last activations g(x)."""
    model = hopgraph.compile("hopfield", network, {"dims.M": len(patterns), "dims.N": patterns.shape[1]}).double()
    store(model, find_memory(model.spec), patterns.numpy())
    found = recall(model, start)
    return found, model.activation(found.states["x"]).detach()


def draw_digits(recalls: dict[str, list[Tensor]]) -> Figure:
    """A row of digits for each kind of states, the corruptions side by side."""
    figure = Figure((9, 5), layout="constrained")
    grid = figure.subplots(len(recalls), 2 * SHOWN)
    for row, (name, pair) in zip(grid, recalls.items(), strict=True):
        row[0].set_ylabel(name, rotation=0, ha="right", va="center")
        for axes, states in zip(row, torch.cat(pair), strict=True):
            axes.imshow(states.reshape(8, 8).numpy(), cmap="gray", vmin=-1, vmax=1)
            axes.set(xticks=[], yticks=[])
    for axes, title in zip(grid[0, SHOWN // 2 :: SHOWN], corruptions(digits(1)), strict=True):
        axes.set_title(title)
    return figure


def draw_energies(found: dict[str, Recall]) -> Figure:
    """For each network, the energy of every digit at each update."""
    figure = Figure((9, 2.8), layout="constrained")
    for axes, (name, recalled) in zip(figure.subplots(1, len(found)), found.items(), strict=True):
        axes.plot(np.asarray(recalled.energies), color=NETWORKS[name], marker="o", markersize=3, linewidth=1.2)
        axes.set(title=name, xlabel="update")
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("energy of a digit")
    return figure


def draw_capacity(shares: dict[str, dict[str, list[float]]]) -> Figure:
    """For each corruption, the share of the digits that come back over how many are stored."""
    figure = Figure((9, 3.4), layout="constrained")
    for axes, (title, by_network) in zip(figure.subplots(1, len(shares), sharey=True), shares.items(), strict=True):
        for (name, values), marker in zip(by_network.items(), "osD", strict=True):
            axes.plot(COUNTS, values, color=NETWORKS[name], marker=marker, markersize=4, label=name)
        axes.set_xscale("log")
        axes.set_xticks([2, 5, 10, 20, 40, 80, 160], ["2", "5", "10", "20", "40", "80", "160"], minor=False)
        axes.set_xticks([], minor=True)
        axes.set(title=title, xlabel="digits stored")
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("come back to the last pixel")
    figure.axes[0].yaxis.set_major_formatter(PercentFormatter(1))
    figure.axes[-1].legend(frameon=False)
    return figure


def main(folder: Path) -> None:
    """Print what each network recalls, and draw it."""
    folder.mkdir(parents=True, exist_ok=True)
    patterns = digits(SHOWN)
    starts = corruptions(patterns)
    rows = {"stored": [patterns, patterns], "corrupted": list(starts.values())}
    traces: dict[str, Recall] = {}
    for network in NETWORKS:
        flipped, covered = (run(network, patterns, start) for start in starts.values())
        rows[network], traces[network] = [flipped[1], covered[1]], flipped[0]
    draw_digits(rows).savefig(folder / "recall_digits.png", dpi=150)
    draw_energies(traces).savefig(folder / "recall_energy.png", dpi=150)

    shares: dict[str, dict[str, list[float]]] = {title: {network: [] for network in NETWORKS} for title in starts}
    for count in COUNTS:
        many = digits(count)
        for title, start in corruptions(many).items():
            for network in NETWORKS:
                back = (run(network, many, start)[1].sign() == many).all(1)
                shares[title][network].append(back.double().mean().item())
    draw_capacity(shares).savefig(folder / "recall_capacity.png", dpi=150)
    for title, by_network in shares.items():
        print(f"{title}: share of the digits that come back to the last pixel")
        print(f"  {'stored':>10}", *(f"{count:5}" for count in COUNTS))
        for network, values in by_network.items():
            print(f"  {network:>10}", *(f"{value:5.0%}" for value in values))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "examples/out"))
