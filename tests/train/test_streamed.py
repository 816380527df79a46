"""What is streamed trains as what is in memory, to the bit."""

from __future__ import annotations

import json
import pickle
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import hopgraph
from hopgraph.errors import HopgraphError
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.train import loop
from hopgraph.train.data import Feed, Images, Streamed, load_data
from hopgraph.train.data.ahead import ahead
from hopgraph.train.logs import Progress
from hopgraph.train.loop import train
from hopgraph.train.tasks import choose_task, fit_data

from .conftest import ROOT, apart, mixer, no_memory, png, recipe, same, start, weights, write_parquet
from .test_processes import TWO

FIELDS: dict[str, Any] = {"epochs": 2, "batch_size": 8, "accumulate": 2, "ema": 0.9, "drop_path": 0.2, "augment": {"crop": 1, "mixup": 0.8}}
"""All images have one size."""
PIECES: dict[str, Any] = {
    **FIELDS,
    "resize": {"centre": 0.9},
    "augment": {"resized_crop": {"interpolation": "random"}, "flip": 0.5, "cutmix": 1.0},
}
"""Random pieces of images in training, and their middles in the test."""
VARIANT = "asymmetric,digits"


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory, files: dict[str, str]) -> dict[str, Path]:
    """Runs on images in memory, by the fields of their recipes."""
    folder = tmp_path_factory.mktemp("wholes")
    for name, fields in (("plain", FIELDS), ("pieces", PIECES)):
        train(mixer(VARIANT), load_data(files["parquet"]), recipe(**fields), folder / name)
    return {name: folder / name for name in ("plain", "pieces")}


@pytest.mark.parametrize(("name", "fields"), [("plain", FIELDS), ("pieces", PIECES)])
def test_streamed_images_train_as_those_in_memory(
    tmp_path: Path, wholes: dict[str, Path], files: dict[str, str], name: str, fields: dict[str, Any]
) -> None:
    with no_memory():
        data = load_data(files["parquet"])
        assert isinstance(data, Streamed)
        record = train(mixer(VARIANT), data, recipe(**fields), tmp_path / "run")
    assert same(weights(tmp_path / "run"), weights(wholes[name]))
    whole = loop.train(mixer(VARIANT), load_data(files["parquet"]), recipe(**fields), wholes[name], resume=True)
    assert (record.mean, record.std) == (whole.mean, whole.std)
    assert [epoch.test for epoch in record.history] == [epoch.test for epoch in whole.history]


def test_the_order_of_a_folder_is_that_in_memory(tmp_path: Path, files: dict[str, str]) -> None:
    train(mixer(), load_data(files["folder"]), recipe(epochs=1), tmp_path / "memory")
    with no_memory():
        train(mixer(), load_data(files["folder"]), recipe(epochs=1), tmp_path / "streamed")
    assert same(weights(tmp_path / "memory"), weights(tmp_path / "streamed"))


def test_pieces_are_no_middles_and_differ_by_seed(tmp_path: Path, wholes: dict[str, Path], files: dict[str, str]) -> None:
    still = {**PIECES, "augment": {"flip": 0.5, "cutmix": 1.0}}
    train(mixer(VARIANT), load_data(files["parquet"]), recipe(**still), tmp_path / "still")
    assert not same(weights(tmp_path / "still"), weights(wholes["pieces"]))
    train(mixer(VARIANT), load_data(files["parquet"]), recipe(**PIECES), tmp_path / "other", seed=1)
    assert not same(weights(tmp_path / "other"), weights(wholes["pieces"]))


def enlarged() -> CheckedSpec:
    return hopgraph.load("paramixer", "symmetric,digits", ("dims.C=8", "dims.depth=1", "dims.image=12"))


def test_images_are_trained_on_in_the_size_that_the_spec_reads(tmp_path: Path, files: dict[str, str], digits: Images) -> None:
    fields: dict[str, Any] = {"epochs": 1, "resize": {}}
    with no_memory():
        train(enlarged(), load_data(files["folder"]), recipe(**fields), tmp_path / "streamed")
    record = train(enlarged(), load_data(files["folder"]), recipe(**fields), tmp_path / "memory")
    assert same(weights(tmp_path / "memory"), weights(tmp_path / "streamed"))
    assert record.recipe["resize"] == {"centre": 1.0, "interpolation": "bicubic"}
    numbers = train(enlarged(), digits, recipe(epochs=1, resize={}, augment={"resized_crop": {}}), tmp_path / "digits")
    assert numbers.history[0].loss < 2.3


# --- going on ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))])
def test_a_streamed_run_that_is_killed_ends_with_the_same_weights(
    tmp_path: Path, wholes: dict[str, Path], files: dict[str, str], seed: int
) -> None:
    draws = random.Random(seed)  # noqa: S311 (moments, no secrets)
    process = start(tmp_path / "run", VARIANT, json.dumps(PIECES), "ddp", files["parquet"])
    assert process.stdout is not None
    step = draws.randrange(1, 26)
    for line in process.stdout:
        if line.startswith("step") and int(line.split()[1]) >= step:
            break
    time.sleep(draws.random() * 0.02)
    process.kill()
    process.communicate()
    assert process.returncode in (-signal.SIGKILL, 0)
    train(mixer(VARIANT), load_data(files["parquet"]), recipe(**PIECES), tmp_path / "run", resume=True)
    assert same(weights(tmp_path / "run"), weights(wholes["pieces"]))


class StopError(Exception):
    pass


@pytest.mark.parametrize("step", [1, pytest.param(13, marks=pytest.mark.slow), 20])
def test_it_goes_on_from_every_kind_of_step(
    tmp_path: Path, wholes: dict[str, Path], files: dict[str, str], step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "REPORT_SECONDS", 0.0)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)

    def stop(progress: Progress) -> None:
        if progress.step == step + 1 and not progress.finished:
            raise StopError

    with no_memory():
        with pytest.raises(StopError):
            train(mixer(VARIANT), load_data(files["folder"]), recipe(**PIECES), tmp_path / "run", report=stop)
        train(mixer(VARIANT), load_data(files["folder"]), recipe(**PIECES), tmp_path / "run", resume=True)
        train(mixer(VARIANT), load_data(files["folder"]), recipe(**PIECES), tmp_path / "whole")
    assert same(weights(tmp_path / "run"), weights(tmp_path / "whole"))


@pytest.mark.slow
def test_two_processes_that_stream_equal_one(tmp_path: Path, files: dict[str, str]) -> None:
    fields: dict[str, Any] = {"epochs": 2, "batch_size": 8, "precision": "64-true", "resize": {}}
    process = start(tmp_path / "two", VARIANT, json.dumps(fields), "ddp", files["parquet"], launcher=TWO)
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert out.count("done") == 2
    train(mixer(VARIANT), load_data(files["parquet"]), recipe(**{**fields, "batch_size": 16}), tmp_path / "one")
    assert apart(weights(tmp_path / "two"), weights(tmp_path / "one")) < 1e-10


# --- what is in the way -----------------------------------------------------------------------------------------------


def test_an_image_that_cannot_be_decoded_is_told_when_it_is_met(tmp_path: Path, files: dict[str, str]) -> None:
    """While the images are measured, or, where it is in no sample, in the midst of training."""
    pictures = [png(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)) for seed in range(40)]
    write_parquet(tmp_path / "a.parquet", [*pictures[:-1], pictures[-1][:60]], [0, 1] * 20)
    write_parquet(tmp_path / "b.parquet", pictures[:10], [0, 1] * 5)
    name = f"{tmp_path / 'a.parquet'},{tmp_path / 'b.parquet'}"
    spec = hopgraph.load("paramixer", "symmetric,digits", ("dims.C=8", "dims.depth=1", "dims.classes=2", "dims.colors=3"))
    with pytest.MonkeyPatch.context() as patch, no_memory():
        with pytest.raises(HopgraphError, match=r"row 39 of .*a.parquet` cannot be decoded as an image"):
            load_data(name)
        patch.setattr("hopgraph.train.data.assembly.EXACT", 20)
        patch.setattr("hopgraph.train.data.assembly.SAMPLE", 2)
        data = load_data(name)
        with pytest.raises(HopgraphError, match=r"row 39 of .*a.parquet` cannot be decoded as an image"):
            train(spec, data, recipe(epochs=1), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_streamed_image_of_another_size_is_told(tmp_path: Path, files: dict[str, str]) -> None:
    pictures = [png(np.zeros((8, 8 + (number == 7)), dtype=np.uint8)) for number in range(20)]
    write_parquet(tmp_path / "a.parquet", pictures, [0, 1] * 10)
    with no_memory():
        data = load_data(f"{tmp_path / 'a.parquet'},{tmp_path / 'a.parquet'}")
        assert isinstance(data, Streamed)
        with pytest.raises(HopgraphError, match=r"(?s)image-shape.*row 7 of .* is 8 x 9 pixels, and row 0 .* 8 x 8.*recipe\.resize"):
            data.train.take(torch.arange(20))
        fitted = fit_data(hopgraph.load("paramixer", "digits"), data, recipe(resize={}))
    assert isinstance(fitted, Streamed)
    assert fitted.train.take(torch.arange(20)).inputs.shape == (20, 1, 8, 8)


def test_a_recipe_resizes_images_only(tmp_path: Path, files: dict[str, str]) -> None:
    (tmp_path / "a.txt").write_text("all work and no play " * 100)
    with pytest.raises(HopgraphError, match="the recipe's `resize` has no meaning for language"):
        train(hopgraph.load("masked_mixer", "text"), load_data(str(tmp_path / "a.txt")), recipe(resize={}), tmp_path / "run")


@pytest.mark.parametrize(("field", "fields"), [("resize", {"resize": {}}), ("augment.resized_crop", {"augment": {"resized_crop": {}}})])
def test_a_spec_that_reads_a_tensor_has_no_size(digits: Images, field: str, fields: dict[str, Any]) -> None:
    spec = hopgraph.load("hopfield", "", ("dims.N=64",))
    assert fit_data(spec, digits, recipe()) is digits
    with pytest.raises(HopgraphError, match=rf"bad-value.*`{field}` needs a height and a width, and `hopfield` reads a tensor of 64"):
        fit_data(spec, digits, recipe(**fields))


def test_images_without_one_size_are_refused_where_nothing_resizes_them(tmp_path: Path) -> None:
    for part, sizes in (("train", [(8, 8), (6, 9), (12, 7)]), ("test", [(5, 5)])):
        write_parquet(tmp_path / f"{part}.parquet", [png(np.zeros(size, dtype=np.uint8)) for size in sizes], [0, 1, 0][: len(sizes)])
    data, spec = load_data(str(tmp_path)), hopgraph.load("paramixer", "digits", ("dims.classes=2",))
    with pytest.raises(HopgraphError, match=r"(?s)are 1 x 8 x 8 for training and 1 x 5 x 5 for the test.*recipe\.resize\.centre=1"):
        choose_task(spec, fit_data(spec, data, recipe()))
    assert choose_task(spec, fit_data(spec, data, recipe(resize={}))).name == "classification"


# --- how it is done ---------------------------------------------------------------------------------------------------


def test_a_sample_measures_many_images_streamed_or_not(files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    exact = load_data(files["folder"])
    monkeypatch.setattr("hopgraph.train.data.assembly.EXACT", 100)
    monkeypatch.setattr("hopgraph.train.data.assembly.SAMPLE", 50)
    kept = load_data(files["folder"])
    with no_memory():
        found = load_data(files["folder"])
    assert (kept.mean, kept.std) == (found.mean, found.std)
    assert kept.mean != exact.mean
    assert kept.mean == pytest.approx(exact.mean, abs=0.03)


@pytest.mark.parametrize("form", ["parquet", "folder"])
def test_streamed_data_are_sent_to_other_processes_by_their_paths(files: dict[str, str], form: str) -> None:
    with no_memory():
        found = load_data(files[form])
    assert isinstance(found, Streamed)
    packed = pickle.dumps(found)
    again: Streamed = pickle.loads(packed)  # noqa: S301 (our own)
    assert len(packed) < 20_000
    chosen = torch.tensor([3, 200, 7])
    assert torch.equal(again.train.take(chosen).inputs, found.train.take(chosen).inputs)


def test_a_file_that_is_replaced_is_read_anew(tmp_path: Path, files: dict[str, str]) -> None:
    for level in (10, 200):
        write_parquet(tmp_path / "a.parquet", [png(np.full((8, 8), level, dtype=np.uint8))] * 10, [0, 1] * 5)
        with no_memory():
            found = load_data(str(tmp_path / "a.parquet"))
        assert isinstance(found, Streamed)
        assert int(found.train.take(torch.tensor([0])).inputs[0, 0, 0, 0]) == level


def test_batches_of_a_stream_are_whole_whatever_the_threads_share(files: dict[str, str]) -> None:
    with no_memory():
        found = load_data(files["parquet"])
    whole = load_data(files["parquet"])
    assert isinstance(found, Streamed)
    assert isinstance(whole, Images)
    asked = [torch.arange(start, start + size) for start, size in ((0, 1), (1, 32), (33, 33), (66, 100))]
    batches = Feed(found.train, torch.device("cpu")).batches((rows, None) for rows in asked)
    for rows, batch in zip(asked, batches, strict=True):
        assert torch.equal(batch.inputs, whole.train.inputs[rows])
        assert torch.equal(batch.targets, whole.train.targets[rows])


def test_work_ahead_keeps_its_order_and_its_bounds() -> None:
    begun: list[int] = []

    def items() -> Iterator[int]:
        for number in range(20):
            begun.append(number)
            yield number

    def square(number: int) -> int:
        time.sleep(0.001 * (number % 3))
        return number * number

    found = ahead(square, items(), 3)
    assert [next(found) for _ in range(5)] == [0, 1, 4, 9, 16]
    assert len(begun) == 8
    assert [*found] == [number * number for number in range(5, 20)]


def test_what_goes_wrong_ahead_is_raised_in_its_place() -> None:
    found = ahead(lambda number: 1 // number, iter([2, 1, 0, 3]), 2)
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(found)


# --- memory -----------------------------------------------------------------------------------------------------------

PEAK = """
import sys, torch
from pathlib import Path
import datasets, pyarrow.parquet, hopgraph
from hopgraph.train.data import ahead, load_data, memory
from hopgraph.train.loop import train
from hopgraph.train.recipe import Recipe
torch.set_num_threads(1)
ahead.MOST = 2
sides, share, name, out = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3], sys.argv[4]
memory.SHARE = share
def peak():
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1])
spec = hopgraph.load("paramixer", "symmetric", ("dims.C=8", "dims.depth=1", f"dims.image={sides}", f"dims.patch={sides // 4}"))
train(hopgraph.load("paramixer", "digits", ("dims.C=8", "dims.depth=1")), load_data("digits"), Recipe(epochs=1), Path(out))
before = peak()
data = load_data(name)
train(spec, data, Recipe(epochs=1, batch_size=16), Path(out), force=True)
print(peak() - before, type(data).__name__)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux alone tells the peak of a process there")
def test_streaming_takes_less_memory_than_the_images(tmp_path: Path, files: dict[str, str]) -> None:
    """1,000 images of 192 x 192 are 105 MiB, decoded."""
    side, count = 192, 1000
    picture = png(np.broadcast_to(np.linspace(0, 255, side)[:, None, None].astype(np.uint8), (side, side, 3)))
    write_parquet(tmp_path / "a.parquet", [picture] * count, [number % 10 for number in range(count)])
    write_parquet(tmp_path / "b.parquet", [picture] * 20, [number % 10 for number in range(20)])
    name = f"{tmp_path / 'a.parquet'},{tmp_path / 'b.parquet'}"
    grown: dict[str, int] = {}
    for share in ("0.0", "0.5"):
        words = [sys.executable, "-c", PEAK, str(side), share, name, str(tmp_path / share)]
        told = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
        grown[told[1]] = int(told[0])
    decoded = count * 3 * side * side // 1024
    assert grown["Images"] > decoded > grown["Streamed"], grown
    assert grown["Images"] - grown["Streamed"] > 0.7 * decoded, grown
