"""Every command runs at toy sizes and writes its table."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import NAMES, read

STARTS_PROCESSES = {"check", "compiling", "exported", "scaling", "steps"}
"""Those that take more than a second or two: each process imports torch, or torch.onnx exports."""


def written(name: str, out: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a command writes, run in this process."""
    monkeypatch.setattr(sys, "argv", [name, "--quick", "--out", str(out)])
    importlib.import_module(f"benchmarks.{name}").main()
    return json.loads((out / f"{name}.json").read_text(encoding="utf-8"))


def test_a_file_is_no_folder_to_write_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "o").write_text("")
    with pytest.raises(SystemExit):
        written("bytes", tmp_path / "o", monkeypatch)
    assert "is no folder" in capsys.readouterr().err


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) if name in STARTS_PROCESSES else name for name in NAMES])
def test_a_command_writes_its_table(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found = written(name, tmp_path, monkeypatch)
    assert (found["name"], found["quick"]) == (name, True)
    assert found["machine"]["date"]
    for row in found["results"]:
        assert row["ours"] > 0
        assert row["theirs"] > 0
        assert row["ratio"]["low"] <= row["ratio"]["value"] <= row["ratio"]["high"]
        assert (row["met"] is None) == (row["target"] is None)
    assert found["results"] or found["details"]
    assert len(read(tmp_path / f"{name}.json")) == len(found["results"])
    assert "| --- |" in capsys.readouterr().out
