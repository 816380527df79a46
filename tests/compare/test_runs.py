"""Runs stay in the comparison's folder: what is done is not run again, and what differs is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hopgraph.bench.compare import compare
from hopgraph.errors import HopgraphError
from hopgraph.train.data import Data
from tests.compare.conftest import TINY, plan, recipe


def times(out: Path) -> dict[str, int]:
    return {path.name: (path / "model.safetensors").stat().st_mtime_ns for path in sorted((out / "runs").iterdir())}


def test_a_run_that_is_done_is_not_run_again(tmp_path: Path, digits: Data) -> None:
    out = tmp_path / "out"
    first = compare(plan("symmetric", "broken"), digits, out)
    before = times(out)
    assert list(before) == ["broken-0", "symmetric-0"]
    (out / "bundles").mkdir()
    (out / "bundles" / "stale").touch()
    again = compare(plan("symmetric", "vanilla", "broken"), digits, out)
    after = times(out)
    assert {name: after[name] for name in before} == before
    assert "vanilla-0" in after
    assert [row.test for row in again.rows][::2] == [row.test for row in first.rows]
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "results.json", "runs"]


def test_a_comment_in_the_spec_or_another_way_to_say_it_is_the_same_run(tmp_path: Path, digits: Data) -> None:
    compare(plan("symmetric"), digits, tmp_path / "out")
    before = times(tmp_path / "out")
    request = plan("symmetric")
    loaded = request.specs["symmetric"].loaded
    text = replace(loaded.source, text=loaded.source.text + "# a remark\n")
    from hopgraph.passes.pipeline import load

    same = load(text, "digits", (*TINY, "block.symmetry=tied"))
    compare(replace(request, specs={"symmetric": same}), digits, tmp_path / "out")
    assert times(tmp_path / "out") == before


@pytest.mark.parametrize("what", ["spec", "recipe", "data"])
def test_another_run_of_the_same_name_is_a_diagnostic(tmp_path: Path, digits: Data, what: str) -> None:
    out = tmp_path / "out"
    compare(plan("symmetric"), digits, out)
    page = (out / "report.html").read_text()
    request = plan("symmetric", "broken")
    if what == "recipe":
        request = replace(request, recipe=recipe(2))
    if what == "spec":
        request = replace(request, specs={"symmetric": request.specs["broken"]})
    data = replace(digits, name="other") if what == "data" else digits
    with pytest.raises(HopgraphError, match=f"file-exists.*symmetric-0` is a run with another {what}") as caught:
        compare(request, data, out)
    assert "--force" in str(caught.value)
    assert list(times(out)) == ["symmetric-0"]
    assert (out / "report.html").read_text() == page
    before = times(out)
    compare(request, data, out, force=True)
    assert times(out)["symmetric-0"] > before["symmetric-0"]


def test_a_folder_of_something_else_is_not_touched(tmp_path: Path, digits: Data) -> None:
    (tmp_path / "notes.txt").touch()
    for force in (False, True):
        with pytest.raises(HopgraphError, match="file-exists"):
            compare(plan("symmetric"), digits, tmp_path, force=force)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_run_that_fails_does_not_stop_the_others(tmp_path: Path, digits: Data) -> None:
    request = plan("symmetric", "broken", seeds=(0, 1))
    from hopgraph.train.recipe import read_recipe

    wild = read_recipe(None, ["epochs=1", "batch_size=256", "optimizer.learning_rate=1e30"])
    with pytest.raises(HopgraphError) as caught:
        compare(replace(request, recipe=wild), digits, tmp_path / "out")
    assert len(caught.value.diagnostics) == 4
    assert "symmetric, seed 0: " in caught.value.diagnostics[0].message
    assert not (tmp_path / "out" / "report.html").exists()
