"""Outputs are whole or absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from hopgraph.errors import HopgraphError
from hopgraph.files import new_folder, write_text


class StoppedError(Exception):
    """Stands for anything that ends the work."""


def test_a_folder_appears_at_the_end_and_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "out"
    with new_folder(target) as folder:
        (folder / "a").write_text("1")
        assert not target.exists()
    assert (target / "a").read_text() == "1"
    assert [path.name for path in target.parent.iterdir()] == ["out"]


def test_work_that_ends_early_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoppedError), new_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("1")
        raise StoppedError
    assert list(tmp_path.iterdir()) == []


def test_work_that_ends_early_leaves_the_old_output(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("0")
    with pytest.raises(StoppedError), new_folder(tmp_path / "out", force=True):
        raise StoppedError
    assert (tmp_path / "out" / "old").read_text() == "0"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_output_that_exists_is_replaced_only_by_force(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("0")
    with pytest.raises(HopgraphError, match="file-exists"), new_folder(tmp_path / "out"):
        pass
    with new_folder(tmp_path / "out", force=True) as folder:
        (folder / "new").write_text("1")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["new"]


def test_a_text_is_replaced_whole(tmp_path: Path) -> None:
    write_text(tmp_path / "a.py", "1")
    write_text(tmp_path / "a.py", "2")
    assert (tmp_path / "a.py").read_text() == "2"
    assert [path.name for path in tmp_path.iterdir()] == ["a.py"]


def test_a_place_that_cannot_be_written_is_a_diagnostic(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HopgraphError, match="cannot be written"):
        write_text(tmp_path / "file" / "below.py", "1")
    with pytest.raises(HopgraphError, match="cannot be written"), new_folder(tmp_path / "file" / "below"):
        pass
