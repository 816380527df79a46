"""An exporter of another package: found by its entry point, its files tested by HopGraph, and run without it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
import torch

import hopgraph as library
from hopgraph.export.exporter import Request, exporters
from hopgraph.train.data.digits import digits
from hopgraph.train.loop import train
from hopgraph.train.recipe import read_recipe
from hopgraph.train.run import read_run
from tests.examples.packages import EXAMPLES, hopgraph, install

PACKAGE = EXAMPLES / "third_party_exporter"
SMALL = {"dims.C": 16, "dims.depth": 2}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(PACKAGE, tmp_path_factory.mktemp("exporter"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "run"
    train(library.load("paramixer", "symmetric,digits", SMALL), digits(), read_recipe(settings={"epochs": 1}), out)
    return out


@pytest.fixture(scope="module")
def bundle(site: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bundle") / "bundle"
    hopgraph("export", trained, "--to", "pt2", "--data", "digits", "--out", out, site=site)
    return out


def test_its_form_passes_the_gate(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    (form,) = (form for form in manifest["forms"] if form["exporter"] == "pt2")
    assert form["parity"]["pt2"]["random"] < 1e-5
    assert form["parity"]["pt2"]["test"] == manifest["test"]
    assert form["facts"]["torch"] == torch.__version__


def test_its_file_is_the_model_without_hopgraph(bundle: Path, trained: Path) -> None:
    program = torch.export.load(bundle / "model.pt2").module()
    images = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(program(images), read_run(trained).model(images))


def test_its_file_names_no_file_of_this_machine(bundle: Path) -> None:
    with zipfile.ZipFile(bundle / "model.pt2") as archive:
        told = [name for name in archive.namelist() if str(EXAMPLES.parent).encode() in archive.read(name)]
    assert told == []


def test_tokens_are_exported_too(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(site)
    spec = library.load("masked_mixer", "text", {"dims.T": 8, "dims.C": 8, "dims.depth": 1})
    model = library.compile(spec).eval()
    built = exporters()["pt2"].build(Request(spec, dict(model.state_dict())), tmp_path)
    tokens = torch.arange(16).reshape(2, 8)
    with torch.no_grad():
        torch.testing.assert_close(torch.export.load(tmp_path / built.file).module()(tokens), model(tokens))


@pytest.mark.slow
def test_it_is_benched(bundle: Path, site: Path) -> None:
    timed = json.loads(hopgraph("bench", bundle, "--runtime", "pt2", "--batch", "1", "--json", site=site))
    assert [timing["candidate"]["runtime"] for timing in timed["timings"]] == ["pt2"]


@pytest.mark.slow
def test_a_file_that_computes_something_else_is_not_kept(trained: Path, tmp_path: Path) -> None:
    site = install(PACKAGE, tmp_path / "site")
    module = site / "hopgraph_pt2.py"
    text = module.read_text(encoding="utf-8")
    assert "model.load_state_dict(request.weights)" in text
    module.write_text(text.replace("model.load_state_dict(request.weights)", "model.load_state_dict(model.state_dict())"), encoding="utf-8")
    told = hopgraph("export", trained, "--to", "pt2", "--out", tmp_path / "bundle", site=site, wanted=1)
    assert "`model.pt2` differs from the model by" in told
    assert not (tmp_path / "bundle").exists()
