"""The training loop, on Lightning Fabric."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 (the name that torch's own documentation uses)
from lightning_fabric import Fabric
from torch import Tensor, nn

from hopgraph.errors import Diagnostic, HopgraphError
from hopgraph.files import require_free
from hopgraph.lower.ledger import weight_asymmetry
from hopgraph.lower.model import Model, compile_model
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.train.data import Data, check_fit
from hopgraph.train.run import FORMAT, Epoch, Record, SpecText, write_run
from hopgraph.version import __version__


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
    check_fit(spec, data)
    trainer = _Trainer(spec, data, settings, allow_large)
    history: list[Epoch] = []
    for epoch in range(settings.epochs):
        history.append(trainer.epoch(epoch))
        if report:
            report(epoch + 1, history[-1])
    versions = {"hopgraph": __version__, "torch": torch.__version__}
    text = SpecText.of(spec)
    record = Record(FORMAT, text, data.name, data.mean, data.std, data.labels, asdict(settings), versions, tuple(history))
    write_run(out, record, trainer.model.state_dict(), force)
    return record


class _Trainer:
    """A model with its optimizer and data, on the device that Fabric chooses."""

    def __init__(self, spec: CheckedSpec, data: Data, settings: Settings, allow_large: bool = False) -> None:
        self.settings = settings
        self.fabric = Fabric(accelerator="auto", devices=1)
        torch.manual_seed(settings.seed)
        self.model = compile_model(spec, allow_large=allow_large)
        optimizer = torch.optim.AdamW(_decay_groups(self.model, settings.weight_decay), lr=settings.learning_rate)
        self.wrapped, self.optimizer = self.fabric.setup(self.model, optimizer)
        self.images, self.labels = self.fabric.to_device((data.train_images, data.train_labels))
        self.test_images, self.test_labels = self.fabric.to_device((data.test_images, data.test_labels))
        self.steps = math.ceil(len(self.labels) / settings.batch_size)
        self.generator = torch.Generator().manual_seed(settings.seed)

    def epoch(self, number: int) -> Epoch:
        """Go through the training data once, then test. Raises HopgraphError for a loss that is not finite."""
        begun = time.perf_counter()
        self.wrapped.train()
        order = torch.randperm(len(self.labels), generator=self.generator)
        sums = torch.zeros(3, device=self.fabric.device)
        for index in range(self.steps):
            batch = order[index * self.settings.batch_size : (index + 1) * self.settings.batch_size]
            sums += self.step(batch, number * self.steps + index) * len(batch)
        loss, penalty, share = (float(total) / len(self.labels) for total in sums)
        _require_finite(loss, number, self.settings)
        self.wrapped.eval()
        test_accuracy = accuracy(self.wrapped, self.test_images, self.test_labels)
        return Epoch(loss, penalty, share, test_accuracy, time.perf_counter() - begun, weight_asymmetry(self.model))

    def step(self, batch: Tensor, number: int) -> Tensor:
        """One step on a batch: its loss with the penalty, the penalty alone, and its accuracy."""
        total = self.settings.epochs * self.steps
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.rate(number, total)
        labels = self.labels[batch]
        logits: Tensor = self.wrapped(self.images[batch])
        penalty = self.model.penalty(number / total)
        loss = F.cross_entropy(logits, labels) + penalty
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        self.optimizer.step()
        hits = (logits.detach().argmax(1) == labels).float().mean()
        return torch.stack([loss.detach(), penalty.detach(), hits])


def _decay_groups(model: Model, weight_decay: float) -> list[dict[str, object]]:
    """Matrices decay; gains, biases and whatever else has fewer than two axes do not."""
    matrices = [tensor for tensor in model.parameters() if tensor.ndim > 1]
    others = [tensor for tensor in model.parameters() if tensor.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def _require_finite(loss: float, epoch: int, settings: Settings) -> None:
    if not math.isfinite(loss):
        message = f"the training loss of epoch {epoch + 1} is {loss}"
        raise HopgraphError(Diagnostic("not-finite", message, helps=(f"lower `--learning-rate` (it is {settings.learning_rate:g})",)))


def accuracy(model: nn.Module, images: Tensor, labels: Tensor, batch_size: int = 512) -> float:
    """The share of images that a model puts into their class."""
    hits = 0
    with torch.no_grad():
        for start in range(0, len(labels), batch_size):
            part = slice(start, start + batch_size)
            hits += int((model(images[part]).argmax(1) == labels[part]).sum())
    return hits / len(labels)
