"""An exporter of a third party: a package that is built and installed, and found by its entry point alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hopgraph.errors import HopgraphError
from hopgraph.export.exporter import exporters, find_exporter

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages with nothing in it but the example."""
    folder = tmp_path_factory.mktemp("third-party")
    package, site = folder / "package", folder / "site"
    shutil.copytree(ROOT / "examples" / "third_party_exporter", package)
    offline = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *offline, "--target", site, package], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return site


def run(*words: str | Path, packages: Path | None = None, wanted: int = 0) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, with further packages on its path."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [ROOT, *([packages] if packages else [])]))}
    command = [sys.executable, "-m", "hopgraph", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == wanted, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_it_is_listed_where_it_is_installed_and_nowhere_else(installed: Path, run_paths: dict[str, Path], tmp_path: Path) -> None:
    command = ("export", run_paths["broken"], "--to", "pt3", "--out", tmp_path / "bundle")
    told = run(*command, packages=installed, wanted=1).stderr
    assert "installed exporters: onnx, pt2, pytorch" in told
    assert "rename it to `pt2`" in told
    assert "pt2" not in exporters()


@pytest.fixture(scope="module")
def bundle(installed: Path, run_paths: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    run("export", run_paths["broken"], "--to", "pt2", "--data", "digits", "--out", folder, packages=installed)
    return folder


def test_what_it_writes_is_tested_like_any_form(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    (form,) = (form for form in manifest["forms"] if form["exporter"] == "pt2")
    assert form["file"] == "model.pt2"
    assert form["parity"]["pt2"]["random"] < 1e-5
    assert form["parity"]["pt2"]["test"] == manifest["test"]


@pytest.mark.slow
def test_what_it_writes_is_benched(bundle: Path, installed: Path) -> None:
    timed = run("bench", bundle, "--runtime", "pt2", "--batch", "1", "--json", packages=installed).stdout
    assert [timing["candidate"]["runtime"] for timing in json.loads(timed)["timings"]] == ["pt2"]


@pytest.mark.slow
def test_a_wrong_file_of_its_is_not_kept(installed: Path, run_paths: dict[str, Path], tmp_path: Path) -> None:
    wrong = tmp_path / "site"
    shutil.copytree(installed, wrong)
    module = wrong / "hopgraph_pt2.py"
    module.write_text(
        module.read_text(encoding="utf-8").replace("load_state_dict(request.weights)", "load_state_dict(model.state_dict())"),
        encoding="utf-8",
    )
    told = run("export", run_paths["broken"], "--to", "pt2", "--out", tmp_path / "bundle", packages=wrong, wanted=1).stderr
    assert "`model.pt2` differs from the model by" in told
    assert not (tmp_path / "bundle").exists()


# --- packages that are broken -----------------------------------------------------------------------------------------


def install(folder: Path, point: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package as the installer leaves it: its module, and what it says of its entry points."""
    about = folder / "other-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n", encoding="utf-8")
    (about / "entry_points.txt").write_text(f"[hopgraph.exporters]\n{point}\n", encoding="utf-8")
    (folder / "other_exporter.py").write_text(module, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "other_exporter", raising=False)


@pytest.mark.parametrize(
    ("module", "told"),
    [
        ("import a_package_that_is_not_there", "No module named 'a_package_that_is_not_there'"),
        ("1 / 0", "`other_exporter:EXPORTER` cannot be imported: division by zero"),
        ("", "`other_exporter:EXPORTER` cannot be imported: "),
        ("EXPORTER = 1", "`other_exporter:EXPORTER` is no Exporter"),
    ],
)
def test_a_broken_package_does_not_keep_others_from_working(
    module: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "other = other_exporter:EXPORTER", module, monkeypatch)
    with pytest.raises(HopgraphError, match="exporter-unavailable") as caught:
        find_exporter("other")
    assert told in str(caught.value)
    assert find_exporter("onnx").name == "onnx"


def test_two_exporters_of_one_name_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "mine = exporters.onnx:EXPORTER", "", monkeypatch)
    with pytest.raises(HopgraphError, match="two packages have an exporter named `onnx`") as caught:
        find_exporter("onnx")
    assert "help: uninstall one of them" in str(caught.value)
