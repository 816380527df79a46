"""A text that is larger than memory may hold is read as one that is in memory."""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import hopgraph
from hopgraph.errors import HopgraphError
from hopgraph.train.data import Text, load_data, tokens
from hopgraph.train.data.texts import MappedText
from hopgraph.train.data.tokens import pieces, tokenized
from hopgraph.train.loop import train

from .conftest import no_memory, recipe, same, weights

VERSE = "Wer reitet so spät durch Nacht und Wind?\n  Es ist der Vater mit seinem Kind;\n\n日本 \U0001f600 50 µg\n"


@pytest.fixture
def book(tmp_path: Path) -> str:
    (tmp_path / "book.txt").write_text(VERSE * 150, encoding="utf-8")
    return str(tmp_path / "book.txt")


def text(name: str) -> Text:
    found = load_data(name)
    assert isinstance(found, Text)
    return found


@pytest.mark.parametrize("vocabulary", [256, 300])
def test_it_trains_to_the_same_weights(tmp_path: Path, book: str, vocabulary: int) -> None:
    spec = hopgraph.load("masked_mixer", "text", ("dims.depth=1", "dims.C=16", f"dims.V={vocabulary}"))
    train(spec, text(book), recipe(epochs=1), tmp_path / "memory")
    with no_memory():
        data = text(book)
        assert isinstance(data, MappedText)
        tokens.tokens_of.cache_clear()
        train(spec, data, recipe(epochs=1), tmp_path / "mapped")
    assert same(weights(tmp_path / "memory"), weights(tmp_path / "mapped"))


def test_two_files_are_mapped_and_sent_to_other_processes_by_their_paths(tmp_path: Path, book: str) -> None:
    (tmp_path / "other.md").write_bytes(b"")
    with no_memory():
        found = text(f"{book},{tmp_path / 'other.md'}")
    packed = pickle.dumps(found)
    again: Text = pickle.loads(packed)  # noqa: S301 (our own)
    assert len(packed) < 1000
    assert torch.equal(again.train, found.train)
    assert bytes(found.train.numpy()) == Path(book).read_bytes()
    assert len(again.test) == 0


def test_writing_to_what_is_mapped_leaves_the_file(book: str) -> None:
    with no_memory():
        found = text(book)
    found.train[:5] = 0
    assert Path(book).read_text(encoding="utf-8").startswith("Wer reitet")


@pytest.mark.parametrize("block", [4, 7, 64, 2**20])
@pytest.mark.parametrize("later", [False, True])
def test_pieces_do_not_depend_on_what_is_read_at_once(block: int, later: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "PIECE", 50)
    content = (VERSE * 5).encode()
    cut = torch.from_numpy(np.frombuffer(content[1:] if later else content[:-2], dtype=np.uint8).copy())
    monkeypatch.setattr(tokens, "BLOCK", block)
    found = [*pieces(cut, "x", later)]
    assert "".join(found).encode() == (content[1:] if later else content[:-1])[: len("".join(found).encode())]
    assert all(piece.endswith("\n") and "\n" not in piece[50:-1] and len(piece) > 50 for piece in found[:-1])
    monkeypatch.setattr(tokens, "BLOCK", 2**20)
    assert found == [*pieces(cut, "x", later)]
    assert len(found) > 3


@pytest.mark.parametrize(
    ("content", "byte"), [(b"abc \xff def " * 9, 4), ("ä".encode() * 40 + b"\xe4", 80), (b"ab\n" * 40 + b"\x80x", 120)]
)
def test_a_byte_that_is_no_character_is_told_by_its_place(content: bytes, byte: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "BLOCK", 16)
    with pytest.raises(HopgraphError, match=rf"data-invalid.*`x` is not UTF-8, which a tokenizer reads: .* at byte {byte}\n"):
        list(pieces(torch.from_numpy(np.frombuffer(content, dtype=np.uint8).copy()), "x", later=True))


def test_a_disk_without_room_for_tokens_is_told(book: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def write(self, content: bytes) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: Full())
    tokens.tokens_of.cache_clear()
    with no_memory(), pytest.raises(HopgraphError, match=r"(?s)file-unreadable.*No space left on device.*TMPDIR"):
        tokenized(text(book), 300)


def test_tokens_in_a_file_leave_nothing_behind(tmp_path: Path, book: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "aside").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "aside"))
    tokens.tokens_of.cache_clear()
    with no_memory():
        found = tokenized(text(book), 300)
    tokens.tokens_of.cache_clear()
    kept = tokenized(text(book), 300)
    assert torch.equal(found.train, kept.train)
    assert torch.equal(found.test, kept.test)
    assert found.files == kept.files
    assert [*(tmp_path / "aside").iterdir()] == []


def test_the_same_text_is_tokenized_once(book: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tokenized(text(book), 310)

    def again(*_: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(tokens, "train_tokenizer", again)
    assert tokenized(text(book), 310).train is first.train
