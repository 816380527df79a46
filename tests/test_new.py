"""A first spec of one's own: it holds at once, keeps the comments of what it starts from, and its head says what works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hopgraph.cli import app
from hopgraph.errors import HopgraphError
from hopgraph.frontend.library import read, shipped, specs_root
from hopgraph.lower.verify import verify
from hopgraph.new.begin import MODELINE, TRY, begin
from hopgraph.passes.pipeline import load
from hopgraph.show.catalogue import SMALL


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(name: str, like: str | None = None, out: Path | None = None, force: bool = False) -> str:
    with pytest.raises(HopgraphError) as raised:
        begin(name, like, out, force)
    return str(raised.value)


def run(*words: str) -> str:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("name", shipped())
def test_a_copy_of_a_shipped_spec_is_that_spec_under_another_name(name: str) -> None:
    path, checked = begin("mine", name, None)
    assert (path, checked.name, checked.parameter_count) == (Path("mine.yaml"), "mine", load(name).parameter_count)
    original = [line for line in read(name).text.splitlines() if not line.startswith(MODELINE)]
    kept = path.read_text(encoding="utf-8").splitlines()[-len(original) :]
    assert [pair for pair in zip(original, kept, strict=True) if pair[0] != pair[1]] == [(f"name: {name}", "name: mine")]


def test_the_template_holds_and_its_energy_never_rises() -> None:
    out = run("new", "first")
    assert out.splitlines() == [
        "wrote first.yaml: 66,603 parameters, certificate guaranteed (any step a > 0)",
        "next: hopgraph check first.yaml, then the commands at its head",
    ]
    assert run("check", "first.yaml").startswith("first.yaml: correct, and so are its variants broken, wide\n")
    for variant in (None, "broken"):
        assert verify(load("first.yaml", variant), "first", steps=5).problems == ()


def test_the_commands_at_the_head_work() -> None:
    path, _ = begin("first", None, None)
    told = re.findall(r"^#   hopgraph (.*?)  #", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert [line.split()[0] for line in told] == ["check", "show", "train"]
    for line in told[:2]:
        run(*line.split())
    assert "test accuracy" in run(*told[2].split(), "--epochs", "1")


@pytest.mark.parametrize(("like", "options"), [("vit", " --variant digits"), ("open.yaml", " --data DATA")])
def test_how_it_is_trained_is_what_it_was_made_for(like: str, options: str) -> None:
    assert tuple(TRY) == SMALL
    begin("open", None, None)
    path, _ = begin("mine", like, None)
    assert f"#   hopgraph train mine.yaml{options} --out run  #" in path.read_text(encoding="utf-8")


def test_a_file_that_exists_is_kept_unless_it_is_forced() -> None:
    Path("mine.yaml").write_text("mine", encoding="utf-8")
    assert refused("mine") == (
        "error[file-exists]: `mine.yaml` exists already\n   = help: choose another name, or give `--force` to replace it"
    )
    assert Path("mine.yaml").read_text(encoding="utf-8") == "mine"
    begin("mine", None, None, force=True)
    assert load("mine.yaml").name == "mine"


@pytest.mark.parametrize(("given", "name"), [("mine.yaml", "mine"), ("mine.yml", "mine"), ("true", "true"), ("a-1.b_c", "a-1.b_c")])
def test_a_name(given: str, name: str) -> None:
    path, _ = begin(given, None, None)
    assert path == Path(f"{name}.yaml")
    assert load(path).name == name


def test_a_name_that_is_none() -> None:
    reason = "cannot name a spec: a name is a letter, then letters, digits, `_`, `-` or `.`\n   = help: choose another name"
    assert refused("1st") == f"error[name-invalid]: `1st` {reason}"
    assert refused("a/b") == f"error[name-invalid]: `a/b` {reason}\n   = help: give `-o FILE` to write it elsewhere"


def test_an_unknown_spec_is_met_with_the_nearest_one() -> None:
    text = refused("mine", "paramixre")
    assert text.startswith("error[spec-unknown]: `paramixre` is neither a file nor the name of a shipped spec")
    assert "rename it to `paramixer`" in text


def test_a_spec_that_does_not_hold_is_no_start() -> None:
    text = read("paramixer").text.replace("{s: s,", "{s: z,")
    Path("bad.yaml").write_text(text, encoding="utf-8")
    assert "no layer is named `z`" in refused("mine", "bad.yaml")
    assert not Path("mine.yaml").exists()


def test_editors_are_told_the_schema(folder: Path) -> None:
    def line(path: Path) -> str:
        return path.read_text(encoding="utf-8").splitlines()[0]

    path, _ = begin("mine", "vit", folder / "a b" / "mine.yaml")
    assert line(path) == f"{MODELINE} $schema={(specs_root() / 'hopgraph.schema.json').as_uri()}"
    assert f"#   hopgraph check '{path}'" in path.read_text(encoding="utf-8")
    (folder / "a b" / "hopgraph.schema.json").write_text("{}", encoding="utf-8")
    path, _ = begin("mine", "vit", path, force=True)
    assert line(path) == f"{MODELINE} $schema=hopgraph.schema.json"
