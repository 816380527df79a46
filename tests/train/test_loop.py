"""The loop does what its recipe says."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

import hopgraph
from hopgraph.errors import HopgraphError
from hopgraph.lower.model import Model, compile_model
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.train import loop
from hopgraph.train.average import Average
from hopgraph.train.batches import batches_of, steps_of
from hopgraph.train.data import Images
from hopgraph.train.data.augment import Augmenter
from hopgraph.train.drop import with_drop_path
from hopgraph.train.logs import Progress
from hopgraph.train.loop import train
from hopgraph.train.optimizer import decays
from hopgraph.train.run import read_run
from hopgraph.train.schedule import Rates

from .conftest import apart, mixer, recipe, same, start, weights


def plainly(spec: CheckedSpec, data: Images, fields: dict[str, Any], *, clip: float = 0.0, ema: float | None = None) -> dict[str, Tensor]:
    """The same training written out: one batch a step, torch's own functions."""
    given = recipe(**fields)
    torch.manual_seed(0)
    model: Model = compile_model(spec)
    decaying = {item.stored_name for item in model.program.parameters if decays(item)}
    groups = [
        {"params": [tensor for name, tensor in model.named_parameters() if name in decaying], "weight_decay": 0.05},
        {"params": [tensor for name, tensor in model.named_parameters() if name not in decaying], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1.0)
    average = {name: tensor.detach().clone() for name, tensor in model.named_parameters()}
    inputs, targets = data.normalized(data.train.inputs), data.train.targets
    generator = torch.Generator().manual_seed(0)
    rates, number = Rates.of(given, 13), 0
    for _ in range(given.epochs):
        order = torch.randperm(len(inputs), generator=generator)
        for rows in (*order[:192].reshape(12, 16), order[192:]):
            for group in optimizer.param_groups:
                group["lr"] = rates.at(number)
            loss = F.cross_entropy(model(inputs[rows]), targets[rows], label_smoothing=given.label_smoothing)
            optimizer.zero_grad()
            (loss + model.penalty(number / rates.total)).backward()
            if clip:
                torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            if ema is not None:
                decay = min(ema, (1 + number) / (10 + number))
                average = {name: decay * average[name] + (1 - decay) * tensor.detach() for name, tensor in model.named_parameters()}
            number += 1
    return average if ema is not None else {name: tensor.detach() for name, tensor in model.named_parameters()}


def test_the_default_is_the_plain_loop_to_the_bit(tmp_path: Path, few: Images) -> None:
    train(mixer("asymmetric,digits"), few, recipe(), tmp_path / "run")
    assert same(weights(tmp_path / "run"), plainly(mixer("asymmetric,digits"), few, {}))


def test_smoothing_clipping_and_averaging_are_what_they_are_called(tmp_path: Path, few: Images) -> None:
    fields = {"label_smoothing": 0.2, "clip": 0.1, "ema": 0.9}
    train(mixer("asymmetric,digits"), few, recipe(**fields), tmp_path / "run")
    found = plainly(mixer("asymmetric,digits"), few, {"label_smoothing": 0.2}, clip=0.1, ema=0.9)
    assert apart(weights(tmp_path / "run"), found) < 1e-5
    for left_out in fields:
        train(mixer("asymmetric,digits"), few, recipe(**{**fields, left_out: recipe().model_dump()[left_out]}), tmp_path / left_out)
        assert apart(weights(tmp_path / left_out), found) > 1e-3, left_out


def test_accumulated_batches_equal_one_batch(tmp_path: Path, few: Images) -> None:
    """Of unequal size too: 209 examples are 13 steps of 16, the last of 17."""
    double = {"precision": "64-true"}
    train(mixer("asymmetric,digits"), few, recipe(**double), tmp_path / "one")
    for size, accumulate in ((8, 2), (6, 3)):
        fields = {**double, "batch_size": size, "accumulate": accumulate}
        train(mixer("asymmetric,digits"), few, recipe(**fields), tmp_path / "several", force=True)
        one = tmp_path / "one"
        if size * accumulate != 16:
            train(mixer("asymmetric,digits"), few, recipe(**double, batch_size=18), tmp_path / "other")
            one = tmp_path / "other"
        assert apart(weights(tmp_path / "several"), weights(one)) < 1e-9


@pytest.mark.parametrize("precision", ["bf16-mixed", "64-true"])
def test_precisions(tmp_path: Path, few: Images, precision: str) -> None:
    plain = train(mixer(), few, recipe(), tmp_path / "plain")
    record = train(mixer(), few, recipe(precision=precision), tmp_path / "run")
    assert {tensor.dtype for tensor in weights(tmp_path / "run").values()} == {torch.float64 if "64" in precision else torch.float32}
    assert record.history[-1].loss < record.history[0].loss
    assert record.history[-1].loss == pytest.approx(plain.history[-1].loss, rel=0.02)
    assert not same({name: tensor.float() for name, tensor in weights(tmp_path / "run").items()}, weights(tmp_path / "plain"))
    assert read_run(tmp_path / "run").record == record


@pytest.mark.skipif(torch.cuda.is_available(), reason="it is refused where there is no GPU")
def test_float16_needs_a_gpu(tmp_path: Path, few: Images) -> None:
    with pytest.raises(HopgraphError, match=r"precision-unavailable.*needs a GPU"):
        train(mixer(), few, recipe(precision="16-mixed"), tmp_path / "run")


@pytest.mark.slow
def test_a_compiled_model_trains_as_the_plain_one(tmp_path: Path, few: Images) -> None:
    fields = {"epochs": 1, "batch_size": 16, "precision": "64-true"}
    process = start(tmp_path / "compiled", "asymmetric,digits", json.dumps({**fields, "compile": True}))
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    train(mixer("asymmetric,digits"), few, recipe(**fields), tmp_path / "plain")
    assert apart(weights(tmp_path / "compiled"), weights(tmp_path / "plain")) < 1e-8


def test_kernels_with_their_channels_last_learn_the_same(tmp_path: Path, few: Images) -> None:
    spec = hopgraph.load("ffnet", "digits")
    fields: dict[str, Any] = {"epochs": 1, "precision": "64-true"}
    seen: list[bool] = []

    def look(module: torch.nn.Module, *_: object) -> None:
        if isinstance(module, Model):
            seen.append(last(module))

    with torch.nn.modules.module.register_module_forward_hook(look):
        found = train(spec, few, recipe(channels_last=True, **fields), tmp_path / "last").history[-1]
    assert seen
    assert all(seen)
    plain = train(spec, few, recipe(**fields), tmp_path / "first").history[-1]
    assert found.loss == pytest.approx(plain.loss, rel=1e-9)  # weights may differ: the gradient of a bias before a norm is rounding alone
    assert found.test == pytest.approx(plain.test)


def last(module: torch.nn.Module) -> bool:
    """Whether every kernel lies with its channels last."""
    kernels = [tensor for tensor in module.parameters() if tensor.dim() == 4]
    return bool(kernels) and all(tensor.is_contiguous(memory_format=torch.channels_last) for tensor in kernels)


def test_drop_path_is_laid_over_the_spec(tmp_path: Path, few: Images) -> None:
    record = train(mixer(), few, recipe(drop_path=0.3), tmp_path / "run")
    assert any(setting.startswith("block.update.drop=") for setting in record.spec.settings)
    spec = read_run(tmp_path / "run").spec
    drop = spec.loaded.spec.block and spec.loaded.spec.block.update.drop
    assert drop is not None
    assert (float(drop.rate), drop.per, drop.schedule) == (0.3, "group", "linear")
    train(mixer(), few, recipe(), tmp_path / "without")
    assert not same(weights(tmp_path / "run"), weights(tmp_path / "without"))


def test_drop_path_reaches_every_stage() -> None:
    import hopgraph

    spec = with_drop_path(hopgraph.load("ffnet", "digits"), 0.1)
    assert [stage.block.update.drop is not None for stage in spec.loaded.spec.stages] == [True] * len(spec.loaded.spec.stages)


def test_the_average_is_in_place_for_a_while() -> None:
    tensor = torch.zeros(3)
    average = Average({"t": tensor}, 0.5)
    for value in (10.0, 20.0):
        tensor.fill_(value)
        average.update()
    with average.in_place():
        inside = tensor.clone()
    assert torch.equal(tensor, torch.full((3,), 20.0))
    first = 0.9 * 10.0  # the decay of the first step is 1/10, of the second 2/11
    assert torch.allclose(inside, torch.full((3,), 2 / 11 * first + 9 / 11 * 20.0))


def test_buffers_go_with_the_average(tmp_path: Path, few: Images) -> None:
    import hopgraph

    spec = hopgraph.load("convmixer", "digits", ("dims.C=8", "dims.depth=1"))
    train(spec, few, recipe(ema=0.99), tmp_path / "averaged")
    train(spec, few, recipe(), tmp_path / "plain")
    averaged, plain = weights(tmp_path / "averaged"), weights(tmp_path / "plain")
    means = [name for name in plain if name.endswith("running_mean")]
    assert means
    assert all(torch.equal(averaged[name], plain[name]) for name in means)
    assert not same(averaged, plain)


def test_evaluate_tests_every_so_many_epochs_and_after_the_last(tmp_path: Path, few: Images) -> None:
    record = train(mixer(), few, recipe(epochs=5, evaluate=2), tmp_path / "run")
    assert [bool(epoch.test) for epoch in record.history] == [False, True, False, True, True]
    other = train(mixer(), few, recipe(epochs=5), tmp_path / "other")
    assert record.test == other.test


def test_augmented_training_repeats_to_the_bit(tmp_path: Path, few: Images) -> None:
    fields = {"augment": {"crop": 1, "flip": 0.5, "erase": 0.3, "mixup": 0.8, "cutmix": 1.0}, "label_smoothing": 0.1}
    for name, given, seed in (("a", fields, 0), ("b", fields, 0), ("c", {}, 0), ("d", fields, 1)):
        train(mixer(), few, recipe(**given), tmp_path / name, seed=seed)
    a, b, c, d = (weights(tmp_path / name) for name in "abcd")
    assert same(a, b)
    assert not same(a, c)
    assert not same(a, d)


def test_what_is_drawn_for_a_batch_follows_from_the_seed_and_its_place(
    tmp_path: Path, few: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run of another version that is gone on with must draw the same."""
    found: list[int] = []
    call = Augmenter.__call__

    def watched(self: Augmenter, inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        found.append(generator.initial_seed())
        return call(self, inputs, targets, generator)

    monkeypatch.setattr(Augmenter, "__call__", watched)
    train(mixer(), few, recipe(epochs=1, batch_size=8, accumulate=2, augment={"crop": 1}), tmp_path / "run", seed=3)
    places = [(step, index) for step in range(13) for index in range(2)]
    assert found == [int(np.random.SeedSequence([3, 0, *place]).generate_state(1, np.uint64)[0]) for place in places]


def test_progress_tells_how_far_it_is(tmp_path: Path, few: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "REPORT_SECONDS", 0.0)
    found: list[Progress] = []
    record = train(mixer(), few, recipe(), tmp_path / "run", report=found.append)
    assert [item.step for item in found] == [*range(1, 14), 13, *range(14, 27), 26]
    assert {item.steps for item in found} == {26}
    assert [item.epoch for item in found] == [1] * 14 + [2] * 14
    ends = [item for item in found if item.finished]
    assert tuple(item.finished for item in ends) == record.history
    assert [item.loss for item in ends] == [epoch.loss for epoch in record.history]
    assert found[0].test == {}
    assert found[14].test == record.history[0].test
    assert all(item.examples_per_second > 0 for item in found)
    assert found[-1].seconds_left == 0
    assert all(after.seconds_left > 0 for _, after in pairwise(found[:-1]) if after.step < 26)
    assert set(found[0].train) == {"accuracy"}


def test_steps_and_shares_hold_each_example_once() -> None:
    order = torch.randperm(209)
    for size, least in ((16, 2), (13, 2), (208, 2), (300, 2), (52, 4)):
        steps = steps_of(order, size, least)
        assert torch.equal(torch.cat(steps), order)
        assert min(map(len, steps)) >= least
        for step in steps:
            shares: list[Tensor] = [part for rank in range(2) for part in batches_of(step, size // 4, 2, rank, 2)]
            assert torch.equal(torch.cat(shares).sort().values, step.sort().values)
            assert min(map(len, shares)) > 0
    assert [len(step) for step in steps_of(order, 16)] == [16] * 12 + [17]
