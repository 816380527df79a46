"""Every kind of task: what is drawn from the data, training, export, and what is said where spec and data do not fit."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

import hopgraph
from hopgraph.bench.candidates import candidates
from hopgraph.bench.compare import Plan, compare
from hopgraph.bench.measure import measure
from hopgraph.errors import HopgraphError, Source
from hopgraph.export.bundle import export
from hopgraph.passes.pipeline import CheckedSpec, load
from hopgraph.train.data import Data, Examples, Images, Lists, Text, load_data
from hopgraph.train.evaluate import evaluate
from hopgraph.train.loop import train
from hopgraph.train.recipe import Augment, Optimizer, Recipe
from hopgraph.train.run import Record, read_run
from hopgraph.train.tasks import TASKS, choose_task, first_inputs, fit_data, require_recipe
from tests.deploy.conftest import SMALL

GOLDENS = Path(__file__).parents[1] / "golden" / "train"

SPECS: dict[str, str] = {
    "vector": """
input: {tensor: {n: 64}}
block:
  axes: {n: 64, m: 40}
  layers: {x: {axes: [n], lagrangian: identity}, h: {axes: [m], lagrangian: relu, fast: true}}
  synapses: {memory: {factors: {h: h, x: {layer: x, through: [{dense: {n: m}}]}}}}
  update: {form: decay, step: 0.5}
variants:
  digits: {readout: [{linear: 10}]}
""",
    "patches": """
input: {image: [1, 8, 8]}
encoder: [{patch_embed: {size: 2, channels: 12}}]
block:
  axes: {n: 16, c: 12, k: 20, m: 24}
  layers:
    x: {axes: [n, c], lagrangian: {layernorm: {over: c}}}
    s: {axes: [k, c], lagrangian: relu, fast: true}
    h: {axes: [n, m], lagrangian: relu, fast: true}
  synapses:
    token: {factors: {s: s, x: {layer: x, through: [{dense: {n: k}}]}}}
    channel: {factors: {h: h, x: {layer: x, through: [{dense: {c: m}}]}}}
readout: [{linear: {out: 4, axis: pixels}}]
""",
    "bytes": """
dims: {T: 12, V: 256}
input: {tokens: {length: T, vocabulary: V}}
encoder: [{embed: {vocabulary: V, channels: 16, axes: [n, c]}}]
block:
  axes: {n: T, c: 16, k: T, m: 32}
  layers: {x: {axes: [n, c], lagrangian: {layernorm: {over: c}}}, h: {axes: [n, m], lagrangian: gelu, fast: true}}
  synapses:
    token:
      factors: {x: x, past: {layer: x, rename: {n: k}, through: [{dense: {k: n, mask: causal}}]}}
      symmetry: {past: off}
    channel: {factors: {h: h, x: {layer: x, through: [{dense: {c: m}}]}}}
readout: [{linear: {out: V, axis: v}}]
variants:
  text: {dims.V: 256}
""",
    "matching": """
dims: {n: 4}
input: {tensor: {n: n, c: 64}}
block:
  axes: {n: n, c: 64, k: 16, m: 64}
  layers:
    x: {axes: [n, c], lagrangian: {layernorm: {over: c}}}
    s: {axes: [k, c], lagrangian: gelu, fast: true}
    h: {axes: [n, m], lagrangian: gelu, fast: true}
  synapses:
    token: {factors: {s: s, x: {layer: x, through: [{dense: {n: k}}]}}}
    channel: {factors: {h: h, x: {layer: x, through: [{dense: {c: m}}]}}}
  symmetry: own
readout: [{linear: {out: 1, axis: score}}]
variants:
  most: {dims.n: 11}
  flat: {readout: [{linear: {out: 1, axis: score}}, {mean: score}]}
  retrieval: {dims.n: 4}
  digits: {dims.n: 11}
""",
    "normed": """
dims: {side: 8, classes: 10}
input: {image: [1, side, side]}
encoder: [{conv: {channels: 6, kernel: 3, stride: 2, padding: 1, axes: [c, r, w]}}, {batch_norm: {per: c}}]
block:
  axes: {c: 6, r: side / 2, w: side / 2, m: 8}
  layers: {x: {axes: [c, r, w], lagrangian: identity}, f: {axes: [m, r, w], lagrangian: relu, fast: true}}
  synapses: {channel: {factors: {f: f, x: {layer: x, through: [{batch_norm: {per: c}}, {dense: {c: m}}]}}}}
readout: [{mean: [r, w]}, {linear: classes}]
variants:
  digits: {dims.side: 8}
""",
}


def spec(name: str, variant: str | None = None, settings: tuple[str, ...] = ()) -> CheckedSpec:
    return load(Source(f"{name}.yaml", f"hopgraph: 1\nname: {name}{SPECS[name]}"), variant, settings)


@pytest.fixture(scope="module")
def text_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text that is easy to learn."""
    path = tmp_path_factory.mktemp("text") / "rhyme.txt"
    path.write_text("one two three four five six seven, all good children go to heaven. " * 60, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def data(text_file: Path) -> dict[str, Data]:
    """A data set of each class."""
    return {"text": load_data(str(text_file)), **{name: load_data(name) for name in ("digits", "digits-retrieval")}}


CASES: dict[str, tuple[str, str | None, str, str]] = {
    "classification of a tensor": ("vector", "digits", "digits", "classification"),
    "classification with batch norms": ("normed", None, "digits", "classification"),
    "reconstruction of a tensor": ("vector", None, "digits", "reconstruction"),
    "reconstruction by patches": ("patches", None, "digits", "reconstruction"),
    "language": ("bytes", None, "text", "language"),
    "retrieval": ("matching", None, "digits-retrieval", "retrieval"),
}


def trained(case: str, data: dict[str, Data], path: Path, epochs: int = 3) -> Record:
    name, variant, source, task = CASES[case]
    found = spec(name, variant)
    assert choose_task(found, data[source]) is TASKS[task]
    return train(found, data[source], Recipe(epochs=epochs, optimizer=Optimizer(learning_rate=5e-3)), path)


@pytest.mark.parametrize("case", CASES)
def test_every_kind_trains_exports_and_builds_an_engine(case: str, data: dict[str, Data], tmp_path: Path) -> None:
    record = trained(case, data, tmp_path / "run")
    first, *_, last = record.history
    assert last.loss < first.loss
    assert (record.task, record.data) == (CASES[case][3], data[CASES[case][2]].name)
    assert record.summary.startswith("test ")
    run = read_run(tmp_path / "run")
    bundle = export([run], ["onnx", "tensorrt"], tmp_path / "bundle", data=data[CASES[case][2]])
    onnx, engine = bundle.manifest.form("onnx"), bundle.manifest.form("tensorrt")
    assert onnx is not None
    assert engine is not None
    assert onnx.parity["onnxruntime"].test == pytest.approx(record.test, abs=1e-5)
    assert (bundle.path / engine.file).stat().st_size > 10_000
    assert bundle.manifest.test == record.test
    assert evaluate(TASKS[record.task], run.spec, data[CASES[case][2]], run.model) == pytest.approx(record.test, abs=1e-6)


@pytest.mark.parametrize("case", ["reconstruction by patches", "language", "retrieval"])
def test_a_seed_repeats_what_is_drawn_to_the_bit(case: str, data: dict[str, Data], tmp_path: Path) -> None:
    first, again = (trained(case, data, tmp_path / name, epochs=2) for name in ("a", "b"))
    assert [(epoch.loss, epoch.train, epoch.test) for epoch in first.history] == [(e.loss, e.train, e.test) for e in again.history]


def test_each_kind_learns(data: dict[str, Data], tmp_path: Path) -> None:
    results = {case: trained(case, data, tmp_path / case, epochs=12).test for case in CASES}
    assert results["classification of a tensor"]["accuracy"] > 0.8
    assert results["classification with batch norms"]["accuracy"] > 0.25
    assert results["reconstruction of a tensor"]["relative_error"] < 0.6
    assert results["reconstruction by patches"]["relative_error"] < 0.6
    assert results["language"]["nats_per_byte"] < 2.2
    assert results["language"]["accuracy"] > 0.4
    assert results["retrieval"]["accuracy"] > 0.5


# --- what is drawn ----------------------------------------------------------------------------------------------------


def drawn(name: str, variant: str | None, data: Data, seed: int = 0) -> tuple[Any, Any]:
    """All training inputs as the model reads them, and the targets."""
    found = spec(name, variant)
    task = choose_task(found, data)
    examples = task.draw(found.ham, data, "train", torch.Generator().manual_seed(seed))
    assert isinstance(examples, Examples)
    return task.prepare(found.ham, data, examples.inputs), examples.targets


def test_half_of_the_elements_are_zeroed_and_others_in_the_next_epoch(data: dict[str, Data]) -> None:
    inputs, targets = drawn("vector", None, data["digits"])
    assert torch.equal(inputs[inputs != 0], targets[inputs != 0])
    changed = (inputs != targets).sum(1)
    assert changed.max() == 32  # no pixel is 0 before: the data are normalized
    assert changed.min() == 32
    again, _ = drawn("vector", None, data["digits"], seed=1)
    assert not torch.equal(inputs, again)


def test_the_targets_of_patches_are_laid_out_as_the_patches_are_read(data: dict[str, Data]) -> None:
    digits = data["digits"]
    assert isinstance(digits, Images)
    _, targets = drawn("patches", None, digits)
    normalized = digits.normalized(digits.train.inputs)
    for row, column, h, w in itertools.product(range(4), range(4), range(2), range(2)):
        pixels = normalized[:, 0, 2 * row + h, 2 * column + w]
        assert torch.equal(targets[:, 4 * row + column, 2 * h + w], pixels)


def test_windows_ask_for_every_byte_but_the_first_once() -> None:
    tokens = torch.arange(100, dtype=torch.uint8)
    text = Text(name="t", variants=("text",), train=tokens, test=tokens)
    inputs, targets = drawn("bytes", None, text)
    assert inputs.tolist() == [list(range(start, start + 12)) for start in range(0, 85, 12)]
    assert targets.flatten().tolist() == list(range(1, 97))
    assert inputs.dtype == torch.int64


@pytest.mark.parametrize("variant", [None, "most", "flat"])
def test_a_list_has_one_vector_of_the_query_s_class(data: dict[str, Data], variant: str | None) -> None:
    lists = data["digits-retrieval"]
    inputs, targets = drawn("matching", variant, lists)
    assert isinstance(lists, Lists)
    vectors = cast("list[list[float]]", lists.train.inputs.tolist())
    numbers = cast("list[int]", lists.train.targets.tolist())
    labels = dict(zip(map(tuple, vectors), numbers, strict=True))
    classes = np.array([[labels[tuple(vector)] for vector in row] for row in inputs[:300].tolist()])
    assert np.array_equal(classes[:, 1:] == classes[:, :1], targets[:300].numpy() == 1)
    assert all(len(set(row[1:])) == inputs.shape[1] - 1 for row in classes)
    assert not (inputs[:, 1:] == inputs[:, :1]).all(2).any()  # never the query itself
    assert targets.sum(0).min() > 0.5 * len(inputs) / targets.shape[1]


def test_a_score_for_the_query_itself_counts_for_nothing(data: dict[str, Data]) -> None:
    _, targets = drawn("matching", None, data["digits-retrieval"])
    task, others = TASKS["retrieval"], torch.randn(len(targets), 3, generator=torch.Generator().manual_seed(0))
    scores = torch.cat([torch.full((len(targets), 1), 100.0), others], 1)
    assert torch.equal(task.loss(scores[..., None], targets), task.loss(others, targets))
    lists = data["digits-retrieval"]
    assert task.measure(lists, scores, targets)["accuracy"][0] == task.measure(lists, others, targets)["accuracy"][0]


def test_the_relative_error_of_answering_the_mean_is_one(data: dict[str, Data]) -> None:
    _, targets = drawn("vector", None, data["digits"])
    error, size = TASKS["reconstruction"].measure(data["digits"], torch.zeros_like(targets), targets)["relative_error"]
    assert error / size == 1


def test_images_are_normalized_when_they_are_read(data: dict[str, Data]) -> None:
    digits, flat = data["digits"], spec("vector", "digits")
    assert isinstance(digits, Images)
    inputs, targets = drawn("vector", "digits", digits)
    assert inputs.shape == (1437, 64)
    assert abs(inputs.mean().item()) < 1e-5
    assert abs(inputs.std().item() - 1) < 1e-5
    assert torch.equal(targets, digits.train.targets)
    first = first_inputs(TASKS["classification"], flat, digits, 5)
    assert torch.equal(first, digits.normalized(digits.test.inputs[:5]).flatten(1))


def test_half_of_the_elements_are_zeroed_alike_however_many_are_read_at_once(
    data: dict[str, Data], monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, targets = drawn("vector", None, data["digits"])
    monkeypatch.setattr("hopgraph.train.tasks.CHUNK", 100)
    found, clean = drawn("vector", None, data["digits"])
    assert torch.equal(inputs, found)
    assert torch.equal(targets, clean)


# --- losses and measures ----------------------------------------------------------------------------------------------


def test_classes_may_be_numbers_or_probabilities(data: dict[str, Data]) -> None:
    task, outputs = TASKS["classification"], torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    numbers = torch.tensor([0, 1, 2, 3, 0, 1])
    shares = torch.eye(4)[numbers]
    assert task.loss(outputs, shares).allclose(task.loss(outputs, numbers))
    assert task.measure(data["digits"], outputs, shares)["accuracy"] == task.measure(data["digits"], outputs, numbers)["accuracy"]
    mixed = 0.25 * shares + 0.75 * shares.flip(0)
    assert task.loss(outputs, mixed).allclose(0.25 * task.loss(outputs, shares) + 0.75 * task.loss(outputs, shares.flip(0)))
    assert task.measure(data["digits"], outputs, mixed) == task.measure(data["digits"], outputs, numbers.flip(0))


@pytest.mark.parametrize("case", ["classification of a tensor", "language", "retrieval"])
def test_smoothing_mixes_the_targets_with_all_classes_alike(case: str) -> None:
    task, outputs = TASKS[CASES[case][3]], torch.randn(5, 3, 7, generator=torch.Generator().manual_seed(0))
    outputs = outputs if case == "language" else outputs[:, 0]
    targets = torch.arange(15).reshape(5, 3) % 7 if case == "language" else torch.arange(5)
    targets = torch.eye(7)[targets] if case == "retrieval" else targets
    uniform = -outputs.log_softmax(-1).mean()
    assert task.loss(outputs, targets, 0.1).allclose(0.9 * task.loss(outputs, targets) + 0.1 * uniform)


def test_a_text_of_a_larger_vocabulary_has_tokens(data: dict[str, Data], tmp_path: Path) -> None:
    found = spec("bytes", settings=("dims.V=300",))
    tokens = fit_data(found, data["text"])
    assert isinstance(tokens, Text)
    assert tokens.vocabulary == 300
    assert fit_data(found, tokens) is tokens
    assert fit_data(spec("bytes", "text"), data["text"]) is data["text"]
    assert fit_data(found, data["digits"]) is data["digits"]
    recipe = Recipe(epochs=6, optimizer=Optimizer(learning_rate=5e-3))
    record = train(found, data["text"], recipe, tmp_path / "run")
    assert list(record.test) == ["nats_per_byte", "nats_per_token", "accuracy"]
    assert record.test["nats_per_byte"] < record.test["nats_per_token"] / 2
    assert record.test["nats_per_byte"] < 1.5
    assert (tmp_path / "run" / "tokenizer.json").read_text(encoding="utf-8") == tokens.files["tokenizer.json"]


def test_nats_per_byte_are_the_nats_of_all_tokens_over_their_bytes(data: dict[str, Data]) -> None:
    tokens = fit_data(spec("bytes", settings=("dims.V=300",)), data["text"])
    assert isinstance(tokens, Text)
    assert tokens.lengths is not None
    targets = tokens.train[:24].reshape(2, 12)
    sums = TASKS["language"].measure(tokens, torch.zeros(2, 12, 300), targets)
    nats, size = sums["nats_per_byte"]
    assert float(nats) == pytest.approx(24 * np.log(300), rel=1e-5)
    assert int(size) == int(tokens.lengths[tokens.train[:24].long()].sum())
    assert sums["nats_per_token"] == (nats, 24)


def test_a_recipe_asks_for_what_the_task_can_do(data: dict[str, Data]) -> None:
    require_recipe(TASKS["classification"], data["digits"], Recipe(augment=Augment(flip=0.5), label_smoothing=0.1))
    require_recipe(TASKS["language"], data["text"], Recipe(label_smoothing=0.1))
    with pytest.raises(HopgraphError, match="the recipe's `augment` has no meaning for language, the task with"):
        require_recipe(TASKS["language"], data["text"], Recipe(augment=Augment(flip=0.5)))
    with pytest.raises(HopgraphError, match="the recipe's `label_smoothing` has no meaning for reconstruction, the task with `digits`"):
        require_recipe(TASKS["reconstruction"], data["digits"], Recipe(label_smoothing=0.1))


# --- what does not fit ------------------------------------------------------------------------------------------------


def fits(found: Callable[[], CheckedSpec], source: str, content: bytes | None = None) -> Callable[[], object]:
    def case() -> object:
        if content is not None:
            Path(source).write_bytes(content)
        return choose_task(found(), fit_data(found(), load_data(source)))

    return case


LONG = b"all work and no play " * 100

MISFITS: dict[str, Callable[[], object]] = {
    "text-missing": fits(lambda: spec("bytes"), "none.txt"),
    "text-empty": fits(lambda: spec("bytes"), "empty.txt", b""),
    "text-short": fits(lambda: spec("bytes", "text"), "short.md", b"x" * 120),
    "text-vocabulary": fits(lambda: spec("bytes", settings=("dims.V=64",)), "text.txt", LONG),
    "text-outputs-of-tokens": fits(
        lambda: spec("bytes", settings=("dims.V=300", "readout=[{linear: {out: 256, axis: v}}]")), "text.txt", LONG
    ),
    "text-outputs": fits(lambda: spec("bytes", settings=("readout=[{mean: n}, {linear: 256}]",)), "text.txt", LONG),
    "text-for-images": fits(lambda: spec("normed"), "text.txt", LONG),
    "images-for-language": fits(lambda: spec("bytes"), "digits"),
    "images-of-another-shape": fits(lambda: spec("normed", settings=("dims.side=16",)), "digits"),
    "images-of-another-size": fits(lambda: spec("matching", "retrieval"), "digits"),
    "images-of-other-classes": fits(lambda: spec("normed", "digits", ("dims.classes=7",)), "digits"),
    "lists-for-images": fits(lambda: spec("normed"), "digits-retrieval"),
    "lists-too-long": fits(lambda: spec("matching", settings=("dims.n=12",)), "digits-retrieval"),
    "lists-of-other-vectors": fits(lambda: spec("vector"), "digits-retrieval"),
    "lists-without-scores": fits(lambda: spec("matching", settings=("readout=[]",)), "digits-retrieval"),
    "unknown": fits(lambda: spec("vector"), "digit"),
}


@pytest.mark.parametrize("case", MISFITS)
def test_what_does_not_fit_is_told(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, update_goldens: bool) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HopgraphError) as raised:
        MISFITS[case]()
    golden, given = GOLDENS / f"{case}.txt", f"{raised.value}\n"
    if update_goldens:
        golden.write_text(given, encoding="utf-8")
    assert given == golden.read_text(encoding="utf-8")


def test_each_golden_has_its_case() -> None:
    assert sorted(path.stem for path in GOLDENS.glob("*.txt")) == sorted(MISFITS)


def test_a_folder_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "book.txt").mkdir()
    with pytest.raises(HopgraphError, match=r"file-unreadable.*book.txt` cannot be read"):
        load_data(str(tmp_path / "book.txt"))


def test_a_bundle_that_reads_tokens_is_benched(data: dict[str, Data], tmp_path: Path) -> None:
    trained("language", data, tmp_path / "run", epochs=1)
    bundle = export([read_run(tmp_path / "run")], ["onnx"], tmp_path / "bundle")
    measured = measure(candidates([bundle], ["onnxruntime"]), (2,), 1)
    assert [timing.batch for timing in measured.timings] == [2]


# --- compare ----------------------------------------------------------------------------------------------------------


def test_other_tasks_are_compared_too(data: dict[str, Data], tmp_path: Path) -> None:
    specs = {name: spec("bytes", settings=(f"block.synapses.channel.symmetry={name}",)) for name in ("tied", "own")}
    found = compare(Plan(specs, (0,), Recipe(epochs=1), (), "hopgraph compare"), data["text"], tmp_path / "out")
    assert found.task == "language"
    assert found.measured == ("nats_per_byte", "accuracy")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "test nats per byte" in page
    assert "its pulls could not all be tied" in page


def test_variants_of_different_tasks_are_not_compared(data: dict[str, Data], tmp_path: Path) -> None:
    specs = {"classes": spec("vector", "digits"), "images": spec("vector")}
    with pytest.raises(HopgraphError, match="`classes` is trained for classification and `images` for reconstruction"):
        compare(Plan(specs, (0,), Recipe(epochs=1), (), ""), data["digits"], tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_one_example_left_over_joins_the_last_batch(tmp_path: Path, digits: Images) -> None:
    settings = ("encoder=[{conv: {channels: 6, kernel: 8, axes: [c, r, w]}}, {batch_norm: {per: c}}]", "block.axes.r=1", "block.axes.w=1")
    train(spec("normed", settings=settings), digits, Recipe(epochs=1, batch_size=359), tmp_path / "run")  # 1437 = 4 * 359 + 1


def test_a_classifier_keeps_its_labels_and_others_have_none(data: dict[str, Data], tmp_path: Path) -> None:
    small = hopgraph.load("paramixer", "digits", SMALL)
    assert train(small, data["digits"], Recipe(epochs=1), tmp_path / "a").labels == tuple("0123456789")
    assert trained("reconstruction of a tensor", data, tmp_path / "b", epochs=1).labels == ()
