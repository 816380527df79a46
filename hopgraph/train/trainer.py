"""A model with its optimizer and data, and where its training stands: epochs, steps, and all that a checkpoint holds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule

from hopgraph.errors import Diagnostic, HopgraphError
from hopgraph.lower.ledger import weight_asymmetry
from hopgraph.lower.model import Model, compile_model
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.train.average import Average
from hopgraph.train.batches import batches_of, steps_of
from hopgraph.train.checkpoint import RESUME, Checkpoint, Origin, State, chance, packed, restore_chance, unpacked
from hopgraph.train.data import Data, Examples, Feed
from hopgraph.train.evaluate import draw_test, measure
from hopgraph.train.logs import Tally, summed
from hopgraph.train.optimizer import load_moments, make_optimizer, moments
from hopgraph.train.processes import StrategyName, average_gradients, clip_gradients, gathered, like, make_fabric, whole
from hopgraph.train.recipe import Augment, Recipe
from hopgraph.train.run import Epoch
from hopgraph.train.schedule import Rates, global_batch
from hopgraph.train.tasks import Task


@dataclass(frozen=True)
class Plan:
    """An epoch: the batches that this process has yet to see, the examples of each optimizer step, and the rates of the whole training.

    `order` is the state of the generator as it was before it drew the examples, `begun` the time.
    """

    batches: Iterator[Examples]
    steps: list[Tensor]
    rates: Rates
    order: str
    begun: float


class Trainee(nn.Module):
    """A model as it is trained. Its loss is computed inside, in the numbers of the weights, and the penalty where they are gathered."""

    def __init__(self, model: Model, loss: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, inputs: Tensor, targets: Tensor | None = None, weight: float = 1, progress: float | None = None) -> Any:
        """The outputs; with targets, what is minimized, the mean loss of the batch, the penalty and the outputs.

        The loss counts by its `weight`. The penalty counts where the share of training is given that is behind, and is 0 elsewhere.
        """
        outputs: Tensor = self.model(inputs)
        if targets is None:
            return outputs
        own = self.loss(outputs, targets.to(outputs.dtype) if targets.is_floating_point() else targets)
        total = own if weight == 1 else own * weight
        if progress is None:
            return total, own.detach(), 0.0, outputs.detach()
        penalty = self.model.penalty(progress)
        return total + penalty, own.detach(), penalty.detach(), outputs.detach()


class Trainer:
    """A training, `steps` optimizer steps into epoch `epoch`, both counted from 0."""

    def __init__(self, spec: CheckedSpec, task: Task, data: Data, recipe: Recipe, origin: Origin, allow_large: bool = False) -> None:
        self.spec, self.task, self.data, self.recipe, self.origin = spec, task, data, recipe, origin
        self.fabric = make_fabric(recipe, cast("StrategyName", origin.strategy))
        torch.manual_seed(origin.seed)
        self.model = compile_model(spec.with_kernels if recipe.kernels else spec, allow_large=allow_large)
        if recipe.channels_last:
            self.model.channels_last()
        if self.rank:
            torch.manual_seed(origin.seed + self.rank)  # the first weights are the same on all, what is dropped is not
        if recipe.compile:
            self.model.compile()
        self.trainee: nn.Module = Trainee(self.model, partial(_loss, task, recipe.label_smoothing))
        self.wrapped: Any = self.fabric.setup_module(self.trainee)
        trained = [parameter.stored_name for parameter in self.model.program.parameters if parameter.trainable]
        self.tensors = {name: self.model.stored(name) for name in trained}
        self.adam = make_optimizer(self.model, self.tensors, recipe)
        self.optimizer: Any = self.fabric.setup_optimizers(self.adam)
        self.average = Average(self.tensors, recipe.ema) if recipe.ema is not None else None
        self.order = torch.Generator().manual_seed(origin.seed)
        self.drawn = torch.Generator()
        self.augment = _augmenter(recipe.augment, data)
        self.test = Feed(draw_test(task, spec, data), self.fabric.device)
        self.epoch, self.steps = 0, 0
        self.tally, self.history = Tally(), list[Epoch]()
        self.chance: dict[str, Any] | None = None

    @property
    def rank(self) -> int:
        """The number of this process among those that train together."""
        return self.fabric.global_rank

    @property
    def world(self) -> int:
        """How many processes train together."""
        return self.fabric.world_size

    # --- epochs and steps ---------------------------------------------------------------------------------------------

    def begin(self) -> Plan:
        """Draw the examples of the epoch at hand and their order."""
        begun, before = time.perf_counter(), packed(self.order.get_state())
        feed = Feed(self.task.draw(self.spec.ham, self.data, "train", self.order), self.fabric.device)
        order = torch.randperm(len(feed), generator=self.order)
        steps = steps_of(order, global_batch(self.recipe, self.world), max(2, self.world))
        if self.chance is not None:
            restore_chance(self.chance)
            self.chance = None
        self.wrapped.train()
        return Plan(feed.batches(self._asked(steps)), steps, Rates.of(self.recipe, len(steps), self.world), before, begun)

    def _asked(self, steps: list[Tensor]) -> Iterator[tuple[Tensor, int]]:
        """What this process sees of the steps that are left: batches, each with the seed of its random pieces."""
        for step in range(self.steps, len(steps)):
            for index, rows in enumerate(self._share(steps[step])):
                yield rows, self._seed((self.epoch * len(steps) + step, index), of_pieces=True)

    def _share(self, step: Tensor) -> list[Tensor]:
        """The batches of a step that this process has."""
        return batches_of(step, self.recipe.batch_size, self.recipe.accumulate, self.rank, self.world)

    def behind(self, plan: Plan) -> int:
        """How many optimizer steps of the whole training are behind."""
        return self.epoch * len(plan.steps) + self.steps

    def step(self, plan: Plan) -> None:
        """One optimizer step, on this process's share of the next examples."""
        rows, number = plan.steps[self.steps], self.behind(plan)
        for group in self.optimizer.param_groups:
            group["lr"] = plan.rates.at(number)
        self.optimizer.zero_grad()
        count = len(self._share(rows))
        for index in range(count):
            last = index == count - 1
            with nullcontext() if last or self.world == 1 else self.fabric.no_backward_sync(self.wrapped):
                self._backward(next(plan.batches), len(rows), (number, index), number / plan.rates.total if last else None)
        self._clip()
        self.optimizer.step()
        if self.average:
            self.average.update()
        self.steps += 1

    def _clip(self) -> None:
        """Limit the norm of the whole gradient, where the recipe says so."""
        tensors, most = list(self.tensors.values()), self.recipe.clip
        if isinstance(self.trainee, FSDPModule):
            average_gradients(tensors)
            if most is not None:
                clip_gradients(tensors, most)
        elif most is not None:
            self.fabric.clip_gradients(self.wrapped, self.optimizer, max_norm=most, error_if_nonfinite=False)

    def _backward(self, batch: Examples, size: int, place: tuple[int, int], progress: float | None) -> None:
        """Add the gradient of a batch of a step of so many examples; with the share of training that is behind, the penalty's too."""
        inputs, targets, count = batch.inputs, batch.targets, len(batch)
        if self.augment:
            inputs, targets = self.augment(inputs, targets, self._drawn_at(place))
        given = self.task.prepare(self.spec.ham, self.data, inputs)
        weight = count * self.world / size  # in the mean over the step's examples: the gradients of processes are averaged
        total, own, penalty, outputs = self.wrapped(given, targets, weight, progress)
        self.fabric.backward(total)
        self.tally.add({"loss": (own * count, count), **self.task.measure(self.data, outputs, targets)})
        if progress is not None:
            self.tally.add({"penalty": (penalty * size, size)})

    def _drawn_at(self, place: tuple[int, int]) -> torch.Generator:
        """The generator of what is drawn for one batch: made of the seed and the place, it needs no room in a checkpoint."""
        return self.drawn.manual_seed(self._seed(place))

    def _seed(self, place: tuple[int, int], of_pieces: bool = False) -> int:
        sequence = np.random.SeedSequence([self.origin.seed, self.rank, *place], spawn_key=(0,) if of_pieces else ())
        return int(sequence.generate_state(1, np.uint64)[0])

    def end(self, plan: Plan) -> Epoch:
        """Test, and go on to the next epoch. Raises HopgraphError for a loss that is not finite."""
        train = Tally(self.sums()).means()
        loss, penalty = train.pop("loss"), train.pop("penalty")
        self.wrapped.eval()
        tests = (self.epoch + 1) % self.recipe.evaluate == 0 or self.epoch + 1 == self.recipe.epochs
        with self.average.in_place() if self.average else nullcontext():
            test = self._tested() if tests else {}
            with self._gathered():
                asymmetry = weight_asymmetry(self.model)
        found = Epoch(loss + penalty, penalty, train, test, time.perf_counter() - plan.begun, asymmetry)
        self.history.append(found)
        self.epoch, self.steps, self.tally = self.epoch + 1, 0, Tally()
        return found

    def sums(self) -> dict[str, tuple[int | float, int | float]]:
        """The sums of the epoch so far, over all processes. Raises HopgraphError for a loss that is not finite."""
        found = summed(self.tally)
        loss = sum(value / size for value, size in (found["loss"], found["penalty"]))
        if not math.isfinite(loss):
            helps = (f"lower `--learning-rate` (it is {self.recipe.optimizer.learning_rate:g})", *(RESUME if self.epoch else ()))
            raise HopgraphError(Diagnostic("not-finite", f"the training loss of epoch {self.epoch + 1} is {loss}", helps=helps))
        return found

    def _tested(self) -> dict[str, float]:
        tally = measure(self.task, self.spec.ham, self.data, self.wrapped, self.test, self.rank, self.world)
        return Tally(summed(tally)).means()

    @contextmanager
    def _gathered(self) -> Generator[None]:
        """The model with all shards of its weights, for a while."""
        if isinstance(self.trainee, FSDPModule):
            self.trainee.unshard()
        yield
        if isinstance(self.trainee, FSDPModule):
            self.trainee.reshard()

    # --- what a run and a checkpoint hold -----------------------------------------------------------------------------

    def _stored(self) -> dict[str, Tensor]:
        """Every parameter and buffer by its stored name."""
        return {parameter.stored_name: self.model.stored(parameter.stored_name) for parameter in self.model.program.parameters}

    def weights(self) -> dict[str, Tensor]:
        """The weights of the run: their average, where there is one. Every process must ask for them."""
        averages = self.average.values if self.average else {}
        return {name: whole(averages.get(name, tensor)).detach() for name, tensor in self._stored().items()}

    def checkpoint(self, order: str) -> Checkpoint:
        """All that the training is. Every process must ask for it. Raises HopgraphError for a loss that is not finite."""
        sums = self.sums() if self.steps else {}
        tensors = {f"weights.{name}": whole(tensor).detach() for name, tensor in self._stored().items()}
        if self.average:
            tensors |= {f"average.{name}": whole(tensor) for name, tensor in self.average.values.items()}
        tensors |= {f"optimizer.{name}": whole(tensor) for name, tensor in moments(self.adam, self.tensors).items()}
        scaler, averaged = self.fabric.strategy.precision.state_dict(), self.average.steps if self.average else 0
        history = tuple(self.history)
        state = State(self.origin, self.epoch, self.steps, order, gathered(chance()), sums, history, scaler, averaged)
        return Checkpoint(state, tensors)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Bring the training to where a checkpoint left it."""
        state = checkpoint.state
        _copy(self._stored(), checkpoint.named("weights"))
        if self.average:
            _copy(self.average.values, checkpoint.named("average"))
            self.average.steps = state.averaged
        load_moments(self.adam, self.tensors, checkpoint.named("optimizer"))
        self.fabric.strategy.precision.load_state_dict(state.scaler)
        self.order.set_state(unpacked(state.order))
        self.epoch, self.steps, self.history = state.epoch, state.steps, list(state.history)
        self.tally = Tally(state.tally if self.rank == 0 else dict.fromkeys(state.tally, (0, 0)))
        self.chance = state.chance[self.rank]


def _loss(task: Task, smoothing: float, outputs: Tensor, targets: Tensor) -> Tensor:
    return task.loss(outputs, targets, smoothing)


@torch.no_grad()
def _copy(tensors: dict[str, Tensor], saved: dict[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        tensor.copy_(like(saved[name], tensor))


def _augmenter(augment: Augment, data: Data) -> Any:
    """What changes the batches in training, None where nothing does. Only then are its packages imported."""
    if augment == Augment():
        return None
    from hopgraph.train.data.augment import augmenter

    return augmenter(augment, data)
