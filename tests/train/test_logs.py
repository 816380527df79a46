from __future__ import annotations

import csv
import errno
import os
from pathlib import Path

import pytest
from lightning_fabric.loggers.csv_logs import CSVLogger

from hopgraph.errors import HopgraphError
from hopgraph.train import loop
from hopgraph.train.data import Images
from hopgraph.train.logs import Progress
from hopgraph.train.loop import train

from .conftest import mixer, recipe


class StopError(Exception):
    pass


def rows(run: Path, begun: int) -> list[dict[str, str]]:
    with (run / "csv" / f"from_{begun}" / "metrics.csv").open() as stream:
        return list(csv.DictReader(stream))


def test_csv_has_steps_and_epochs(tmp_path: Path, few: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "REPORT_SECONDS", 0.0)
    record = train(mixer(), few, recipe(log=["csv"]), tmp_path / "run")
    found = rows(tmp_path / "run", 0)
    tested = [row for row in found if row["test_accuracy"]]
    assert [float(row["test_accuracy"]) for row in tested] == [epoch.test["accuracy"] for epoch in record.history]
    assert [int(row["step"]) for row in tested] == [13, 26]
    assert all(float(row["learning_rate"]) > 0 for row in found if row["learning_rate"])
    assert [int(row["step"]) for row in found if row["loss"]] == [*range(1, 14), 13, *range(14, 27), 26]


def test_what_goes_on_writes_a_further_file(tmp_path: Path, few: Images) -> None:
    def stop(progress: Progress) -> None:
        raise StopError

    with pytest.raises(StopError):
        train(mixer(), few, recipe(log=["csv"]), tmp_path / "run", report=stop)
    train(mixer(), few, recipe(log=["csv"]), tmp_path / "run", resume=True)
    assert [int(row["step"]) for row in rows(tmp_path / "run", 13)] == [26, 26]


def test_tensorboard_has_the_curves(tmp_path: Path, few: Images) -> None:
    train(mixer(), few, recipe(log=["tensorboard"]), tmp_path / "run")
    (events,) = (tmp_path / "run" / "tensorboard").glob("events.out.tfevents.*")
    content = events.read_bytes()
    assert all(name in content for name in (b"epoch_loss", b"test_accuracy", b"learning_rate", b"weight_asymmetry_token"))


def test_a_disk_that_is_full_for_a_log_is_told(tmp_path: Path, few: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(logger: CSVLogger) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(CSVLogger, "save", full)
    with pytest.raises(HopgraphError, match=r"(?s)checkpoint-failed.*No space left.*`--resume`"):
        train(mixer(), few, recipe(log=["csv"]), tmp_path / "run")
    assert [path.name for path in (tmp_path / "run" / "checkpoint").iterdir()] == ["13"]


def test_without_logs_there_are_none(tmp_path: Path, few: Images) -> None:
    train(mixer(), few, recipe(), tmp_path / "run")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["model.safetensors", "run.json"]
