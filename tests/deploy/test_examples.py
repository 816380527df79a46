"""Every example runs, and prints what it promises."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples"

EXPECTED = {
    "recall_digits.py": ["dense: 19 of 20 come back to the last pixel", "modern: 20 of 20 come back to the last pixel"],
    "symmetric_against_broken.py": ["relu: certificate guaranteed (any step a > 0), asymmetry 0.00", "no energy: the pull on `x`"],
    "third_party_exporter.py": ["largest difference to the model: 0.0e+00"],
}


def test_every_example_is_listed() -> None:
    assert {path.name for path in FOLDER.glob("*.py")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_an_example_runs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(FOLDER / name), run_name="__main__")
    out = capsys.readouterr().out
    for text in EXPECTED[name]:
        assert text in out
