"""Data sets of every kind, made small in a folder: what is read of them, and what is said of those that cannot be used."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow
import pyarrow.parquet as arrow_files
import pytest
import torch
from PIL import Image

from hopgraph.errors import HopgraphError
from hopgraph.export.bundle import export
from hopgraph.passes.pipeline import load
from hopgraph.runtime.manifest import Resize as Resized
from hopgraph.train.data import Examples, Feed, Images, Streamed, Text, load_data
from hopgraph.train.data.assembly import histogram, statistics
from hopgraph.train.data.idx import read_array
from hopgraph.train.data.tokens import encode, tokenized
from hopgraph.train.loop import train
from hopgraph.train.recipe import Augment, Recipe, Resize, ResizedCrop
from hopgraph.train.run import read_run
from hopgraph.train.tasks import choose_task, first_inputs, fit_data
from tests.deploy.conftest import SMALL

arrow: Any = pyarrow
parquet_files: Any = arrow_files
GOLDENS = Path(__file__).parents[1] / "golden" / "data"


def drawing(seed: int, size: tuple[int, int] = (6, 5), channels: int = 3) -> np.ndarray:
    """Random bytes [height, width, channels], or [height, width]."""
    shape = size if channels == 1 else (*size, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


def images(path: str) -> Images:
    found = load_data(path)
    assert isinstance(found, Images)
    return found


def channels_first(pixels: Sequence[np.ndarray]) -> torch.Tensor:
    return torch.tensor(np.stack(pixels)).permute(0, 3, 1, 2)


# --- parquet ----------------------------------------------------------------------------------------------------------


def write_table(path: Path, columns: dict[str, Any], names: Sequence[str] = ()) -> None:
    """A parquet file; names of classes are kept where the library `datasets` keeps them."""
    table = arrow.table(columns)
    if names:
        features = {"image": {"_type": "Image"}, "label": {"names": list(names), "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet_files.write_table(table, path)


def write_images(path: Path, pixels: Sequence[np.ndarray], labels: Sequence[int | None], names: Sequence[str] = ()) -> None:
    items = [{"bytes": png(item), "path": None} for item in pixels]
    kind = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    write_table(path, {"image": arrow.array(items, kind), "label": arrow.array(labels, arrow.int64())}, names)


def test_parquet_files_are_read_as_they_are(tmp_path: Path) -> None:
    pixels = [drawing(seed) for seed in range(7)]
    write_images(tmp_path / "a.parquet", pixels[:4], [0, 1, 1, 2], ("cat", "dog", "hen"))
    write_images(tmp_path / "b.parquet", pixels[4:], [2, 0, 1])
    name = f"{tmp_path / 'a.parquet'},{tmp_path / 'b.parquet'}"
    found = images(name)
    assert torch.equal(found.train.inputs, channels_first(pixels[:4]))
    assert torch.equal(found.test.inputs, channels_first(pixels[4:]))
    assert found.train.inputs.dtype == torch.uint8
    assert found.train.targets.tolist() == [0, 1, 1, 2]
    assert found.test.targets.tolist() == [2, 0, 1]
    assert (found.name, found.shape, found.labels) == (name, (3, 6, 5), ("cat", "dog", "hen"))


@pytest.mark.parametrize("test", ["test-00000-of-00001.parquet", "validation-00000.parquet"])
def test_a_folder_of_parquet_files_has_its_parts_by_name(tmp_path: Path, test: str) -> None:
    pixels = [drawing(seed) for seed in range(6)]
    write_images(tmp_path / "data" / "train-00000-of-00002.parquet", pixels[:2], [0, 1])
    write_images(tmp_path / "data" / "train-00001-of-00002.parquet", pixels[2:4], [1, 2])
    write_images(tmp_path / "data" / test, pixels[4:], [0, 2])
    write_images(tmp_path / ".cache" / "train-00000-of-00002.parquet", pixels[:1], [0])
    found = images(str(tmp_path))
    assert torch.equal(found.train.inputs, channels_first(pixels[:4]))
    assert found.test.targets.tolist() == [0, 2]
    assert found.labels == ("0", "1", "2")


def test_one_part_is_split_by_class_the_same_each_time(tmp_path: Path) -> None:
    pixels = [drawing(seed) for seed in range(40)]
    write_images(tmp_path / "all.parquet", pixels, [0, 1] * 10 + [0] * 20)
    first, again = (images(str(tmp_path / "all.parquet")) for _ in range(2))
    assert torch.equal(first.test.inputs, again.test.inputs)
    assert first.test.targets.bincount().tolist() == [6, 2]
    both = {item.numpy().tobytes() for part in (first.train, first.test) for item in part.inputs}
    assert len(both) == 40


def test_images_by_path_and_columns_by_other_names(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for seed in range(10):
        (tmp_path / "pictures" / f"{seed}.png").write_bytes(png(drawing(seed)))
    items = [{"bytes": None, "path": f"pictures/{seed}.png"} for seed in range(10)]
    write_table(tmp_path / "x.parquet", {"img": items, "coarse_label": [0] * 10, "fine_label": [0, 1] * 5})
    assert images(str(tmp_path / "x.parquet")).labels == ("0", "1")
    write_table(tmp_path / "y.parquet", {"picture": [png(drawing(seed)) for seed in range(10)], "kind": [0, 1] * 5, "name": ["x"] * 10})
    assert images(str(tmp_path / "y.parquet")).labels == ("0", "1")


def test_grey_images_have_one_channel_and_three_where_one_has_colour(tmp_path: Path) -> None:
    grey = [drawing(seed, channels=1) for seed in range(4)]
    write_images(tmp_path / "grey.parquet", grey, [0, 1, 0, 1])
    write_images(tmp_path / "test.parquet", grey[:1], [0])
    found = images(f"{tmp_path / 'grey.parquet'},{tmp_path / 'test.parquet'}")
    assert torch.equal(found.train.inputs, torch.tensor(np.stack(grey))[:, None])
    write_images(tmp_path / "both.parquet", [*grey, *map(drawing, range(4))], [0, 1] * 4)
    assert images(str(tmp_path / "both.parquet")).shape == (3, 6, 5)


def test_large_images_are_decoded_by_threads_in_their_order(tmp_path: Path) -> None:
    levels = range(0, 250, 25)
    pixels = [np.full((100, 100), level, dtype=np.uint8) for level in levels]
    write_images(tmp_path / "a.parquet", pixels, [0] * 10)
    write_images(tmp_path / "b.parquet", pixels[:1], [0])
    found = images(f"{tmp_path / 'a.parquet'},{tmp_path / 'b.parquet'}")
    assert found.train.inputs[:, 0, 3, 7].tolist() == list(levels)


def test_more_images_than_memory_may_hold_stay_encoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(tmp_path / "a.parquet", [drawing(seed) for seed in range(10)], [0, 1] * 5)
    monkeypatch.setattr("hopgraph.train.data.memory.memory", lambda: 2 * 899)
    assert isinstance(load_data(str(tmp_path / "a.parquet")), Streamed)
    monkeypatch.setattr("hopgraph.train.data.memory.memory", lambda: 2 * 900)
    assert len(images(str(tmp_path / "a.parquet")).train) == 8


# --- the hub ----------------------------------------------------------------------------------------------------------


def test_a_data_set_of_the_hub_is_read_like_its_files(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    library: Any = datasets
    features = library.Features({"image": library.Image(), "label": library.ClassLabel(names=["cat", "dog"])})
    pixels = [drawing(seed) for seed in range(6)]

    def part(numbers: range, name: str) -> Any:
        rows = {"image": [{"bytes": png(pixels[n]), "path": None} for n in numbers], "label": [n % 2 for n in numbers]}
        return library.Dataset.from_dict(rows, features=features, split=library.Split(name))

    asked: list[object] = []

    def loads(*words: object) -> Any:
        asked.append(words)
        return library.DatasetDict({"train": part(range(4), "train"), "test": part(range(4, 6), "test")})

    def reached(*_: object, **__: object) -> None:
        pass

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", reached)
    monkeypatch.setattr(datasets, "load_dataset", loads)
    found = images("hf:somebody/pets:small")
    assert asked == [("somebody/pets", "small")]
    assert torch.equal(found.train.inputs, channels_first(pixels[:4]))
    assert found.test.targets.tolist() == [0, 1]
    assert found.labels == ("cat", "dog")


# --- folders of images ------------------------------------------------------------------------------------------------


def write_folder(folder: Path, classes: dict[str, int], size: tuple[int, int] = (6, 5)) -> None:
    for name, count in classes.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            (folder / name / f"{number}.png").write_bytes(png(drawing(number, size)))


def test_subfolders_are_classes(tmp_path: Path) -> None:
    write_folder(tmp_path / "train", {"dog": 3, "cat": 2, "empty": 0})
    write_folder(tmp_path / "val", {"dog": 1})
    (tmp_path / "train" / "cat" / "notes.txt").write_text("no image")
    found = images(str(tmp_path))
    assert found.labels == ("cat", "dog")
    assert found.train.targets.tolist() == [0, 0, 1, 1, 1]
    assert found.test.targets.tolist() == [1]
    assert torch.equal(found.train.inputs[2:], channels_first([drawing(seed) for seed in range(3)]))


@pytest.mark.parametrize("inner", ["", "train"])
def test_a_folder_without_a_test_is_split(tmp_path: Path, inner: str) -> None:
    write_folder(tmp_path / inner, {"a": 10, "b": 5})
    found = images(str(tmp_path))
    assert (len(found.train), found.test.targets.tolist()) == (12, [0, 0, 1])


# --- IDX --------------------------------------------------------------------------------------------------------------


def idx(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + b"".join(size.to_bytes(4, "big") for size in array.shape) + array.tobytes()


def write_idx(folder: Path, packed: bool = False) -> None:
    for part, count in (("train", 6), ("t10k", 3)):
        pixels = drawing(count, (count, 20), 1).reshape(count, 5, 4)
        labels = (np.arange(count) % 3).astype(np.uint8)
        for name, array in ((f"{part}-images-idx3-ubyte", pixels), (f"{part}-labels-idx1-ubyte", labels)):
            content = idx(array)
            (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(content) if packed else content)


@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_are_read_packed_or_not(tmp_path: Path, packed: bool) -> None:
    write_idx(tmp_path, packed)
    found = images(str(tmp_path))
    assert found.shape == (1, 5, 4)
    assert np.array_equal(found.train.inputs[:, 0].numpy(), drawing(6, (6, 20), 1).reshape(6, 5, 4))
    assert found.test.targets.tolist() == [0, 1, 2]
    assert found.labels == ("0", "1", "2")


@pytest.mark.parametrize("cut", range(0, 36, 3))
def test_an_idx_file_that_ends_early_is_refused_wherever_it_ends(tmp_path: Path, cut: int) -> None:
    (tmp_path / "x").write_bytes(idx(drawing(0, (4, 5), 1).reshape(1, 4, 5))[:cut])
    with pytest.raises(HopgraphError, match="data-invalid"):
        read_array(tmp_path / "x", 3)


# --- texts ------------------------------------------------------------------------------------------------------------

RHYME = "one two three four five six seven, all good children go to heaven. Größe: 5 µm, naïve café!\n"


def text(path: Path | str) -> Text:
    found = load_data(str(path))
    assert isinstance(found, Text)
    return found


def test_two_texts_are_training_and_validation(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one two")
    (tmp_path / "b.md").write_bytes(b"three")
    found = text(f"{tmp_path / 'a.txt'},{tmp_path / 'b.md'}")
    assert (bytes(found.train.numpy()), bytes(found.test.numpy())) == (b"one two", b"three")


def test_tokens_are_the_text_again_and_their_lengths_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(RHYME * 100, encoding="utf-8")
    given = text(tmp_path / "a.txt")
    found = tokenized(given, 300)
    tokenizer = tokenizer_of(found)
    parts = (tokenizer.decode(part.tolist()) for part in (found.train, found.test))
    assert [part.encode() for part in parts] == [bytes(part.numpy()) for part in (given.train, given.test)]
    assert found.lengths is not None
    assert int(found.lengths[found.train.long()].sum()) == len(given.train)
    assert len(found.train) < len(given.train) / 2
    assert found.vocabulary == 300
    assert int(found.train.max()) < 300


def tokenizer_of(data: Text) -> Any:
    from tokenizers import Tokenizer

    return cast("Any", Tokenizer).from_str(data.files["tokenizer.json"])


def test_a_tokenizer_reads_every_character_that_it_was_not_trained_on(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("abc " * 100, encoding="utf-8")
    tokenizer = tokenizer_of(tokenized(text(tmp_path / "a.txt"), 260))
    for other in ("Öl\t\r\n  日本 \U0001f600", "\x00\x7f"):
        assert tokenizer.decode(encode(tokenizer, [other]).tolist()) == other


@pytest.mark.parametrize("cut", range(12))
def test_a_character_that_the_cut_divides_is_in_no_part(tmp_path: Path, cut: int) -> None:
    content = ("aµ日\U0001f600" * 40).encode()
    (tmp_path / "a.txt").write_bytes(content[: 300 + cut])
    (tmp_path / "b.txt").write_bytes(content[300 + cut :])
    found = tokenized(text(f"{tmp_path / 'a.txt'},{tmp_path / 'b.txt'}"), 280)
    tokenizer = tokenizer_of(found)
    whole = "".join(tokenizer.decode(part.tolist()) for part in (found.train, found.test)).encode()
    assert len(content) - len(whole) in (0, 2, 3, 4)
    assert content.startswith(tokenizer.decode(found.train.tolist()).encode())
    assert content.endswith(tokenizer.decode(found.test.tolist()).encode())


def test_a_text_of_many_pieces_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hopgraph.train.data.tokens.PIECE", 50)
    (tmp_path / "a.txt").write_text(RHYME * 7 + "no end of line " * 30, encoding="utf-8")
    found = tokenized(text(tmp_path / "a.txt"), 270)
    decoded = tokenizer_of(found).decode(found.train.tolist())
    assert (RHYME * 7 + "no end of line " * 30).startswith(decoded)


# --- what is common to all --------------------------------------------------------------------------------------------


def test_statistics_are_those_of_the_pixels() -> None:
    pixels = torch.tensor(drawing(0, (50, 120)).reshape(50, 3, 8, 15))
    pixels[:, 2] = 51
    mean, std = statistics(histogram(Examples(pixels, torch.zeros(50))))
    numbers = pixels.double() / 255
    assert torch.tensor(mean).allclose(numbers.mean((0, 2, 3)).float())
    assert torch.tensor(std[:2]).allclose(numbers[:, :2].std((0, 2, 3), correction=0).float())
    assert std[2] == 1


def test_images_are_normalized_from_bytes_and_from_numbers_alike(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 20, "b": 20})
    found = images(str(tmp_path))
    normalized = found.normalized(found.train.inputs)
    assert torch.equal(normalized, found.normalized(found.train.inputs.float() / 255))
    assert normalized.mean((0, 2, 3)).abs().max() < 1e-5
    assert (normalized.std((0, 2, 3)) - 1).abs().max() < 1e-3


@pytest.mark.parametrize("most", [0, 2**20])
def test_a_feed_gives_the_examples_that_are_asked_for(most: int) -> None:
    examples = Examples(torch.arange(24, dtype=torch.uint8).reshape(6, 4), torch.arange(6))
    feed = Feed(examples, torch.device("cpu"), most)
    batch, other = feed.batches((torch.tensor(rows), None) for rows in ([4, 0, 4], [1]))
    assert other.targets.tolist() == [1]
    assert (len(feed), examples.bytes) == (6, 24 + 48)
    assert batch.targets.tolist() == [4, 0, 4]
    assert batch.inputs[:, 0].tolist() == [16, 0, 16]


@pytest.mark.gpu
@pytest.mark.parametrize("most", [0, 2**20])
def test_a_feed_moves_batches_to_the_gpu(most: int) -> None:
    examples = Examples(torch.arange(24, dtype=torch.uint8).reshape(6, 4), torch.arange(6))
    feed = Feed(examples, torch.device("cuda:0"), most)
    assert isinstance(feed.examples, Examples)
    assert feed.examples.inputs.is_cuda == (most > 0)
    (batch,) = feed.batches([(torch.tensor([4, 0]), None)])
    assert batch.inputs.is_cuda
    assert batch.targets.tolist() == [4, 0]


def test_a_model_of_image_files_predicts_what_it_was_trained_on(tmp_path: Path) -> None:
    """The statistics of the training split travel from the data to the bundle: an image has the same probability there."""
    for name, level in (("dark", 40), ("light", 200)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for seed in range(30):
            pixels = (drawing(seed, (8, 8), 1) // 6 + level).astype(np.uint8)
            (tmp_path / "data" / name / f"{seed}.png").write_bytes(png(pixels))
    data, spec = images(str(tmp_path / "data")), load("paramixer", "digits", ["dims.classes=2", *SMALL])
    record = train(spec, data, Recipe(epochs=3, batch_size=16), tmp_path / "run")
    assert record.test["accuracy"] == 1
    assert record.labels == ("dark", "light")
    bundle = export([read_run(tmp_path / "run")], ["onnx"], tmp_path / "bundle")
    assert (bundle.manifest.mean, bundle.manifest.std) == (data.mean, data.std)
    files = [tmp_path / "data" / name / "7.png" for name in data.labels]
    inputs = torch.tensor(np.stack([np.asarray(Image.open(file)) for file in files]))[:, None]
    expected = read_run(tmp_path / "run").model(data.normalized(inputs)).detach().numpy()
    assert np.allclose(bundle.predict(files), expected, atol=1e-5)
    assert expected.argmax(1).tolist() == [0, 1]


def test_a_bundle_is_tested_with_images_as_the_run_had_them_resized(tmp_path: Path) -> None:
    for part, count in (("train", 20), ("test", 7)):
        pixels = [drawing(seed, (9 + seed % 3, 12 - seed % 4)) for seed in range(count)]
        write_images(tmp_path / "data" / f"{part}.parquet", pixels, [seed % 2 for seed in range(count)])
    data, spec = load_data(str(tmp_path / "data")), load("paramixer", "digits", ["dims.classes=2", "dims.colors=3", *SMALL])
    recipe = Recipe(epochs=1, batch_size=16, resize=Resize(centre=0.9), augment=Augment(resized_crop=ResizedCrop()))
    record = train(spec, data, recipe, tmp_path / "run")
    bundle = export([read_run(tmp_path / "run")], ["onnx"], tmp_path / "bundle", data=data)
    (form,) = (form for form in bundle.manifest.forms if form.exporter == "onnx")
    assert [parity.test for parity in form.parity.values()] == [record.test]
    assert bundle.manifest.resize == Resized(0.9, "bicubic")
    pixels = [drawing(seed, (9 + seed % 3, 12 - seed % 4)) for seed in range(3)]
    given = [Image.fromarray(pixel) for pixel in pixels]
    fitted = fit_data(spec, data, recipe)
    seen = first_inputs(choose_task(spec, fitted), spec, fitted, 3).numpy()
    assert np.array_equal(bundle.predict(given), bundle.session()(seen))


def test_what_is_heavy_is_imported_only_where_it_is_needed() -> None:
    heavy = ["datasets", "kornia", "pandas", "pyarrow", "sklearn", "tokenizers"]
    code = "import hopgraph.train.data, hopgraph.train.data.augment, hopgraph.train.tasks, sys"
    done = subprocess.run([sys.executable, "-c", f"{code}; print([name for name in {heavy} if name in sys.modules])"], capture_output=True)
    assert done.stdout.decode().strip() == "[]"


# --- what cannot be used ----------------------------------------------------------------------------------------------


def parquet(**change: Any) -> Callable[[], str]:
    """A parquet file of five images, with a column changed."""

    def case() -> str:
        columns: dict[str, Any] = {"image": [{"bytes": png(drawing(seed)), "path": None} for seed in range(5)], "label": [0, 1, 0, 1, 0]}
        columns |= {name: value for name, value in change.items() if name != "names"}
        kept = {name: value for name, value in columns.items() if value is not None}
        write_table(Path("x.parquet"), kept, change.get("names", ()))
        return "x.parquet"

    return case


def parts(train: Sequence[int], test: Sequence[int], names: Sequence[str] = (), size: tuple[int, int] = (6, 5)) -> Callable[[], str]:
    """Two parquet files with these labels, the second of images of a size."""

    def case() -> str:
        write_images(Path("a.parquet"), [drawing(seed) for seed in range(len(train))], train, names)
        write_images(Path("b.parquet"), [drawing(seed, size) for seed in range(len(test))], test)
        return "a.parquet,b.parquet"

    return case


def with_idx(file: str, change: Callable[[bytes], bytes | None], packed: bool = False) -> Callable[[], str]:
    """A folder of IDX files, one of them changed."""

    def case() -> str:
        folder = Path("idx")
        folder.mkdir()
        write_idx(folder, packed)
        content = change((folder / file).read_bytes())
        (folder / file).unlink()
        if content is not None:
            (folder / file).write_bytes(content)
        return "idx"

    return case


def with_empty_idx() -> str:
    """A folder of IDX files without images for the test."""
    name = with_idx("t10k-images-idx3-ubyte", lambda content: idx(np.zeros((0, 5, 4), dtype=np.uint8)))()
    (Path(name) / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(0, dtype=np.uint8)))
    return name


def folder(*classes: dict[str, int], names: Sequence[str] = ("train", "test"), spoilt: str = "") -> Callable[[], str]:
    def case() -> str:
        Path("pictures").mkdir()
        for name, found in zip(names, classes, strict=False):
            write_folder(Path("pictures") / name, found)
        if spoilt:
            (Path("pictures") / spoilt).write_bytes(b"no image")
        return "pictures"

    return case


def written(name: str, content: bytes) -> Callable[[], str]:
    def case() -> str:
        Path(name).write_bytes(content)
        return name

    return case


def hub(error: Exception) -> Callable[[], str]:
    def case() -> str:
        def fails(*_: object, **__: object) -> None:
            raise error

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("huggingface_hub.HfApi.dataset_info", fails)
            load_data("hf:somebody/pets")
        return ""

    return case


def items(**changes: Any) -> list[dict[str, Any]]:
    """Five images as the column holds them, that in row 3 changed."""
    found = [{"bytes": png(drawing(seed)), "path": None} for seed in range(5)]
    return [{**item, **changes} if row == 3 else item for row, item in enumerate(found)]


WIDE = np.arange(30, dtype=np.uint16).reshape(6, 5) * 1000

REFUSALS: dict[str, Callable[[], str]] = {
    "path-missing": lambda: "photographs/none",
    "path-missing-of-two": lambda: "a.csv,b.csv",
    "name-unknown": lambda: "digit",
    "hub-unreachable": hub(ConnectionError("[Errno -2] Name or service not known\nmore")),
    "parquet-missing": lambda: "none.parquet",
    "parquet-garbage": written("x.parquet", b"PAR1 and nothing else"),
    "parquet-without-images": parquet(image=None),
    "parquet-without-labels": parquet(label=None, name=["a", "b", "c", "d", "e"]),
    "parquet-with-several-labels": parquet(label=None, kind=[0] * 5, colour=[0] * 5),
    "parquet-with-several-images": parquet(mask=[b""] * 5),
    "parquet-with-a-corrupt-image": parquet(image=items(bytes=png(drawing(0))[:60])),
    "parquet-with-no-image": parquet(image=items(bytes=b"no image")),
    "parquet-with-no-bytes": parquet(image=items(bytes=None)),
    "parquet-with-a-missing-file": parquet(image=items(bytes=None, path="none.png")),
    "parquet-with-an-image-of-16-bits": parquet(image=items(bytes=png(WIDE))),
    "parquet-with-several-sizes": parquet(image=items(bytes=png(drawing(0, (7, 4))))),
    "parquet-without-a-label-in-a-row": parquet(label=[0, 1, None, 1, 0]),
    "parquet-with-labels-out-of-range": parquet(label=[0, 1, 5, 2, 0], names=("cat", "dog")),
    "parquet-with-negative-labels": parquet(label=[0, 1, -1, 1, 0]),
    "parquet-without-rows": parts([0, 1], []),
    "parquet-too-few-to-split": parquet(label=[0, 1, 2, 3, 4]),
    "parquet-with-a-test-of-other-labels": parts([0, 1], [0, 2]),
    "parquet-with-a-test-of-another-size": parts([0, 1], [0, 1], size=(8, 8)),
    "folder-empty": folder(names=()),
    "folder-flat": folder(spoilt="a.png"),
    "folder-without-images": folder({"cat": 0, "dog": 0}),
    "folder-with-another-class-in-the-test": folder({"cat": 2}, {"cat": 1, "dog": 1}),
    "folder-with-a-corrupt-image": folder({"cat": 2, "dog": 2}, {"cat": 1}, spoilt="train/dog/1.png"),
    "folder-only-of-tests": lambda: (write_images(Path("data/test.parquet"), [drawing(0)], [0]), "data")[1],
    "idx-wrong-magic": with_idx("train-images-idx3-ubyte", lambda content: b"\x00\x00\x0d\x03" + content[4:]),
    "idx-truncated": with_idx("t10k-images-idx3-ubyte", lambda content: content[:-1]),
    "idx-too-long": with_idx("t10k-labels-idx1-ubyte", lambda content: content + b"\x00"),
    "idx-without-sizes": with_idx("train-labels-idx1-ubyte", lambda content: content[:6]),
    "idx-empty": with_empty_idx,
    "idx-without-a-file": with_idx("train-labels-idx1-ubyte", lambda content: None),
    "idx-of-other-labels": with_idx("train-labels-idx1-ubyte", lambda content: idx(np.zeros(5, dtype=np.uint8))),
    "idx-gzip-truncated": with_idx("train-images-idx3-ubyte.gz", lambda content: content[:-9], packed=True),
    "idx-no-gzip": with_idx("train-images-idx3-ubyte.gz", lambda content: b"no gzip", packed=True),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_used_is_told(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, update_goldens: bool) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HopgraphError) as raised:
        choose_task(load("paramixer"), load_data(REFUSALS[case]()))
    golden, given = GOLDENS / f"{case}.txt", f"{raised.value}\n"
    if update_goldens:
        golden.write_text(given, encoding="utf-8")
    assert given == golden.read_text(encoding="utf-8")


def test_each_golden_has_its_case() -> None:
    assert sorted(path.stem for path in GOLDENS.glob("*.txt")) == sorted(REFUSALS)


@pytest.mark.parametrize("content", [b"caf\xe9 au lait " * 200, b"\xff\xfe" * 500])
def test_a_tokenizer_reads_utf_8_only(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(HopgraphError, match=r"data-invalid.*a.txt` is not UTF-8, which a tokenizer reads: .* at byte \d+"):
        tokenized(text(tmp_path / "a.txt"), 300)
