"""`hopgraph train` and `hopgraph schema --recipe`: what reaches the recipe, from where, and what is told meanwhile."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from hopgraph.console import training_line, training_progress
from hopgraph.frontend.schema import schema_text
from hopgraph.train.logs import Progress
from hopgraph.train.recipe import GRAMMAR, Recipe

from .deploy.test_cli import Shell

WORDS = ["train", "paramixer", "--variant", "digits", "--set", "dims.C=16", "--set", "dims.depth=1"]


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(monkeypatch, capsys)


def trained(shell: Shell, out: Path, *words: str) -> dict[str, Any]:
    """The record of a run."""
    return json.loads(shell(*WORDS, *words, "--out", out, "--json")[0])


def test_a_recipe_with_settings_and_then_the_short_options_over_it(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("recipe: 1\ndata: nothing\nepochs: 9\nbatch_size: 100\nclip: 1\noptimizer: {learning_rate: 1, weight_decay: 0.5}\n")
    settings = ["--set", "recipe.clip=off", "--set", "recipe.schedule.kind=linear", "--set", "recipe.epochs=7"]
    short = ["--data", "digits", "--epochs", "1", "--batch-size", "479", "--learning-rate", "1e-3", "--weight-decay", "0.01"]
    record = trained(shell, tmp_path / "run", "--recipe", str(path), *settings, *short, "--seed", "3")
    changed = {"data": "digits", "epochs": 1, "batch_size": 479, "schedule": {"kind": "linear"}}
    wanted = Recipe.model_validate({**changed, "optimizer": {"learning_rate": 1e-3, "weight_decay": 0.01}})
    assert Recipe.model_validate_json(json.dumps(record["recipe"])) == wanted
    assert (record["data"], record["seed"], len(record["history"])) == ("digits", 3, 1)
    assert record["spec"]["settings"] == ["dims.C=16", "dims.depth=1"]


def test_without_a_recipe_the_default_one_trains_on_digits(shell: Shell, tmp_path: Path) -> None:
    record = trained(shell, tmp_path / "run", "--epochs", "1", "--batch-size", "479")
    assert Recipe.model_validate_json(json.dumps(record["recipe"])) == Recipe(epochs=1, batch_size=479)
    assert record["data"] == "digits"


def test_a_finished_run_is_given_back_by_resume(shell: Shell, tmp_path: Path) -> None:
    words = ["--epochs", "1", "--batch-size", "479"]
    record = trained(shell, tmp_path / "run", *words)
    assert trained(shell, tmp_path / "run", *words, "--resume") == record
    _, err = shell(*WORDS, *words, "--out", tmp_path / "run", status=1)
    assert "error[file-exists]" in err


BAD = {
    "an unknown recipe": (["--recipe", "paramixer-cifar"], "error[recipe-unknown]"),
    "a missing file": (["--recipe", "mine.yaml"], "error[file-missing]"),
    "an unknown field": (["--set", "recipe.epoch=5"], "= help: rename it to `epochs`"),
    "a value out of its range": (["--set", "recipe.ema=1.5"], "`ema` should be a number from 0 to less than 1"),
    "a short option that is no finite number": (["--learning-rate", "inf"], "`learning_rate` should be a number"),
    "a warm-up that is too long": (["--recipe", "paramixer-cifar10", "--epochs", "5"], "the warm-up takes 20 epochs, and training has 5"),
    "one process": (["--strategy", "fsdp"], "error[strategy-unavailable]"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_is_a_diagnostic_and_leaves_nothing(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    words, message = BAD[name]
    monkeypatch.chdir(tmp_path)
    out, err = shell(*WORDS, *words, "--out", "run", status=1)
    assert message in err
    assert out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_setting_of_a_recipe_is_none_of_a_spec(shell: Shell) -> None:
    _, err = shell("check", "paramixer", "--set", "recipe.epochs=5", status=1)
    assert "the spec has no `recipe`" in err


def test_the_schema_of_recipes_is_written(shell: Shell, tmp_path: Path) -> None:
    out, _ = shell("schema", "--recipe")
    assert out == schema_text(GRAMMAR)
    shell("schema", "--recipe", "-o", tmp_path / "schema.json")
    assert (tmp_path / "schema.json").read_text(encoding="utf-8") == out


# --- what is told while it trains ---------------------------------------------------------------------------------------

NOW = Progress(3, 20, 12, 400, 0.4123, {"accuracy": 0.871}, {"accuracy": 0.9022}, 9120.3, 72.4)


def test_a_line_says_how_far_a_training_is() -> None:
    assert training_line(NOW) == "epoch 3/20, 0:01:12 left, 9,120/s: loss 0.412, accuracy 0.871 (test 0.902)"
    first = Progress(1, 20, 1, 400, 5.5, {"nats_per_byte": 5.45}, {}, 80.0, math.nan)
    assert training_line(first) == "epoch 1/20, 80/s: loss 5.500, nats per byte 5.450"


def test_the_bar_shows_it(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    with training_progress(quiet=False) as report:
        report(NOW)
    assert "3%" in (told := capsys.readouterr().err)
    assert training_line(NOW) in told
    with training_progress(quiet=True) as report:
        report(NOW)
    assert capsys.readouterr().err == ""
