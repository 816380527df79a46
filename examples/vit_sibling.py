"""A block of the Vision Transformer, and the block that it becomes when its symmetry is restored: what is certified of each, and measured.

    python examples/vit_sibling.py [FOLDER]

Three things break the symmetry of ViT's block: the keys do not feel attention, the pulls on the queries and of the memory have weights
of their own, and the norm's gain varies along what it normalizes. The variant `symmetric` of the spec ties the pulls and has one
gain; attention and memory then descend one energy. Prints both certificates with the lines of the YAML that are why, verifies both blocks
against autograd, and lets both move the same random tokens. ViT's block has no energy: it is measured against that of its sibling, which
has the same queries, keys and memory. Writes `vit_sibling.png`.
"""

import sys
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

import hopgraph
from hopgraph.errors import At
from hopgraph.lower.model import Model
from hopgraph.lower.verify import verify

VARIANTS = {"ViT": "digits", "symmetric sibling": "symmetric,digits"}
STYLES = {"ViT": ("#d55e00", "--"), "symmetric sibling": ("#0072b2", "-")}
STEP, UPDATES, TOKENS = 0.1, 60, 8


def report(name: str, model: Model) -> None:
    """Print what is certified of a block, why it is not more, and what autograd says of it."""
    print(f"{name}: certificate {model.certificate}")
    for reason in model.certificate.reasons:
        print(f"  {reason.verdict.value}: {reason.text} ({At(reason.at)})")
    found = verify(model.spec, VARIANTS[name])
    print(f"  verified: the update is autograd's to {found.update_error:.0e}, the asymmetry of du/dg is {found.asymmetry:.2f}")


def along_updates(model: Model, energy: Model, tokens: Tensor) -> Tensor:
    """The energy of one model along the updates of another's first block, [updates + 1, batch]."""
    states = [tokens]
    for _ in range(UPDATES):
        states.append(model.update(states[-1]))
    return torch.stack([energy.energy(state) for state in states])


def draw(traces: dict[str, Tensor]) -> Figure:
    """A line for each batch of tokens: the change of the energy, relative to its size at first."""
    figure = Figure((6.4, 3.8), layout="constrained")
    axes = figure.subplots()
    for name, trace in traces.items():
        color, style = STYLES[name]
        lines = axes.plot((trace - trace[0]) / trace[0].abs(), style, color=color, linewidth=1.2)
        lines[0].set_label(name)
    axes.axhline(0, color="#999999", linewidth=0.8, zorder=0)
    axes.set(xlabel=f"updates, each of step {STEP}", ylabel="change of the energy / its size at first")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def main(folder: Path) -> None:
    """Compile both blocks, report on them, follow and draw their energy."""
    torch.manual_seed(0)
    models = {name: hopgraph.compile("vit", variant, {"block.update.step": STEP}).double() for name, variant in VARIANTS.items()}
    vit, sibling = models.values()
    own = sibling.state_dict()
    sibling.load_state_dict({**own, **{name: weight for name, weight in vit.state_dict().items() if name in own}})
    block = vit.ham.block
    tokens = torch.randn(TOKENS, *block.layer("x").shape(block.axes), dtype=torch.float64)
    traces: dict[str, Tensor] = {}
    for name, model in models.items():
        report(name, model)
        with torch.no_grad():
            traces[name] = along_updates(model, sibling, tokens)
        falls = (traces[name].diff(dim=0) <= 0).double().mean()
        print(f"  {falls:.0%} of its updates of random tokens lower the energy")
    folder.mkdir(parents=True, exist_ok=True)
    draw(traces).savefig(folder / "vit_sibling.png", dpi=150)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "examples/out"))
