"""Training: repeatable, honest about what it read and wrote, whole or absent."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

import hopgraph
from hopgraph.errors import HopgraphError
from hopgraph.train.data import Images, load_data
from hopgraph.train.evaluate import evaluate
from hopgraph.train.loop import train
from hopgraph.train.recipe import Optimizer, Recipe
from hopgraph.train.run import Run, read_run
from hopgraph.train.tasks import TASKS
from tests.deploy.conftest import SMALL


def test_the_digits_are_split_by_class_and_normalized(digits: Images) -> None:
    assert len(digits.train) + len(digits.test) == 1797
    assert digits.shape == (1, 8, 8)
    inputs = digits.normalized(digits.train.inputs)
    assert abs(inputs.mean().item()) < 1e-5
    assert abs(inputs.std().item() - 1) < 1e-5
    shares = [(digits.test.targets == digit).float().mean().item() for digit in range(10)]
    assert min(shares) > 0.08
    assert max(shares) < 0.12


def test_the_split_is_the_same_each_time(digits: Images) -> None:
    again = load_data("digits")
    assert isinstance(again, Images)
    assert torch.equal(digits.test.inputs, again.test.inputs)
    assert torch.equal(digits.train.targets, again.train.targets)


def test_a_seed_repeats_a_run_to_the_bit(tmp_path: Path, digits: Images) -> None:
    spec = hopgraph.load("paramixer", "asymmetric,digits", SMALL)
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        train(spec, digits, Recipe(epochs=1), tmp_path / name, seed=seed)
    a, b, c = (read_run(tmp_path / name).model.state_dict() for name in "abc")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert any(not torch.equal(a[name], c[name]) for name in a)


def test_a_run_reads_back_as_the_model_that_was_trained(runs: dict[str, Run], digits: Images) -> None:
    for run in runs.values():
        assert evaluate(TASKS["classification"], run.spec, digits, run.model) == run.record.test
        assert len(run.record.history) == 2
        assert run.record.history[1].loss < run.record.history[0].loss


def test_the_loss_holds_the_penalty(runs: dict[str, Run]) -> None:
    assert all(epoch.penalty > 0 for epoch in runs["asymmetric"].record.history)
    assert all(epoch.penalty == 0 for epoch in runs["broken"].record.history)


def test_the_penalty_is_lambda_times_the_sum_of_squares() -> None:
    model = hopgraph.compile("paramixer", "asymmetric,digits", SMALL)
    departures = [tensor for name, tensor in model.named_parameters() if ".penalized_" in name]
    assert len(departures) == 4
    expected = 1e-3 * sum(tensor.square().sum() for tensor in departures)
    assert torch.allclose(model.penalty(), torch.as_tensor(expected))


def test_a_larger_lambda_brings_the_weights_closer_to_tied(tmp_path: Path, digits: Images) -> None:
    asymmetries: list[float] = []
    for penalty in ("1e-5", "1e-1"):
        spec = hopgraph.load("paramixer", "digits", [*SMALL, f"block.symmetry={{penalized: {penalty}}}"])
        record = train(spec, digits, Recipe(epochs=3), tmp_path / penalty)
        asymmetries.append(sum(record.history[-1].weight_asymmetry.values()))
    assert asymmetries[1] < 0.85 * asymmetries[0]


@pytest.mark.parametrize("missing", ["model.safetensors", "run.json"])
def test_a_run_without_a_file_is_refused(tmp_path: Path, run_paths: dict[str, Path], missing: str) -> None:
    shutil.copytree(run_paths["broken"], tmp_path / "run")
    (tmp_path / "run" / missing).unlink()
    with pytest.raises(HopgraphError, match=rf"run-damaged.*\n*.*it has no {missing}"):
        read_run(tmp_path / "run")


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"{}", b'{"format": 99}', b"[1, 2]", b"\xff\xfe"])
@pytest.mark.parametrize("file", ["model.safetensors", "run.json"])
def test_a_run_of_garbage_is_refused(tmp_path: Path, run_paths: dict[str, Path], file: str, content: bytes) -> None:
    shutil.copytree(run_paths["broken"], tmp_path / "run")
    (tmp_path / "run" / file).write_bytes(content)
    with pytest.raises(HopgraphError, match="run-damaged"):
        read_run(tmp_path / "run")


def test_weights_of_another_spec_are_refused(tmp_path: Path, run_paths: dict[str, Path]) -> None:
    shutil.copytree(run_paths["broken"], tmp_path / "run")
    shutil.copy(run_paths["symmetric"] / "model.safetensors", tmp_path / "run" / "model.safetensors")
    with pytest.raises(HopgraphError, match="does not hold the spec's weights"):
        read_run(tmp_path / "run")


def test_a_run_of_another_version_is_refused(tmp_path: Path, run_paths: dict[str, Path]) -> None:
    shutil.copytree(run_paths["broken"], tmp_path / "run")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    (tmp_path / "run" / "run.json").write_text(json.dumps({**record, "format": 4}))
    with pytest.raises(HopgraphError, match="it is of format 4"):
        read_run(tmp_path / "run")


def test_a_loss_that_is_not_finite_stops_and_leaves_nothing(tmp_path: Path, digits: Images) -> None:
    spec = hopgraph.load("paramixer", "broken,digits", SMALL)
    with pytest.raises(HopgraphError, match="not-finite"):
        train(spec, digits, Recipe(epochs=3, optimizer=Optimizer(learning_rate=1e30)), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_data_that_does_not_fit_the_spec_is_refused_before_training(tmp_path: Path, digits: Images) -> None:
    with pytest.raises(HopgraphError) as caught:
        train(hopgraph.load("paramixer"), digits, Recipe(epochs=1), tmp_path / "run")
    text = str(caught.value)
    assert "the images of `digits` are 1 x 8 x 8, and `paramixer` reads 3 x 32 x 32" in text
    assert "add `--variant digits`" in text
    with pytest.raises(HopgraphError, match="`digits` has 10 classes, and `paramixer` gives 7 numbers"):
        train(hopgraph.load("paramixer", "digits", ["dims.classes=7"]), digits, Recipe(epochs=1), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_broken_mixer_learns_the_digits(tmp_path: Path, digits: Images) -> None:
    record = train(hopgraph.load("paramixer", "broken,digits"), digits, Recipe(epochs=15), tmp_path / "run")
    assert record.test["accuracy"] > 0.95
