"""Files, folders and streams of inputs, each read when its turn comes."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hopgraph.runtime import BundleError, Manifest
from hopgraph.runtime.sources import Named, items, lines, reader_of
from hopgraph.runtime.text import LARGEST
from tests.runtime.toys import CLASSIFIER, SPEAKER, manifest_of, port

VECTORS = manifest_of(port("tensor", 2, 3), (2,), mean=(1.0,), std=(2.0,))


def names(manifest_folder: Path, given: object) -> list[str]:
    return [item.name for item in items(reader_of(manifest_folder, CLASSIFIER), given)]


def test_a_folder_is_its_files_in_order(tmp_path: Path) -> None:
    for name in ("b.png", "a.PNG", "inner/c.jpg", "inner/deep/d.npy"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in (".hidden.png", "notes.txt", "inner/README"):
        (tmp_path / name).touch()
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "e.png").touch()
    np.save(tmp_path / "inner" / "deep" / "d.npy", np.zeros((2, 2, 2)))
    inner = tmp_path / "inner"
    wanted = [tmp_path / "a.PNG", tmp_path / "b.png", inner / "c.jpg", f"{inner / 'deep' / 'd.npy'}[0]", f"{inner / 'deep' / 'd.npy'}[1]"]
    assert names(tmp_path, tmp_path) == list(map(str, wanted))


def test_a_folder_without_inputs(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    (item,) = items(reader_of(tmp_path, CLASSIFIER), tmp_path)
    with pytest.raises(BundleError, match=r"no file for the model: their names end in .*\.png") as caught:
        item.read()
    assert caught.value.code == "input-invalid"
    assert [item.name for item in items(reader_of(tmp_path, SPEAKER), tmp_path)] == [str(tmp_path / "notes.txt")]


def test_files_are_read_when_their_turn_comes(tmp_path: Path) -> None:
    found = items(reader_of(tmp_path, CLASSIFIER), tmp_path / "later.png")
    item = next(found)
    Image.new("L", (2, 2)).save(tmp_path / "later.png")
    assert item.read().shape == (1, 2, 2)


def test_a_stream_has_a_path_or_a_text_in_each_line() -> None:
    found = list(lines(BytesIO(b"a.png\n\nwith space.png\r\nlast"), texts=False))
    assert found == [Named("-:1", Path("a.png")), Named("-:3", Path("with space.png")), Named("-:4", Path("last"))]
    texts = list(lines(BytesIO("Grüße\n".encode() + b"\xff\n"), texts=True))
    assert texts == [Named("-:1", "Grüße".encode()), Named("-:2", b"\xff")]
    good, bad = items(reader_of(Path(), SPEAKER), texts)
    assert good.name == "-:1"
    assert good.read().tolist() == list("Grüße".encode())
    with pytest.raises(BundleError, match="`-:2` cannot be read as a text: it is not UTF-8"):
        bad.read()


def test_a_stream_without_lines_and_one_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="a line of more than"):
        list(lines(BytesIO(bytes(LARGEST + 2)), texts=True))

    class Broken(BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            raise IsADirectoryError(21, "Is a directory")

    with pytest.raises(BundleError, match="standard input cannot be read: Is a directory"):
        list(lines(Broken(), texts=True))


def test_a_model_of_any_numbers_reads_arrays(tmp_path: Path) -> None:
    array = np.arange(12.0).reshape(2, 2, 3)
    np.save(tmp_path / "vectors.npy", array)
    found = list(items(reader_of(tmp_path, VECTORS), tmp_path / "vectors.npy"))
    assert np.allclose([item.read() for item in found], (array - 1) / 2)
    (one,) = items(reader_of(tmp_path, VECTORS), array[0].astype(np.int16))
    assert one.read().dtype == np.float32


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((3, 2)), "is 3 x 2, and the model reads 2 x 3 (axis0 x axis1), or several of them"),
        (np.full((2, 3), np.nan), "6 numbers that are not finite"),
        (np.full((2, 3), True), "holds bool"),
        (np.zeros((1, 1, 2, 3)), "is 1 x 1 x 2 x 3"),
    ],
)
def test_arrays_of_another_shape_or_kind(array: np.ndarray, words: str) -> None:
    (item,) = items(reader_of(Path(), VECTORS), array)
    with pytest.raises(BundleError) as caught:
        item.read()
    assert caught.value.code == "input-invalid"
    assert words in caught.value.message


def test_no_other_file_holds_numbers(tmp_path: Path) -> None:
    Image.new("L", (3, 2)).save(tmp_path / "image.png")
    (item,) = items(reader_of(tmp_path, VECTORS), tmp_path / "image.png")
    with pytest.raises(BundleError, match=r"is no \.npy file, and the model reads arrays of 2 x 3"):
        item.read()
    (item,) = items(reader_of(tmp_path, VECTORS), tmp_path / "none.csv")
    with pytest.raises(BundleError, match="there is no file"):
        item.read()


@pytest.mark.parametrize("manifest", [CLASSIFIER, SPEAKER, VECTORS], ids=["images", "texts", "arrays"])
@pytest.mark.parametrize("name", ["a" * 5000, "a\0b", "a" * 5000 + ".npy", "a\0b.npy"], ids=["long", "null", "long array", "null array"])
def test_names_that_no_file_can_have(manifest: Manifest, name: str) -> None:
    (item,) = items(reader_of(Path(), manifest), Path(name))
    with pytest.raises(BundleError):
        item.read()
