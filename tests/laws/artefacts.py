"""The laws of what a spec is turned into: source, modules, dumps, penalties; each measures by how much one seed breaks it."""

from __future__ import annotations

import builtins
import copy
import math
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (the name that the source uses)
from torch import Tensor, nn

from hopgraph.errors import Findings
from hopgraph.graph.ham import Ham
from hopgraph.lower.model import Model
from hopgraph.lower.source import function_source
from hopgraph.lower.standalone import module_source
from hopgraph.passes.dump import dump, read_dump
from hopgraph.passes.pipeline import PASSES
from hopgraph.program.program import Program

from .drawing import random_spec
from .drawing.recipe import EVERYTHING, WHOLE
from .specs import build, check, images, randomise


def same(got: Tensor, wanted: Tensor) -> bool:
    """Whether two tensors are equal to the bit; products of three activations may overflow, and then both are no numbers."""
    return torch.equal(got.isnan(), wanted.isnan()) and torch.equal(got.nan_to_num(), wanted.nan_to_num())


def unequal(got: Tensor, wanted: Tensor) -> float:
    """0 where two tensors are the same, else 1."""
    return 0.0 if same(got, wanted) else 1.0


def defined(source: str) -> dict[str, Any]:
    """What a source text defines, run where every import but torch's is refused."""

    def importing(name: str, *rest: Any, **others: Any) -> Any:
        assert name.partition(".")[0] == "torch", f"the module imports {name}"
        return __import__(name, *rest, **others)

    known: dict[str, Any] = {**vars(builtins), "__import__": importing}
    namespace: dict[str, Any] = {"__builtins__": known, "__name__": "law"}
    exec(source, namespace)  # noqa: S102 (the source under test)
    return namespace


def printed(seed: int) -> float:
    """The printed forward, run with torch and F alone."""
    model = build(random_spec(seed, WHOLE), seed)
    x = images(model, seed=seed)
    namespace: dict[str, Any] = {"torch": torch, "F": F}
    exec(function_source(model.program, "forward"), namespace)  # noqa: S102 (the source under test)
    return unequal(namespace["forward"](model, x), model(x))


def standalone(seed: int) -> float:
    """The module that `hopgraph compile -o` writes, with the model's state dict."""
    model = build(random_spec(seed, WHOLE), seed)
    source = module_source(model.spec)
    (name,) = (line.split()[1].split("(")[0] for line in source.splitlines() if line.startswith("class "))
    module: nn.Module = defined(source)[name]().double()
    module.load_state_dict(model.state_dict())
    x = images(model, seed=seed)
    return unequal(module.eval()(x), model(x))


def dumps(seed: int) -> float:
    """How many passes leave what is not read back from its dump."""
    stage: Any = check(random_spec(seed, EVERYTHING)).loaded.spec
    wrong = 0
    for item in PASSES:
        stage = item(stage, Findings())
        assert isinstance(stage, Ham | Program)
        wrong += read_dump(dump(stage)) != stage
    return float(wrong)


# --- penalties --------------------------------------------------------------------------------------------------------


def penalty(seed: int) -> float:
    """`penalty` at the start, in the middle and at the end of training against the formula, relative."""
    model = build(random_spec(seed, EVERYTHING), seed)
    found: list[float] = []
    for progress in (0.0, 0.3, 1.0):
        wanted = sum(_penalty(model, block, progress) for block in range(len(model.ham.blocks)))
        found.append(abs(model.penalty(progress).item() - wanted) / max(1.0, abs(wanted)))
    return max(found)


def _penalty(model: Model, block: int, progress: float) -> float:
    """The sum over a block's penalized pulls: lambda |V|^2, of a learned lambda - prior n log lambda besides."""
    total = 0.0
    weights = dict(model.named_parameters())
    for synapse in model.ham.blocks[block].synapses:
        for pull in synapse.pulls:
            if pull.penalty is None:
                continue
            prefix = f"blocks.{block}.{synapse.name}.penalized_{pull.factor}."
            departures = [w for name, w in weights.items() if name.startswith(prefix) and not name.endswith("log_lambda")]
            size, count = sum(w.square().sum().item() for w in departures), sum(w.numel() for w in departures)
            if not pull.penalty.learned:
                total += _scheduled(pull.penalty.start, pull.penalty.end, pull.penalty.schedule, progress) * size
            elif departures:
                rate = weights[f"{prefix}log_lambda"].item()
                total += math.exp(rate) * size - pull.penalty.prior * count * rate
    return total


def _scheduled(start: float, end: float, schedule: str, progress: float) -> float:
    """Lambda at a share of training."""
    if schedule == "geometric":
        return start ** (1 - progress) * end**progress
    share = math.sin(math.pi * progress / 2) ** 2 if schedule == "cosine" else progress
    return start * (1 - share) + end * share


# --- training and evaluation ------------------------------------------------------------------------------------------


def evaluation(seed: int) -> float:
    """In evaluation a model gives the same twice and a copy of it too, and its buffers stay."""
    model = build(random_spec(seed, WHOLE), seed)
    x = images(model, seed=seed)
    before = copy.deepcopy(model.state_dict())
    first, second, other = model(x), model(x), copy.deepcopy(model)(x)
    kept = all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    randomise(model, seed + 1)
    return max(unequal(second, first), unequal(other, first), 0.0 if kept else 1.0)
