"""`hopgraph doctor`: what it makes of packages that are there, missing, old and broken."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hopgraph.cli import app
from hopgraph.doctor import examine, packages, places
from hopgraph.doctor.asking import Answer
from hopgraph.doctor.examine import advice, found_of
from hopgraph.doctor.machine import Gpu, Machine
from hopgraph.doctor.packages import PACKAGES, TRITON, Package, is_older
from hopgraph.doctor.places import checks
from hopgraph.doctor.report import Able, Found, Part, Report
from hopgraph.doctor.text import text_of
from tests.test_layering import HEAVY

ROOT = Path(__file__).resolve().parents[2]
WORKS = Answer("works", {"version": "9"})
MISSING = Answer("missing", reason="ModuleNotFoundError: no")
BROKEN = Answer("broken", reason="RuntimeError: bad")
NOTHING = dict.fromkeys(package.name for package in PACKAGES)
BY_NAME = {package.name: package for package in PACKAGES}
HERE = Machine("Linux 6 on x86_64", "A Processor", 4, 8, 16 * 10**9, (Gpu("GPU 1", 80 * 10**9),), "550.54")
EXPORTERS = Answer("works", {"onnx": {"dtypes": ["float32"], "missing": None}, "tensorrt": {"dtypes": ["fp8"], "missing": "no package"}})
RUNTIMES = Answer(
    "works",
    {
        "onnxruntime": {"exporter": "onnx", "missing": None, "further": False},
        "tensorrt": {"exporter": "tensorrt", "missing": "no GPU", "further": False},
        "onnxruntime-cuda": {"exporter": "onnx", "missing": None, "further": True},
    },
)


def test_the_packages_are_those_of_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists: dict[str, list[str]] = {"": project["dependencies"], **project["optional-dependencies"]}
    declared = {(*re.split(">=|;", text)[:2], extra) for extra, texts in lists.items() for text in texts if extra not in ("dev", "docs")}
    assert {(package.name, package.least, package.extra) for package in PACKAGES if package is not TRITON} == declared


@pytest.mark.parametrize(
    ("found", "least", "older"),
    [("2.13.0+cpu", "2.11", False), ("2.11", "2.11", False), ("2.9.1", "2.11", True), ("10", "9.9", False), ("2.11.0rc1", "2.11", False)],
)
def test_versions(found: str, least: str, older: bool) -> None:
    assert is_older(found, least) is older


def found(name: str, answer: Answer, **known: str) -> tuple[str, str, str]:
    package = BY_NAME[name]
    versions = {**NOTHING, **{key.replace("_", "-"): version for key, version in known.items()}}
    seen = found_of(package, versions, {package.module: answer})
    return seen.state, seen.reason, seen.install


def test_the_states_of_a_package() -> None:
    assert found("torch", WORKS, torch="2.13.0") == ("works", "", "")
    assert found("torch", MISSING) == ("missing", "", "pip install 'torch>=2.11'")
    assert found("torch", BROKEN, torch="2.13.0") == ("broken", "RuntimeError: bad", "")
    assert found("torch", WORKS, torch="2.3") == ("old", "hopgraph needs 2.11 or later", "pip install 'torch>=2.11'")
    assert found("torch", MISSING, torch="2.13")[:2] == ("broken", f"pip knows it, and Python does not find it: {MISSING.reason}")
    assert found("scipy", WORKS, scipy="1.12") == ("installed", "", "")
    assert found("scipy", WORKS) == ("missing", "", "pip install 'scipy>=1.11'")
    assert found("ray", MISSING) == ("missing", "", "pip install 'hopgraph[ray]'")
    assert found("triton", MISSING) == ("missing", "", "")


def test_the_two_packages_of_onnx_runtime_are_told_apart() -> None:
    assert found("onnxruntime", MISSING) == ("missing", "", "pip install 'hopgraph[cpu]'")
    assert found("onnxruntime", WORKS, onnxruntime="1.30") == ("works", "", "")
    replaced = "pip uninstall -y onnxruntime && pip install 'hopgraph[gpu]'"
    assert found("onnxruntime-gpu", WORKS, onnxruntime="1.30") == ("missing", "onnxruntime is in its place", replaced)
    assert found("onnxruntime", WORKS, onnxruntime_gpu="1.30") == ("missing", "onnxruntime-gpu is in its place", "")
    assert found("onnxruntime", WORKS) == ("works", "", "")  # a build of another name
    assert found("onnxruntime-gpu", WORKS) == ("missing", "", "pip install 'hopgraph[gpu]'")


def test_a_package_that_this_machine_cannot_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages.platform, "machine", lambda: "arm64")
    monkeypatch.setattr(packages.platform, "system", lambda: "Darwin")
    assert found("tensorrt-rtx-cu13", MISSING) == ("missing", "there is none for Darwin on arm64", "")


def test_advice() -> None:
    both = tuple(
        found_of(BY_NAME[name], {**NOTHING, "onnxruntime": "1", "onnxruntime-gpu": "1"}, {"onnxruntime": BROKEN})
        for name in examine.RUNS_ONNX
    )
    told = list(advice(HERE, Answer("works", {"cuda": None, "gpus": []}), both))
    assert told[0] == (
        "there is a GPU, and this torch does not see it: its build is for CPUs; pytorch.org/get-started tells the command for another"
    )
    assert told[1].startswith("onnxruntime and onnxruntime-gpu install the same files")
    assert told[2:] == ["onnxruntime is broken: install it anew, `pip install --force-reinstall onnxruntime`"]
    assert "CUDA 13.0" in next(advice(HERE, Answer("works", {"cuda": "13.0", "gpus": []}), ()))
    assert list(advice(HERE, Answer("works", {"cuda": "13.0", "gpus": [{}]}), ())) == []
    assert list(advice(replace(HERE, gpus=()), Answer("works", {"cuda": None}), ())) == []


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Answer]:
    """What is answered, which a test may change: all works, and all is installed."""
    given = {package.module: WORKS for package in PACKAGES if package.module}
    given |= {
        "torch": Answer("works", {"version": "9", "cuda": "13", "rocm": None, "gpus": [{}]}),
        "exporters": EXPORTERS,
        "runtimes": RUNTIMES,
    }

    def ask(names: Sequence[str]) -> Mapping[str, Answer]:
        return {name: given[name] for name in names}

    def version(name: str) -> str | None:
        module = next((package.module for package in PACKAGES if package.name == name), "")
        return None if module and given[module].state == "missing" else "99"

    monkeypatch.setattr(examine, "ask", ask)
    monkeypatch.setattr(examine, "installed_version", version)
    return given


def doctor(status: int) -> Report:
    """The report of the command, by its JSON; and the text is there too."""
    plain = CliRunner().invoke(app, ["doctor"])
    told = CliRunner().invoke(app, ["doctor", "--json"])
    assert (plain.exit_code, told.exit_code) == (status, status), told.output
    read = examine.examine()
    assert json.loads(told.stdout)["can"] == json.loads(json.dumps(read.as_json()))["can"]
    assert plain.stdout == text_of(read)
    return read


def test_where_all_is_well(answers: dict[str, Answer]) -> None:
    found = doctor(0)
    run = ("onnxruntime",)
    assert found.can == Able(("cpu", "cuda"), ("onnx",), run, ("onnxruntime", "onnxruntime-cuda"), run)
    assert found.problems == ()


def test_where_torch_is_broken(answers: dict[str, Answer]) -> None:
    answers |= {"torch": BROKEN, "lightning_fabric": BROKEN, "exporters": Answer("works"), "runtimes": BROKEN}
    found = doctor(1)
    assert found.can == Able((), (), (), (), ())
    assert found.problems == (
        "no model can be trained here: torch is broken (RuntimeError: bad); lightning-fabric is broken (RuntimeError: bad)",
        "no model can be exported here: none is found",
        "no model that is exported can be run here: RuntimeError: bad",
    )
    told = [line for line in found.advice if "broken" in line]
    assert told == ["torch is broken: install it anew, `pip install --force-reinstall torch`"]  # lightning-fabric imports it


def test_where_nothing_runs_what_is_exported(answers: dict[str, Answer]) -> None:
    answers["runtimes"] = Answer(
        "works",
        {
            "onnxruntime": {"exporter": "onnx", "missing": "not installed", "further": False},
            "tensorrt": {"exporter": "tensorrt", "missing": None, "further": False},
        },
    )
    (problem,) = doctor(1).problems
    assert problem == "no model that is exported can be run here: onnxruntime: not installed; tensorrt: `tensorrt` cannot be exported"


def test_what_is_missing_and_not_needed(answers: dict[str, Answer]) -> None:
    answers |= dict.fromkeys(("uvicorn", "starlette", "ray"), MISSING)
    found = doctor(0)
    assert found.can.serve == ()
    text = text_of(found)
    assert "\n  pip install 'hopgraph[ray]'    ray, for comparisons on a cluster\n" in text
    assert "\n  pip install 'hopgraph[serve]'  starlette, for serving; uvicorn, for serving\n" in text


def test_the_files_of_hopgraph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {check.what: check.wrong for check in checks(4) if check.what != "installation"} == {
        "shipped specs": None,
        "schema for editors": None,
        "current folder": None,
    }
    monkeypatch.setattr(places, "specs_root", lambda: tmp_path)
    monkeypatch.setattr(places, "shipped", dict[str, Path])
    monkeypatch.setattr(places.Path, "cwd", lambda: tmp_path / "gone")
    told = {check.what: check for check in checks(0)}
    assert told["installation"].wrong == "hopgraph was not installed by pip, so that no exporter is found"
    assert told["shipped specs"].wrong == f"there are none in {tmp_path}"
    assert told["schema for editors"].wrong == f"there is no {tmp_path / places.SCHEMA}"
    assert told["current folder"].wrong == "it cannot be written: No such file or directory"
    (tmp_path / places.SCHEMA).write_text("{}", encoding="utf-8")
    assert str({check.what: check for check in checks(4)}["schema for editors"].wrong).endswith("is of another version")


def test_a_check_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks() -> None:
        raise PermissionError("the folder of specs is not yours")

    monkeypatch.setattr(places, "shipped", breaks)
    assert {check.what: check.wrong for check in checks(4)}["shipped specs"] == "PermissionError: the folder of specs is not yours"


def test_the_text() -> None:
    packages = (
        Found("torch", "2.13.0", "works", "training", "", True),
        Found("scipy", "1.12", "installed", "", "", True),
        Found("onnxruntime", "1.30", "works", "running", "cpu", False),
        Found("ray", None, "missing", "clusters", "ray", False, install="pip install 'hopgraph[ray]'"),
        Found("onnx", "1.2", "old", "export", "", True, "hopgraph needs 1.18 or later", "pip install 'onnx>=1.18'"),
    )
    report = Report(
        "1.0",
        "3.12.1",
        HERE,
        {"cuda": "13.0", "rocm": None, "gpus": [{}]},
        ("CPUExecutionProvider",),
        packages,
        (Part("onnx", "float32, int8", None),),
        (Part("tensorrt", "tensorrt", "no GPU"),),
        (places.Check("current folder"), places.Check("schema for editors", "it is old", "write it anew")),
        Able((), ("onnx",), (), (), ()),
        ("look at onnx",),
        ("no model can be trained here: onnx is old",),
    )
    assert text_of(report) == TEXT


TEXT = """hopgraph 1.0, Python 3.12.1, Linux 6 on x86_64

Devices
  CPU  A Processor, 4 cores, 8 threads for this process, 16.0 GB of memory
  GPU  GPU 1, 80.0 GB of memory, driver 550.54

Packages
  torch        2.13.0, works, built for CUDA 13.0, sees 1 GPU
  onnxruntime  1.30, works, with CPUExecutionProvider
  ray          missing (for clusters)
  onnx         1.2, old: hopgraph needs 1.18 or later (for export)
  1 other      installed

Exporters
  onnx  works: float32, int8

Runtimes
  tensorrt  not here: no GPU

Files
  current folder      as it should be
  schema for editors  it is old; write it anew

What can be done here
  train   no
  export  to onnx
  run     no
  bench   no
  serve   no

To get what is missing
  pip install 'hopgraph[ray]'  ray, for clusters
  pip install 'onnx>=1.18'     onnx, for export

advice: look at onnx
problem: no model can be trained here: onnx is old
"""


@pytest.mark.slow
def test_the_command_on_this_machine(tmp_path: Path) -> None:
    """A package that kills Python stands in the way of Ray, and of nothing else."""
    (tmp_path / "ray.py").write_text("import os; os._exit(9)", encoding="utf-8")
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; from hopgraph.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "doctor", "--json"], cwd=tmp_path, capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)
    assert done.returncode == 0, told["problems"]
    states = {package["name"]: (package["state"], package["reason"]) for package in told["packages"]}
    assert states["ray"] == ("broken", "its import ends Python (exit status 9)")
    assert states["torch"] == ("works", "")
    assert "onnx" in told["can"]["export"]
    assert "onnxruntime" in told["can"]["run"]


def test_the_process_that_asks_imports_nothing_heavy() -> None:
    code = f"import sys, hopgraph.doctor.examine, hopgraph.doctor.text; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_package_has_its_command() -> None:
    assert Package("a", "1.2").install == "pip install 'a>=1.2'"
    assert Package("a", "1.2", "b").install == "pip install 'hopgraph[b]'"
