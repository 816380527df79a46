"""Texts as models read them: bytes, byte pairs, tokens; and what is told of those that cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hopgraph.runtime import BundleError, Manifest
from hopgraph.runtime.answers import inputs_of
from hopgraph.runtime.sources import items, reader_of
from hopgraph.runtime.text import LARGEST, Tokens, window
from hopgraph.train.data.tokens import train_tokenizer
from tests.runtime.toys import LENGTH, SPEAKER, manifest_of, port

TEXT = "Grüße: the cat, the hat and the café. " * 20


def tokens_of(folder: Path, manifest: Manifest, given: object) -> NDArray[Any]:
    (item,) = items(reader_of(folder, manifest), given)
    return item.read()


def refused(folder: Path, manifest: Manifest, given: object) -> BundleError:
    with pytest.raises(BundleError) as caught:
        tokens_of(folder, manifest, given)
    return caught.value


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    """The folder of a bundle with a tokenizer of 300 tokens, and its manifest."""
    folder = tmp_path_factory.mktemp("pairs")
    (folder / "tokenizer.json").write_text(train_tokenizer([TEXT], 300).to_str(), encoding="utf-8")
    return folder, manifest_of(port("tokens", LENGTH, vocabulary=300), (LENGTH, 300), tokenizer="tokenizer.json")


def test_a_text_is_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("Grüße\n", encoding="utf-8")
    wanted = list("Grüße\n".encode())
    assert tokens_of(tmp_path, SPEAKER, "Grüße\n").tolist() == wanted
    assert tokens_of(tmp_path, SPEAKER, "Grüße\n".encode()).tolist() == wanted
    assert tokens_of(tmp_path, SPEAKER, tmp_path / "text.txt").tolist() == wanted
    assert tokens_of(tmp_path, SPEAKER, np.array(wanted, np.int32)).tolist() == wanted
    assert tokens_of(tmp_path, SPEAKER, "a").dtype == np.int64


def test_a_text_is_the_tokens_of_the_bundles_tokenizer(pairs: tuple[Path, Manifest]) -> None:
    folder, manifest = pairs
    found = tokens_of(folder, manifest, TEXT)
    assert len(found) < len(TEXT.encode()) / 2
    reader = reader_of(folder, manifest)
    assert isinstance(reader, Tokens)
    assert reader.text(int(tokens_of(folder, manifest, "the")[0])) in ("t", "th", "the")
    assert "".join(reader.text(int(token)) for token in tokens_of(folder, manifest, "the cat")) == "the cat"
    assert reader.text(299) is not None


def test_what_a_byte_stands_for(tmp_path: Path) -> None:
    reader = reader_of(tmp_path, SPEAKER)
    assert isinstance(reader, Tokens)
    assert [reader.text(token) for token in (65, 0xC3, 10)] == ["A", "\N{REPLACEMENT CHARACTER}", "\n"]


def test_the_window_is_the_last_of_the_tokens() -> None:
    assert window(np.arange(10), 4).tolist() == [6, 7, 8, 9]
    assert window(np.arange(1, 3), 4).tolist() == [1, 2, 0, 0]
    assert window(np.arange(4), 4).tolist() == [0, 1, 2, 3]


def test_texts_of_any_length_are_one_batch(tmp_path: Path) -> None:
    found = inputs_of(tmp_path, SPEAKER, ["ab", "abcdefghij"])
    assert found.tolist() == [[97, 98, *[0] * 6], list(b"cdefghij")]


def test_arrays_hold_one_text_or_several(tmp_path: Path) -> None:
    np.save(tmp_path / "texts.npy", np.array([[1, 2, 3], [4, 5, 6]], np.uint16))
    found = list(items(reader_of(tmp_path, SPEAKER), tmp_path / "texts.npy"))
    assert [item.name for item in found] == [f"{tmp_path / 'texts.npy'}[0]", f"{tmp_path / 'texts.npy'}[1]"]
    assert [item.read().tolist() for item in found] == [[1, 2, 3], [4, 5, 6]]


def test_texts_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes("Grüße".encode("latin-1"))
    error = refused(tmp_path, SPEAKER, tmp_path / "latin.txt")
    assert (error.code, "not UTF-8" in error.message, "byte 2" in error.message) == ("file-unreadable", True, True)
    (tmp_path / "empty.txt").touch()
    assert "has no tokens" in refused(tmp_path, SPEAKER, tmp_path / "empty.txt").message
    assert refused(tmp_path, SPEAKER, tmp_path / "none.txt").code == "file-missing"
    assert refused(tmp_path, SPEAKER, "\ud800").code == "file-unreadable"
    with (tmp_path / "long.txt").open("wb") as stream:
        stream.truncate(LARGEST + 1)
    assert f"more than {LARGEST:,} bytes" in refused(tmp_path, SPEAKER, tmp_path / "long.txt").message


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (np.array([3, 256]), "the token 256, and the model's are 0 to 255"),
        (np.array([-1, 3]), "the token -1"),
        (np.array([2**64 - 1], np.uint64), "the token 18446744073709551615"),
        (np.array([0.5]), "holds float64 of 1 dimensions"),
        (np.zeros((1, 1, 1), np.int64), "of 3 dimensions"),
        (np.zeros(0, np.int64), "has no tokens"),
    ],
)
def test_tokens_that_the_model_does_not_have(tmp_path: Path, tokens: NDArray[Any], words: str) -> None:
    error = refused(tmp_path, SPEAKER, tokens)
    assert error.code == "input-invalid"
    assert words in error.message


def test_a_text_needs_a_tokenizer_where_tokens_are_no_bytes(tmp_path: Path) -> None:
    manifest = manifest_of(port("tokens", LENGTH, vocabulary=1000), (LENGTH, 1000))
    assert "has no tokenizer" in refused(tmp_path, manifest, "text").message
    assert tokens_of(tmp_path, manifest, np.array([999])).tolist() == [999]


def test_a_tokenizer_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    manifest = manifest_of(port("tokens", LENGTH, vocabulary=300), (LENGTH, 300), tokenizer="tokenizer.json")
    assert refused(tmp_path, manifest, "text").code == "bundle-damaged"


def test_the_package_tokenizers_may_be_missing(pairs: tuple[Path, Manifest], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tokenizers", None)
    error = refused(*pairs, "text")
    assert (error.code, "not installed" in error.message) == ("runtime-unavailable", True)
    assert tokens_of(*pairs, np.array([7])).tolist() == [7]
