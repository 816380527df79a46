"""The artefact: the wheel holds what it should, and works where nothing but its dependencies is."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from hopgraph.errors import CODES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (found,) = folder.glob("*.whl")
    return found


def test_the_wheel_has_two_packages_the_specs_and_types(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"hopgraph", "exporters"}
    assert {
        "hopgraph/py.typed",
        "hopgraph/new/template.yaml",
        "hopgraph/_specs/paramixer/paramixer.yaml",
        "hopgraph/_specs/hopgraph.schema.json",
    } <= set(names)
    assert {"hopgraph/_specs/recipes/paramixer-cifar10.yaml", "hopgraph/_specs/recipes/recipe.schema.json"} <= set(names)
    assert {f"hopgraph/explanations/{code}.md" for code in CODES} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any("tests" in name or "__pycache__" in name for name in names)


def test_the_wheel_works_in_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    """Its dependencies are taken from the environment of the tests; hopgraph itself is only there as the wheel."""
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    packages = tmp_path / "env" / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(packages), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    place = "import hopgraph, pathlib; print(pathlib.Path(hopgraph.__file__).parent)"
    found = subprocess.run([python, "-c", place], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()) == packages / "hopgraph"
    command = [python, "-c", "from hopgraph.cli import main; main()", "check", "paramixer"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "specs/paramixer/paramixer.yaml: correct" in done.stdout
