"""A Lagrangian of another package: found by its entry point, known to every command, and refused with a reason where it is broken."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from hopgraph.energy.lagrangians import LAGRANGIANS, installed
from tests.examples.packages import EXAMPLES, describe, hopgraph, install, python

PACKAGE = EXAMPLES / "custom_lagrangian"
SPEC = PACKAGE / "thresholded.yaml"
SETTINGS = ("block.layers.s.lagrangian={soft_threshold: {threshold: 0.5}}", "dims.C=16")
SPARSE = ("paramixer", "--variant", "symmetric,digits", *(word for setting in SETTINGS for word in ("--set", setting)))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(PACKAGE, tmp_path_factory.mktemp("lagrangian"))


def test_the_script_shows_what_the_threshold_is_good_for(site: Path) -> None:
    told = python(PACKAGE / "recall_with_threshold.py", site=site)
    assert "the Mixer with gelu: certificate small-step" in told
    assert "the Mixer with soft_threshold: certificate guaranteed (any step a > 0)" in told
    assert max(float(error) for error in re.findall(r"autograd's to (\S+)", told)) < 1e-12
    rows = {line.split()[0]: [int(value) for value in re.findall(r"(\d+)%", line)] for line in told.splitlines() if "%" in line}
    assert rows["classical"] == [100, 0, 0, 0, 0]
    assert rows["thresholded"][:4] == [100] * 4
    assert rows["thresholded"][4] > 60


def test_without_the_package_its_name_is_unknown() -> None:
    told = hopgraph("check", SPEC, wanted=1)
    assert "no Lagrangian is named `soft_threshold`" in told


def test_its_options_are_checked_at_their_place(site: Path) -> None:
    told = hopgraph("check", SPEC, "--set", "block.layers.h.lagrangian={soft_threshold: {threshold: -1}}", site=site, wanted=1)
    assert "error[bad-value]: `threshold` should be a positive number, or an expression on dims" in told


def test_it_is_in_the_schema_for_editors(site: Path) -> None:
    schema = json.loads(hopgraph("schema", site=site))
    fields = schema["$defs"]["Lagrangian"]["anyOf"][1]["properties"]
    assert fields["soft_threshold"]["description"] == "L = 1/2 sum relu(|x| - t)^2"


def test_verify_finds_an_activation_that_is_not_the_gradient(tmp_path: Path) -> None:
    site = install(PACKAGE, tmp_path / "site")
    module = site / "hopgraph_soft_threshold.py"
    text = module.read_text(encoding="utf-8")
    assert "square() / 2" in text
    module.write_text(text.replace("square() / 2", "square() / 3"), encoding="utf-8")
    assert "differs from the energy's by" in hopgraph("verify", *SPARSE, "--json", site=site, wanted=1)


# --- packages that are broken -----------------------------------------------------------------------------------------


def add(folder: Path, points: dict[str, str], module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of one module on the path of this process."""
    describe(folder, "other", {"hopgraph.lagrangians": points})
    (folder / "other_lagrangian.py").write_text(module, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)


@pytest.mark.parametrize(
    ("module", "told"),
    [
        ("import a_package_that_is_not_there", "`other_lagrangian:MINE` cannot be imported: No module named 'a_package_that_is_not_there'"),
        ("1 / 0", "`other_lagrangian:MINE` cannot be imported: division by zero"),
        ("MINE = 1", "`other_lagrangian:MINE` is no Lagrangian"),
    ],
)
def test_a_broken_package_says_why_at_the_place_in_the_spec(module: str, told: str, tmp_path: Path) -> None:
    describe(tmp_path, "other", {"hopgraph.lagrangians": {"mine": "other_lagrangian:MINE"}})
    (tmp_path / "other_lagrangian.py").write_text(module, encoding="utf-8")
    found = hopgraph("check", SPEC, "--set", "block.layers.h.lagrangian=mine", site=tmp_path, wanted=1)
    assert "error[bad-value]: `lagrangian` should be another Lagrangian: " in found
    assert told in " ".join(found.split())
    assert "correct" in hopgraph("check", "paramixer", site=tmp_path)


def test_a_name_that_is_taken_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "from dataclasses import replace\nfrom hopgraph.energy.lagrangians import LAGRANGIANS\n"
    module += "MINE = replace(LAGRANGIANS['identity'], name='gelu')"
    add(tmp_path, {"mine": "other_lagrangian:MINE"}, module, monkeypatch)
    record = installed()["gelu"]
    assert record.activation is LAGRANGIANS["gelu"].activation  # of an encoder's `gelu`
    with pytest.raises(ValidationError, match="two packages have one of this name, one as `other_lagrangian:MINE`"):
        record.options.model_validate({})
