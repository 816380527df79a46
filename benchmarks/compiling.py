"""What it costs to compile a spec, from its text to a module, against constructing the same network written by hand.

    python -m benchmarks.compiling [--quick] [--out FOLDER]

The weights are on the meta device: none is allocated or drawn. The spec is the largest that is shipped, by parameters, and the rival is the
module of benchmarks/rivals, which has as many. Each measurement is the first of its network in a fresh process, so that nothing is cached,
after a small network of the same kind, so that everything is imported. The target is 1.5x.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from benchmarks.base import Target, compared, timed, turns
from benchmarks.processes import asked
from benchmarks.rivals.parts import Sizes
from benchmarks.rivals.transformers import Vit
from benchmarks.tables import Table, run
from benchmarks.tables import parser as arguments
from hopgraph.lower.model import compile_model
from hopgraph.passes.pipeline import CheckedSpec, load

SPEC, VARIANT = "vit", "L16"
LARGEST = Sizes(image=224, patch=16, channels=1024, depth=24, heads=16, classes=1000)
SMALL = Sizes(image=8, patch=4, channels=16, depth=1, heads=2)
TOY = Sizes(image=16, patch=4, channels=32, depth=2, heads=2)
ROUNDS = 9
TARGET = Target(1.5)


def chosen(quick: bool) -> Sizes:
    """The sizes that are measured."""
    return TOY if quick else LARGEST


def loaded(sizes: Sizes) -> CheckedSpec:
    """The spec of these sizes: its variant where they are the largest, so that what is compiled is what is shipped."""
    return load(SPEC, VARIANT) if sizes == LARGEST else load(SPEC, None, {**sizes.settings, "dims.heads": sizes.heads})


def ours(sizes: Sizes) -> nn.Module:
    """From the text to the module."""
    return compile_model(loaded(sizes), device="meta")


def theirs(sizes: Sizes) -> nn.Module:
    """The module by hand."""
    with torch.device("meta"):
        return Vit(sizes)


MAKERS: dict[str, Callable[[Sizes], nn.Module]] = {"ours": ours, "theirs": theirs}


def seconds(maker: str, sizes: Sizes) -> dict[str, float]:
    """Of making a network in this process, and of the part of it that reads and checks the text."""
    MAKERS[maker](SMALL)
    if maker == "theirs":
        return {"whole": timed(partial(theirs, sizes)), "checking": 0.0}
    begun = time.perf_counter()
    spec = loaded(sizes)
    checked = time.perf_counter()
    compile_model(spec, device="meta")
    return {"whole": time.perf_counter() - begun, "checking": checked - begun}


def parameters(module: nn.Module) -> int:
    """How many there are."""
    return sum(tensor.numel() for tensor in module.parameters())


def measure(quick: bool) -> Table:
    """The one row, and how long the parts of ours take."""
    sizes = chosen(quick)
    counts = {name: parameters(make(sizes)) for name, make in MAKERS.items()}
    assert counts["ours"] == counts["theirs"], f"the two are not the same network: {counts}"
    parts: list[float] = []

    def worker(maker: str) -> float:
        found = asked("benchmarks.compiling", "--worker", maker, *(["--quick"] if quick else []))
        if maker == "ours":
            parts.append(found["checking"])
        return found["whole"]

    found = turns({maker: partial(worker, maker) for maker in MAKERS}, 2 if quick else ROUNDS)
    name = f"{SPEC} {VARIANT}, {counts['ours']:,} parameters" if not quick else SPEC
    result = compared("compile on meta", "plain modules on meta", found["ours"], found["theirs"], name=name, target=TARGET)
    return Table((result,), {"of which reading, checking and the passes, s": [{"round": i, "seconds": s} for i, s in enumerate(parts)]})


def main() -> None:
    """Measure, or be one of the processes that do."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--worker", choices=list(MAKERS), help="print the seconds of one, in this process")
    given = parser.parse_args()
    if given.worker:
        json.dump(seconds(given.worker, chosen(given.quick)), sys.stdout)
    else:
        run("compiling", given, measure)


if __name__ == "__main__":
    main()
