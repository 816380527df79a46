"""The documents name everything that the language has."""

from __future__ import annotations

from pathlib import Path

import pytest

from hopgraph.energy.lagrangians import LAGRANGIANS
from hopgraph.energy.maps import MAPS
from hopgraph.frontend.ends import ENDS
from hopgraph.frontend.fields import fields_of
from hopgraph.frontend.spec import Block, Layer, Spec, Stage, Synapse, Update
from hopgraph.graph.certificate import Verdict

ROOT = Path(__file__).resolve().parents[1]
LANGUAGE = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
NAMES = {
    "Lagrangians": list(LAGRANGIANS),
    "maps": [*MAPS, "sum"],
    "operations": [*ENDS, "sum"],
    "fields": [name for model in (Spec, Block, Layer, Synapse, Update, Stage) for name in fields_of(model)],
    "verdicts": [verdict.value for verdict in Verdict],
}


@pytest.mark.parametrize("kind", NAMES)
def test_the_language_is_documented_whole(kind: str) -> None:
    assert [name for name in NAMES[kind] if f"`{name}" not in LANGUAGE and f"{name}:" not in LANGUAGE] == []


@pytest.mark.parametrize("name", [*LAGRANGIANS, *MAPS])
def test_every_option_of_a_record_is_documented(name: str) -> None:
    record = LAGRANGIANS.get(name) or MAPS[name]
    missing = [option for option in fields_of(record.options) if option not in LANGUAGE]
    assert missing == []
