"""The training loop, on Lightning Fabric."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from hopgraph.errors import Diagnostic, HopgraphError
from hopgraph.files import require_free
from hopgraph.lower.ledger import weight_asymmetry
from hopgraph.lower.model import Model, compile_model
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.train.data import SPLIT_SEED, Data, Examples
from hopgraph.train.run import FORMAT, Epoch, Record, SpecText, write_run
from hopgraph.train.tasks import Sums, Task, choose_task
from hopgraph.version import __version__

MOST_NUMBERS = 2**24
"""So many numbers are the most that an evaluated batch gives: 64 MB in float32."""


@dataclass(frozen=True)
class Settings:
    """How to train. The rate warms up linearly over the first twentieth of the steps, then falls to 0 along a cosine."""

    epochs: int = 20
    seed: int = 0
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.05

    def rate(self, step: int, total: int) -> float:
        """The learning rate of step `step` of `total`."""
        warm = max(1, total // 20)
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, total - warm)))


Report = Callable[[int, Epoch], None]
"""Told of each epoch's number, from 1, and what it measured."""


def train(
    spec: CheckedSpec,
    data: Data,
    settings: Settings,
    out: Path,
    *,
    force: bool = False,
    report: Report | None = None,
    allow_large: bool = False,
) -> Record:
    """Train a spec from scratch and write the run. Raises HopgraphError; then nothing is written."""
    require_free(out, force)
    task = choose_task(spec, data)
    trainer = _Trainer(spec, task, data, settings, allow_large)
    history: list[Epoch] = []
    for epoch in range(settings.epochs):
        history.append(trainer.epoch(epoch))
        if report:
            report(epoch + 1, history[-1])
    versions = {"hopgraph": __version__, "torch": torch.__version__}
    text = SpecText.of(spec)
    labels = data.labels if task.name == "classification" else ()
    record = Record(FORMAT, text, data.name, data.mean, data.std, labels, asdict(settings), versions, tuple(history), task.name)
    write_run(out, record, trainer.model.state_dict(), force)
    return record


class _Trainer:
    """A model with its optimizer and data, on the device that Fabric chooses."""

    def __init__(self, spec: CheckedSpec, task: Task, data: Data, settings: Settings, allow_large: bool = False) -> None:
        self.task, self.data, self.settings = task, data, settings
        self.fabric = Fabric(accelerator="auto", devices=1)
        torch.manual_seed(settings.seed)
        self.model = compile_model(spec, allow_large=allow_large)
        optimizer = torch.optim.AdamW(_decay_groups(self.model, settings.weight_decay), lr=settings.learning_rate)
        self.wrapped, self.optimizer = self.fabric.setup(self.model, optimizer)
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.test = self._on_device(draw_test(task, spec, data))

    def epoch(self, number: int) -> Epoch:
        """Go through the training data once, then test. Raises HopgraphError for a loss that is not finite."""
        begun = time.perf_counter()
        self.wrapped.train()
        examples = self._on_device(self.task.draw(self.model.ham, self.data, "train", self.generator))
        batches = _batches(torch.randperm(len(examples), generator=self.generator), self.settings.batch_size)
        tally = _Tally()
        for index, batch in enumerate(batches):
            tally.add(self.step(examples.inputs[batch], examples.targets[batch], number * len(batches) + index, len(batches)))
        train = tally.means()
        loss, penalty = train.pop("loss"), train.pop("penalty")
        _require_finite(loss, number, self.settings)
        test = evaluate(self.task, self.wrapped.eval(), self.test, _at_once(self.model.spec))
        return Epoch(loss, penalty, train, test, time.perf_counter() - begun, weight_asymmetry(self.model))

    def step(self, inputs: Tensor, targets: Tensor, number: int, steps: int) -> Sums:
        """One step on a batch, of `steps` in an epoch: its loss with the penalty, the penalty alone, and what the task measures."""
        total = self.settings.epochs * steps
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.rate(number, total)
        outputs: Tensor = self.wrapped(inputs)
        penalty = self.model.penalty(number / total)
        loss = self.task.loss(outputs, targets) + penalty
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        self.optimizer.step()
        count = len(inputs)
        measured = self.task.measure(outputs.detach(), targets)
        return {"loss": (loss.detach() * count, count), "penalty": (penalty.detach() * count, count), **measured}

    def _on_device(self, examples: Examples) -> Examples:
        return Examples(self.fabric.to_device(examples.inputs), self.fabric.to_device(examples.targets))


class _Tally:
    """Sums over batches. They stay on their device until they are asked for."""

    def __init__(self) -> None:
        self.sums: Sums = {}

    def add(self, sums: Sums) -> None:
        """Count a batch."""
        for name, (value, size) in sums.items():
            before = self.sums.get(name)
            self.sums[name] = (value, size) if before is None else (before[0] + value, before[1] + size)

    def means(self) -> dict[str, float]:
        """By name, the quotient of the two sums."""
        return {name: float(value) / float(size) for name, (value, size) in self.sums.items()}


def _batches(order: Tensor, size: int) -> list[Tensor]:
    """The examples in batches. One example left over joins the last: a batch norm has no variance of a single number."""
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _decay_groups(model: Model, weight_decay: float) -> list[dict[str, object]]:
    """Matrices decay; gains, biases and whatever else has fewer than two axes do not."""
    matrices = [tensor for tensor in model.parameters() if tensor.ndim > 1]
    others = [tensor for tensor in model.parameters() if tensor.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def _require_finite(loss: float, epoch: int, settings: Settings) -> None:
    if not math.isfinite(loss):
        message = f"the training loss of epoch {epoch + 1} is {loss}"
        raise HopgraphError(Diagnostic("not-finite", message, helps=(f"lower `--learning-rate` (it is {settings.learning_rate:g})",)))


def draw_test(task: Task, spec: CheckedSpec, data: Data) -> Examples:
    """The examples of the test split: the same for every run."""
    return task.draw(spec.ham, data, "test", torch.Generator().manual_seed(SPLIT_SEED))


def evaluate(task: Task, model: nn.Module, examples: Examples, batch_size: int = 512) -> dict[str, float]:
    """What a task measures of a model over examples."""
    tally = _Tally()
    with torch.no_grad():
        for start in range(0, len(examples), batch_size):
            part = slice(start, start + batch_size)
            tally.add(task.measure(model(examples.inputs[part]), examples.targets[part]))
    return tally.means()


def _at_once(spec: CheckedSpec) -> int:
    """How many examples are evaluated at once: 512, or fewer where the model gives many numbers for each."""
    return max(1, min(512, MOST_NUMBERS // math.prod(spec.ham.output.values())))
