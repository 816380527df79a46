"""One network with an energy, the same one without: trained on digits, and followed along its own updates.

    python examples/symmetric_against_broken.py [FOLDER] [--epochs 10] [--seeds 2]

Both are the parallelized MLP-Mixer with the same layers and operations. `symmetric` reads each weight forth and back, so that its updates
are those of an energy; `broken` has weights of its own for the way back, twice as many. Prints the test accuracy, the asymmetry of the
dynamics (the ledger's |J - J^T| / 2|J| of J = du/dg) and how many updates lower the energy. The broken network has no energy: it is
measured against that of its forward weights, which is what it would descend if they were tied. Writes `symmetric_against_broken.png`,
this energy when the updates of a block are repeated.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import fmean

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

import hopgraph
from hopgraph.lower.ledger import pull_asymmetry
from hopgraph.lower.model import Model
from hopgraph.train.data import Images
from hopgraph.train.data.digits import digits
from hopgraph.train.loop import train
from hopgraph.train.recipe import read_recipe
from hopgraph.train.run import read_run

COLORS = {"symmetric": "#0072b2", "broken": "#d55e00"}
IMAGES, REPEATS = 32, 12


def trained(variant: str, data: Images, epochs: int, seed: int) -> tuple[Model, float]:
    """A trained model in float64, and its test accuracy."""
    with tempfile.TemporaryDirectory() as folder:
        spec = hopgraph.load("paramixer", f"{variant},digits")
        record = train(spec, data, read_recipe(settings={"epochs": epochs}), Path(folder) / "run", seed=seed)
        return read_run(Path(folder) / "run").model.double(), record.test["accuracy"]


def tied(model: Model) -> Model:
    """The symmetric network of a model's forward weights: it has the energy."""
    sibling = hopgraph.compile("paramixer", "symmetric,digits").double()
    sibling.load_state_dict({name: model.state_dict()[name] for name in sibling.state_dict()})
    return sibling


def energies(model: Model, images: Tensor, repeats: int) -> Tensor:
    """The energy along repeated updates of each block, from the state that it is entered with: [blocks, repeats + 1, images]."""
    sibling, found = tied(model), list[Tensor]()
    entry = model.encode(images)
    for block in range(model.ham.block.depth):
        states = [entry]
        for _ in range(repeats):
            states.append(model.update(states[-1], block))
        found.append(torch.stack([sibling.energy(state, block) for state in states]))
        entry = states[1]
    return torch.stack(found)


def draw(traces: dict[str, Tensor]) -> Figure:
    """For each variant a panel, for each block a line: the change of the energy, relative to its size at first."""
    figure = Figure((9, 3.6), layout="constrained")
    for axes, (variant, trace) in zip(figure.subplots(1, len(traces)), traces.items(), strict=True):
        change = ((trace - trace[:, :1]) / trace[:, :1].abs()).mean(2)
        for block, (line, style) in enumerate(zip(change, ("-", "--", "-.", ":"), strict=True)):
            axes.plot(line, style, color=COLORS[variant], label=str(block))
        axes.axhline(0, color="#999999", linewidth=0.8, zorder=0)
        axes.set(title=variant, xlabel="updates of the block")
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.legend(frameon=False, title="block", ncols=2, fontsize="small")
    figure.axes[0].set_ylabel("change of the energy / its size at first")
    return figure


def main(folder: Path, epochs: int, seeds: int) -> None:
    """Train, measure, print and draw."""
    data = digits()
    images = data.normalized(data.test.inputs[:IMAGES]).double()
    traces: dict[str, Tensor] = {}
    for variant in COLORS:
        models, accuracies = zip(*(trained(variant, data, epochs, seed) for seed in range(seeds)), strict=True)
        with torch.no_grad():
            found = [energies(model, images, REPEATS) for model in models]
        falls = fmean((trace[:, 1] <= trace[:, 0]).double().mean().item() for trace in found)
        asymmetry = fmean(pull_asymmetry(model, model.encode(images[:4]).detach()) for model in models)
        print(f"{variant}: certificate {models[0].certificate}")
        print(f"  test accuracy {fmean(accuracies):.3f} (seeds: {', '.join(f'{value:.3f}' for value in accuracies)})")
        print(f"  asymmetry of du/dg {asymmetry:.3f}; {falls:.1%} of the network's updates lower the energy")
        traces[variant] = found[0]
    folder.mkdir(parents=True, exist_ok=True)
    draw(traces).savefig(folder / "symmetric_against_broken.png", dpi=150)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Symmetric against broken.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("examples/out"), metavar="FOLDER")
    parser.add_argument("--epochs", type=int, default=10, help="how often training goes through the digits")
    parser.add_argument("--seeds", type=int, default=2, help="how many networks of each kind are trained")
    chosen = parser.parse_args()
    main(chosen.folder, chosen.epochs, chosen.seeds)
