"""A training that is killed, stopped or refused by the disk goes on as if nothing had happened."""

from __future__ import annotations

import errno
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from hopgraph.errors import HopgraphError
from hopgraph.train import checkpoint, folder, loop
from hopgraph.train.data import Images
from hopgraph.train.logs import Progress
from hopgraph.train.loop import train
from hopgraph.train.run import read_run

from .conftest import mixer, recipe, same, start, weights

FIELDS = {
    "epochs": 3,
    "batch_size": 8,
    "accumulate": 2,
    "ema": 0.9,
    "clip": 0.1,
    "drop_path": 0.2,
    "augment": {"crop": 1, "mixup": 0.8, "cutmix": 1.0},
}
"""All that has a state of its own or draws."""
STEPS = 39


class StopError(Exception):
    pass


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, few: Images) -> Path:
    """A run that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole") / "run"
    train(mixer("asymmetric,digits"), few, recipe(**FIELDS), out)
    return out


def begin(out: Path) -> subprocess.Popen[str]:
    return start(out, "asymmetric,digits", json.dumps({**FIELDS}))


def kill_at(process: subprocess.Popen[str], step: int, number: int = signal.SIGKILL, delay: float = 0.0) -> int:
    """Send a signal once so many steps are told, and give the status."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("step") and int(line.split()[1]) >= step:
            break
    time.sleep(delay)
    process.send_signal(number)
    process.communicate()
    return process.returncode


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 20))])
def test_a_run_that_is_killed_ends_with_the_same_weights(tmp_path: Path, whole: Path, few: Images, seed: int) -> None:
    """Killed once or twice, anywhere: before the first checkpoint, inside an epoch, while one is written."""
    draws = random.Random(seed)  # noqa: S311 (moments, no secrets)
    out = tmp_path / "run"
    for _ in range(draws.choice([1, 2])):
        assert kill_at(begin(out), draws.randrange(1, STEPS), delay=draws.random() * 0.02) in (-signal.SIGKILL, 0)
    train(mixer("asymmetric,digits"), few, recipe(**FIELDS), out, resume=True)
    assert same(weights(out), weights(whole))
    assert sorted(path.name for path in out.iterdir()) == ["model.safetensors", "run.json"]
    ours, theirs = read_run(out).record, read_run(whole).record
    assert [(epoch.loss, epoch.test) for epoch in ours.history] == [(epoch.loss, epoch.test) for epoch in theirs.history]


def test_sigterm_finishes_the_step_writes_and_exits_143(tmp_path: Path, whole: Path, few: Images) -> None:
    out = tmp_path / "run"
    assert kill_at(begin(out), 17, signal.SIGTERM) == 143
    (found,) = (out / "checkpoint").iterdir()
    state = json.loads((found / "state.json").read_text())
    assert 17 <= int(found.name) < STEPS
    assert state["epoch"] * 13 + state["steps"] == int(found.name)
    with pytest.raises(HopgraphError, match=r"run-unfinished.*has not ended"):
        read_run(out)
    train(mixer("asymmetric,digits"), few, recipe(**FIELDS), out, resume=True)
    assert same(weights(out), weights(whole))


@pytest.mark.parametrize("step", [1, 12, 13, 14, 26, 38])
def test_it_goes_on_from_every_kind_of_step(tmp_path: Path, whole: Path, few: Images, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a checkpoint after each step; the generators that have no owner stand elsewhere when it goes on."""
    monkeypatch.setattr(loop, "REPORT_SECONDS", 0.0)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)

    def stop(progress: Progress) -> None:
        if progress.step == step + 1 and not progress.finished:
            raise StopError

    with pytest.raises(StopError):
        train(mixer("asymmetric,digits"), few, recipe(**FIELDS), tmp_path / "run", report=stop)
    torch.rand(100)
    train(mixer("asymmetric,digits"), few, recipe(**FIELDS), tmp_path / "run", resume=True)
    assert same(weights(tmp_path / "run"), weights(whole))


def interrupted(out: Path, few: Images, **fields: Any) -> None:
    """A run whose first epoch is behind it."""

    def stop(progress: Progress) -> None:
        raise StopError

    with pytest.raises(StopError):
        train(mixer(), few, recipe(**fields), out, report=stop)


def test_a_full_disk_keeps_the_last_good_checkpoint(tmp_path: Path, few: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    out, calls = tmp_path / "run", iter(range(100))

    def full(path: Path) -> None:
        if next(calls) >= 6:  # in the second epoch's
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched, pytest.raises(HopgraphError) as caught:
        patched.setattr(checkpoint, "sync", full)
        train(mixer(), few, recipe(), out)
    assert "checkpoint-failed" in str(caught.value)
    assert "No space left on device" in str(caught.value)
    assert "`--resume` goes on from there" in str(caught.value)
    assert [path.name for path in (out / "checkpoint").iterdir()] == ["13"]
    train(mixer(), few, recipe(), out, resume=True)
    train(mixer(), few, recipe(), tmp_path / "whole")
    assert same(weights(out), weights(tmp_path / "whole"))


def test_a_disk_that_refuses_the_first_checkpoint_leaves_nothing(tmp_path: Path, few: Images) -> None:
    """The system itself refuses: files may have 1000 bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(HopgraphError, match=r"checkpoint-failed.*could not be written: .*[Ff]ile too large"):
            train(mixer(), few, recipe(), tmp_path / "run")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_at_the_end_keeps_the_checkpoint(tmp_path: Path, few: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched, pytest.raises(HopgraphError, match="checkpoint-failed"):
        patched.setattr(folder, "sync", full)
        train(mixer(), few, recipe(), tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["checkpoint"]
    record = train(mixer(), few, recipe(), tmp_path / "run", resume=True)
    assert read_run(tmp_path / "run").record == record


def test_a_loss_that_is_not_finite_keeps_the_last_good_checkpoint(tmp_path: Path, few: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    rates = {"learning_rate": 1e-3}
    interrupted(tmp_path / "run", few, optimizer=rates)
    with monkeypatch.context() as patched, pytest.raises(HopgraphError) as caught:
        patched.setattr(loop.Trainer, "step", diverging(loop.Trainer.step))
        train(mixer(), few, recipe(optimizer=rates), tmp_path / "run", resume=True)
    assert "the training loss of epoch 2 is nan" in str(caught.value)
    assert "`--resume` goes on from there" in str(caught.value)
    assert [path.name for path in (tmp_path / "run" / "checkpoint").iterdir()] == ["13"]
    train(mixer(), few, recipe(optimizer=rates), tmp_path / "run", resume=True)
    train(mixer(), few, recipe(optimizer=rates), tmp_path / "whole")
    assert same(weights(tmp_path / "run"), weights(tmp_path / "whole"))


def diverging(step: Any) -> Any:
    def broken(trainer: Any, plan: Any) -> None:
        with torch.no_grad():
            next(iter(trainer.tensors.values())).fill_(float("nan"))
        step(trainer, plan)

    return broken


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"recipe": recipe(batch_size=32)}, "another recipe.*`batch_size` was 16, and is 32"),
        ({"recipe": recipe(optimizer={"betas": (0.9, 0.95)})}, r"`optimizer.betas` was \[0.9, 0.999\], and is \[0.9, 0.95\]"),
        ({"spec": mixer("broken,digits")}, "another variant.*were symmetric, digits, and are broken, digits"),
        ({"spec": mixer("symmetric,digits", "block.steps=2")}, "another setting.*and are .*block.steps=2"),
        ({"seed": 1}, "another seed.*`seed` was 0, and is 1"),
    ],
)
def test_what_was_begun_otherwise_does_not_go_on(tmp_path: Path, few: Images, given: dict[str, Any], said: str) -> None:
    interrupted(tmp_path / "run", few)
    words: dict[str, Any] = {"spec": mixer(), "recipe": recipe(), **given}
    with pytest.raises(HopgraphError, match=rf"(?s)resume-differs.*{said}"):
        train(words.pop("spec"), few, words.pop("recipe"), tmp_path / "run", resume=True, **words)
    assert [path.name for path in (tmp_path / "run" / "checkpoint").iterdir()] == ["13"]


def test_a_finished_run_is_given_back(tmp_path: Path, few: Images) -> None:
    first = train(mixer(), few, recipe(), tmp_path / "run")
    written = (tmp_path / "run" / "model.safetensors").stat().st_mtime_ns
    assert train(mixer(), few, recipe(), tmp_path / "run", resume=True) == first
    assert (tmp_path / "run" / "model.safetensors").stat().st_mtime_ns == written
    with pytest.raises(HopgraphError, match="resume-differs"):
        train(mixer(), few, recipe(), tmp_path / "run", resume=True, seed=1)


def test_a_run_that_was_killed_at_its_very_end_is_tidied(tmp_path: Path, few: Images) -> None:
    first = train(mixer(), few, recipe(), tmp_path / "run")
    (tmp_path / "run" / "checkpoint" / "26").mkdir(parents=True)
    assert read_run(tmp_path / "run").record == first
    assert train(mixer(), few, recipe(), tmp_path / "run", resume=True) == first
    assert not (tmp_path / "run" / "checkpoint").exists()


def test_an_unfinished_run_is_not_replaced_unasked(tmp_path: Path, few: Images) -> None:
    interrupted(tmp_path / "run", few)
    with pytest.raises(HopgraphError, match=r"(?s)file-exists.*has not ended.*`--resume` to go on"):
        train(mixer(), few, recipe(), tmp_path / "run")
    train(mixer(), few, recipe(), tmp_path / "run", force=True, seed=1)
    assert read_run(tmp_path / "run").record.seed == 1


def test_a_folder_of_something_else_is_not_replaced(tmp_path: Path, few: Images) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").touch()
    with pytest.raises(HopgraphError, match="file-exists"):
        train(mixer(), few, recipe(), tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "thesis.tex").exists()


@pytest.mark.parametrize("name", ["state.json", "tensors.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff\xfe"])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, few: Images, name: str, content: bytes | None) -> None:
    interrupted(tmp_path / "run", few)
    file = tmp_path / "run" / "checkpoint" / "13" / name
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.raises(HopgraphError, match="checkpoint-damaged"):
        train(mixer(), few, recipe(), tmp_path / "run", resume=True)


def test_what_a_killed_process_left_aside_is_passed_over(tmp_path: Path, few: Images) -> None:
    interrupted(tmp_path / "run", few)
    place = tmp_path / "run" / "checkpoint"
    shutil.copytree(place / "13", place / ".26")
    (place / ".26" / "tensors.safetensors").write_bytes(b"half")
    train(mixer(), few, recipe(), tmp_path / "run", resume=True)
    train(mixer(), few, recipe(), tmp_path / "whole")
    assert same(weights(tmp_path / "run"), weights(tmp_path / "whole"))
