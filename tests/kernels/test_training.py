"""A recipe with `kernels` trains by the operator, and its run is like any other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hopgraph.passes.pipeline import UNASKED
from hopgraph.train.checkpoint import Origin
from hopgraph.train.data import Images, load_data
from hopgraph.train.evaluate import evaluate
from hopgraph.train.loop import train
from hopgraph.train.recipe import Recipe, read_recipe
from hopgraph.train.run import SpecText, read_run
from hopgraph.train.tasks import choose_task
from hopgraph.train.trainer import Trainer
from tests.train.conftest import apart, few_digits, mixer, recipe, start, weights

DOUBLE = {"precision": "64-true", "epochs": 1}


@pytest.fixture(scope="module")
def few() -> Images:
    return few_digits(load_data("digits"))


def operations(spec_recipe: Recipe, few: Images) -> set[str]:
    """Those of the model that a trainer trains."""
    spec = mixer("digits")
    origin = Origin(SpecText.of(spec), spec_recipe.model_dump(mode="json"), few.name, 0, 1, "ddp")
    trainer = Trainer(spec, choose_task(spec, few), few, spec_recipe, origin)
    return {statement.op for statement in trainer.model.program.flat()}


def test_it_trains_by_the_operator_only_where_it_is_asked_to(few: Images) -> None:
    assert "two_layer" in operations(recipe(kernels=True), few)
    assert "two_layer" not in operations(recipe(), few)
    assert not read_recipe().kernels
    assert read_recipe(None, ["kernels=true"]).kernels


def test_its_run_is_that_of_the_parts(tmp_path: Path, few: Images) -> None:
    plain, with_kernels = tmp_path / "plain", tmp_path / "kernels"
    records = [train(mixer("digits"), few, recipe(**DOUBLE, kernels=asked), out) for asked, out in ((False, plain), (True, with_kernels))]
    assert apart(weights(plain), weights(with_kernels)) < 1e-9
    assert records[0].history[-1].loss == pytest.approx(records[1].history[-1].loss, rel=1e-9)


def test_what_reads_its_run_has_the_plain_program(tmp_path: Path, few: Images) -> None:
    record = train(mixer("digits"), few, recipe(**DOUBLE, kernels=True), tmp_path / "run")
    run = read_run(tmp_path / "run")
    assert run.spec.without == UNASKED
    assert "two_layer" not in {statement.op for statement in run.model.program.flat()}
    found = evaluate(choose_task(run.spec, few), run.spec, few, run.model.eval())
    assert found == pytest.approx(record.history[-1].test, rel=1e-5)


@pytest.mark.slow
def test_it_trains_compiled_as_the_parts_do(tmp_path: Path, few: Images) -> None:
    fields = {"epochs": 1, "batch_size": 16, "precision": "64-true"}
    process = start(tmp_path / "compiled", "digits", json.dumps({**fields, "compile": True, "kernels": True}))
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    train(mixer("digits"), few, recipe(**fields), tmp_path / "plain")
    assert apart(weights(tmp_path / "compiled"), weights(tmp_path / "plain")) < 1e-8
