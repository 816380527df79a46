"""Several processes that train together do what one does."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from hopgraph.errors import HopgraphError
from hopgraph.train.data import Images
from hopgraph.train.loop import train
from hopgraph.train.run import read_run

from .conftest import apart, mixer, recipe, start, weights

TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def finish(*words: object) -> None:
    process = start(*words, launcher=TWO)
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert out.count("done") == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "fields"),
    [
        ("symmetric,digits", {}),
        ("asymmetric,digits", {"accumulate": 2, "clip": 0.1, "ema": 0.9, "label_smoothing": 0.1}),
    ],
)
def test_two_processes_equal_one_with_the_same_global_batch(tmp_path: Path, few: Images, variant: str, fields: dict[str, Any]) -> None:
    together = {"epochs": 2, "batch_size": 8, "precision": "64-true", **fields}
    finish(tmp_path / "two", variant, json.dumps(together))
    one = train(mixer(variant), few, recipe(**{**together, "batch_size": 16}), tmp_path / "one")
    assert apart(weights(tmp_path / "two"), weights(tmp_path / "one")) < 1e-10
    two = read_run(tmp_path / "two").record
    for ours, theirs in zip(two.history, one.history, strict=True):
        assert ours.test == theirs.test
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-6)
        assert ours.penalty == pytest.approx(theirs.penalty, rel=1e-6)


@pytest.mark.slow
def test_sharded_processes_equal_one(tmp_path: Path, few: Images) -> None:
    fields = {"epochs": 2, "batch_size": 8, "ema": 0.9, "clip": 0.1}
    finish(tmp_path / "two", "asymmetric,digits", json.dumps(fields), "fsdp")
    one = train(mixer("asymmetric,digits"), few, recipe(**{**fields, "batch_size": 16}), tmp_path / "one")
    assert apart(weights(tmp_path / "two"), weights(tmp_path / "one")) < 1e-4
    two = read_run(tmp_path / "two").record
    assert two.history[-1].weight_asymmetry == pytest.approx(one.history[-1].weight_asymmetry, rel=1e-4)
    assert two.history[-1].loss == pytest.approx(one.history[-1].loss, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_processes_that_are_told_to_stop_go_on_together(tmp_path: Path, strategy: str) -> None:
    fields = json.dumps({"epochs": 3, "batch_size": 8, "ema": 0.9, "drop_path": 0.2})
    finish(tmp_path / "whole", "asymmetric,digits", fields, strategy)
    process = start(tmp_path / "run", "asymmetric,digits", fields, strategy, launcher=TWO)
    assert process.stdout is not None
    for line in process.stdout:
        if line.split() == ["step", "14"]:
            break
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["checkpoint"]
    finish(tmp_path / "run", "asymmetric,digits", fields, strategy)
    assert apart(weights(tmp_path / "run"), weights(tmp_path / "whole")) == 0


def test_one_process_has_nothing_to_shard(tmp_path: Path, few: Images) -> None:
    with pytest.raises(HopgraphError, match=r"strategy-unavailable.*there is one"):
        train(mixer(), few, recipe(), tmp_path / "run", strategy="fsdp")


@pytest.mark.slow
def test_a_checkpoint_of_two_processes_is_not_gone_on_with_by_one(tmp_path: Path, few: Images) -> None:
    process = start(tmp_path / "run", "symmetric,digits", json.dumps({"epochs": 40}), launcher=TWO)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("step") and int(line.split()[1]) > 20:
            break
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    with pytest.raises(HopgraphError, match=r"(?s)resume-differs.*`processes` was 2, and is 1"):
        train(mixer(), few, recipe(epochs=40, batch_size=64), tmp_path / "run", resume=True)
