"""What a shell proposes, asked as shells ask: by variables of the environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hopgraph.bench.runtimes import COMPILED, PROVIDERS, RTX
from hopgraph.cli import app
from hopgraph.commands import completion
from hopgraph.errors import CODES
from hopgraph.export.exporter import GROUP, exporters
from hopgraph.frontend.library import shipped, shipped_recipes
from hopgraph.passes.pipeline import PASSES, load
from tests.test_layering import HEAVY

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(line: str) -> dict[str, str]:
    """How bash asks for the word that a line ends with."""
    return {"_HOPGRAPH_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}


def proposed(line: str) -> list[str]:
    done = CliRunner().invoke(app, [], prog_name="hopgraph", env=asked(line))
    assert done.exit_code == 0, done.output
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("hopgraph check par", ["paramixer"]),
        ("hopgraph check ", list(shipped())),
        ("hopgraph new mine --like vi", ["vit"]),
        ("hopgraph explain ", list(CODES)),
        ("hopgraph explain fast", ["fast-cycle"]),
        ("hopgraph compile vit --dump-after ", [item.name for item in PASSES]),
        ("hopgraph train vit --recipe ", list(shipped_recipes())),
        ("hopgraph check paramixer --variant ", load("paramixer").variant_names),
        ("hopgraph check paramixer --variant broken,S", ["broken,S16", "broken,S32"]),
        ("hopgraph check paramixer --variant S16,S", ["S16,S32"]),
        ("hopgraph compare paramixer --variants default,relu+br", ["default,relu+broken"]),
        ("hopgraph check none --variant ", []),
        ("hopgraph check --variant ", []),
        ("hopgraph export run --to onnx,t", ["onnx,tensorrt", "onnx,triton"]),
        ("hopgraph export run --dtype float32,b", ["float32,bfloat16"]),
        ("hopgraph export run --steps ", ["unroll", "loop"]),
        ("hopgraph bench b --runtime onnxruntime-c", ["onnxruntime-cuda"]),
        ("hopgraph serve b --device c", ["cpu", "cuda"]),
        ("hopgraph compare vit --engine r", ["ray"]),
        ("hopgraph do", ["doctor"]),
    ],
)
def test_proposals(line: str, words: list[str]) -> None:
    assert proposed(line) == words


def test_files_of_yaml_are_proposed_too(folder: Path) -> None:
    (folder / "specs").mkdir()
    for name in ("vision.yaml", "note.txt", "specs/a.yml"):
        (folder / name).write_text("", encoding="utf-8")
    assert proposed("hopgraph check vi") == ["vit", "vision.yaml"]
    assert proposed("hopgraph check specs/") == ["specs/a.yml"]
    assert proposed("hopgraph check no/") == []


def test_variants_of_a_file(folder: Path) -> None:
    (folder / "mine.yaml").write_text("variants: {wide: {}, narrow: {}}", encoding="utf-8")
    (folder / "bad.yaml").write_text("a: [", encoding="utf-8")
    assert proposed("hopgraph check mine.yaml --variant ") == ["wide", "narrow"]
    assert proposed("hopgraph check bad.yaml --variant ") == []


def test_what_a_bundle_has(folder: Path) -> None:
    forms = [{"exporter": name, "dtype": dtype} for name in ("onnx", "triton", "other") for dtype in ("float32", "int8")]
    (folder / "manifest.json").write_text(json.dumps({"forms": forms, "weights": [{"name": "seed-1"}]}), encoding="utf-8")
    assert proposed("hopgraph predict . --runtime ") == ["onnxruntime", "triton-onnxruntime", "other"]
    assert proposed("hopgraph serve . --dtype ") == ["float32", "int8"]
    assert proposed("hopgraph predict . --weights ") == ["seed-1"]
    assert proposed("hopgraph predict none --weights ") == []


def test_the_names_are_those_of_the_package() -> None:
    known = {name: exporter for name, exporter in exporters().items() if exporter.build.__module__.startswith("exporters.")}
    assert completion.EXPORTERS == GROUP
    assert {runtime.exporter: runtime.name for exporter in known.values() for runtime in exporter.runtimes} == completion.RUNS
    assert set(completion.FURTHER) == {*PROVIDERS, COMPILED.name, RTX.name} - set(completion.RUNS.values())
    assert set(completion.DTYPES) == {dtype for exporter in known.values() for dtype in exporter.dtypes}


def test_other_shells_are_told_what_a_code_stands_for() -> None:
    line = "hopgraph explain fast-c"
    fish = {"_HOPGRAPH_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args", "_TYPER_COMPLETE_ARGS": line}
    done = CliRunner().invoke(app, [], prog_name="hopgraph", env=fish)
    assert done.stdout == f"fast-cycle\t{CODES['fast-cycle']}\n"
    zsh = {"_HOPGRAPH_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": line}
    done = CliRunner().invoke(app, [], prog_name="hopgraph", env=zsh)
    assert f'"fast-cycle":"{CODES["fast-cycle"]}"' in done.stdout


@pytest.mark.parametrize("line", ["hopgraph check paramixer --variant b", "hopgraph bench b --runtime o", "hopgraph export r --to o"])
def test_nothing_heavy_is_imported(line: str) -> None:
    code = (
        "import atexit, sys; sys.argv[0] = 'hopgraph'\n"
        f"atexit.register(lambda: print('heavy:', [name for name in {HEAVY} if name in sys.modules]))\n"
        "from hopgraph.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env={**os.environ, **asked(line)}
    )
    *words, last = done.stdout.splitlines()
    assert words
    assert last == "heavy: []"


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_in_bash(folder: Path) -> None:
    """The script that `--install-completion` installs, in a real shell."""
    program = folder / "hopgraph"
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -c "{MAIN}" "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    script = (
        "source <(_HOPGRAPH_COMPLETE=source_bash hopgraph); complete -p hopgraph; COMP_WORDS=(hopgraph check par); COMP_CWORD=2; "
        '_hopgraph_completion hopgraph; echo "${COMPREPLY[@]}"'
    )
    path = os.pathsep.join([str(folder), os.environ["PATH"]])
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, env={**os.environ, "PATH": path})  # noqa: S607
    assert done.stdout.splitlines() == ["complete -o default -F _hopgraph_completion hopgraph", "paramixer"], done.stderr


MAIN = "import sys; sys.argv[0] = 'hopgraph'; from hopgraph.cli import main; main()"
