"""What is shipped: the published numbers of parameters, and the page beside the specs."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import catalogue
from hopgraph.frontend.library import shipped, specs_root
from hopgraph.passes.pipeline import load
from hopgraph.show.catalogue import RENEW, SMALL, as_markdown

PARAMETERS = {
    ("mlp_mixer", "S16"): 18_528_264,
    ("paramixer", "official,broken,S16"): 19_585_546,
    ("paramixer", "official,S16"): 10_795_530,
    ("vit", "Ti16"): 5_717_416,
    ("ninformer", ""): 2_652_170,
    ("ffnet", "F1"): 13_775_656,
    ("ffnet", "F1,folded"): 13_660_152,
    ("masked_mixer", ""): 8_411_136,
    ("convmixer", ""): 594_186,
}
"""As published: of the originals' own code, counted once."""


@pytest.mark.parametrize(("spec", "variant"), PARAMETERS)
def test_as_many_parameters_as_published(spec: str, variant: str) -> None:
    assert load(spec, variant).parameter_count == PARAMETERS[spec, variant]


def test_the_page_is_what_the_command_writes() -> None:
    shown = (specs_root() / "README.md").read_text(encoding="utf-8")
    assert shown == as_markdown(), f"run `{RENEW}`"


@pytest.mark.parametrize("name", shipped())
def test_every_architecture_holds_and_has_a_small_size(name: str) -> None:
    spec = load(name)
    assert spec.loaded.spec.cite, "whose is it?"
    assert set(SMALL) & set(spec.variant_names)
    for variant in spec.variant_names:
        load(name, variant)


@pytest.mark.parametrize("name", shipped())
def test_every_architecture_has_an_original(name: str) -> None:
    originals = Path(__file__).parent / "parity" / "originals"
    assert f'spec="{name}"' in (originals / f"{name}.py").read_text(encoding="utf-8")


def test_a_line_of_the_catalogue(tmp_path: Path) -> None:
    line = next(line for line in catalogue.lines() if line.variants == "symmetric,digits")
    text = catalogue.work(line, tmp_path)
    assert text.startswith(f"{line.spec} symmetric,digits ")
    assert "test accuracy" in text
    assert "parity" in text


@pytest.mark.slow
def test_the_whole_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    assert catalogue.main() == 0
    printed = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in printed} == set(shipped())
