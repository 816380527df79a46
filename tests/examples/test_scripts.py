"""Every example that is one script runs, shows what it says it shows, and draws it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.examples.packages import EXAMPLES

Run = Callable[..., str]

SCRIPTS = {
    "recall_digits.py": ("recall_digits.png", "recall_energy.png", "recall_capacity.png"),
    "symmetric_against_broken.py": ("symmetric_against_broken.png",),
    "vit_sibling.py": ("vit_sibling.png",),
}
"""Every script with the pictures that it draws."""
PACKAGES = ("custom_lagrangian", "third_party_exporter")


def test_every_example_is_tested_and_told() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(SCRIPTS)
    assert {path.parent.name for path in EXAMPLES.glob("*/pyproject.toml")} == set(PACKAGES)
    told = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert [name for name in (*SCRIPTS, *PACKAGES) if f"]({name})" not in told] == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_its_docstring_gives_the_command_and_the_pictures(name: str) -> None:
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    assert f"    python examples/{name} [FOLDER]" in text
    assert [picture for picture in SCRIPTS[name] if f"`{picture}`" not in text] == []


def require_pictures(folder: Path, name: str) -> None:
    """Exactly the pictures of a script, none of one color."""
    assert {path.name for path in folder.iterdir()} == set(SCRIPTS[name])
    for picture in SCRIPTS[name]:
        with Image.open(folder / picture) as image:
            assert image.width > 600
            assert np.asarray(image.convert("L")).std() > 10


def shares(text: str) -> dict[str, list[float]]:
    """By the first word of a line, its percentages: one list for each line with that word, joined."""
    found: dict[str, list[float]] = {}
    for line in text.splitlines():
        values = [float(value) / 100 for value in re.findall(r"([\d.]+)%", line)]
        if values:
            found.setdefault(line.split()[0], []).extend(values)
    return found


def test_recall_of_digits(run: Run, tmp_path: Path) -> None:
    told = run("recall_digits.py", tmp_path)
    flipped, covered = told.split("lower half covered")
    counts = [int(word) for word in next(line for line in told.splitlines() if "stored" in line).split()[1:]]
    for text in (flipped, covered):
        found = shares(text)
        assert set(found) == {"classical", "dense", "modern"}
        assert all(len(values) == len(counts) for values in found.values())
        assert all(values[0] == 1 for values in found.values())  # two digits are no feat for any of them
        ordered = zip(*(found[name] for name in ("classical", "dense", "modern")), strict=True)
        assert all(classical <= dense <= modern for classical, dense, modern in ordered)
    assert set(shares(flipped)["classical"][1:]) == {0}  # from the third on, as the docstring has it
    assert shares(flipped)["dense"][counts.index(5)] == 1
    assert shares(flipped)["dense"][counts.index(10)] == 0
    assert min(shares(flipped)["modern"]) > 0.9
    require_pictures(tmp_path, "recall_digits.py")


def require_contrast(told: str) -> None:
    symmetric, broken = told.split("broken: ")
    assert "certificate small-step" in symmetric
    assert "certificate none" in broken
    pattern = r"test accuracy ([\d.]+) .*?asymmetry of du/dg ([\d.]+); ([\d.]+)%"
    numbers = [tuple(map(float, match)) for match in re.findall(pattern, told, re.DOTALL)]
    (symmetric_accuracy, symmetric_asymmetry, symmetric_falls), (broken_accuracy, broken_asymmetry, broken_falls) = numbers
    assert (symmetric_asymmetry, symmetric_falls) == (0, 100)
    assert broken_asymmetry > 0.4
    assert broken_falls < 80
    assert min(symmetric_accuracy, broken_accuracy) > 0.15  # a tenth is chance


def test_symmetric_against_broken_after_one_epoch(run: Run, tmp_path: Path) -> None:
    require_contrast(run("symmetric_against_broken.py", tmp_path, "--epochs", "1", "--seeds", "1"))
    require_pictures(tmp_path, "symmetric_against_broken.py")


@pytest.mark.slow
def test_symmetric_against_broken(run: Run, tmp_path: Path) -> None:
    told = run("symmetric_against_broken.py", tmp_path)
    require_contrast(told)
    accuracies = [float(value) for value in re.findall(r"test accuracy ([\d.]+)", told)]
    assert accuracies[0] > 0.8
    assert accuracies[1] > 0.93


def test_the_sibling_of_vit(run: Run, tmp_path: Path) -> None:
    told = run("vit_sibling.py", tmp_path)
    vit, sibling = told.split("symmetric sibling: ")
    assert "ViT: certificate none" in vit
    assert "the pull on `key` of synapse `attention` is off: no energy has both pulls (block.synapses.attention.symmetry.key)" in vit
    assert sibling.startswith("certificate small-step")
    assert "none: " not in sibling
    errors = [float(value) for value in re.findall(r"autograd's to (\S+),", told)]
    assert len(errors) == 2
    assert max(errors) < 1e-12
    assert [float(value) for value in re.findall(r"du/dg is ([\d.]+)", told)] == pytest.approx([0.71, 0.0], abs=0.02)
    falls = [float(value) for value in re.findall(r"(\d+)% of its updates", told)]
    assert falls[0] < 75
    assert falls[1] == 100
    require_pictures(tmp_path, "vit_sibling.py")
