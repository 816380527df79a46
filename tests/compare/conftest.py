"""A comparison of tiny models, and the plans of further ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from hopgraph.bench.compare import Plan, compare
from hopgraph.bench.engines import Engine
from hopgraph.bench.results import Comparison
from hopgraph.bench.variants import Wanted, members, read_sweep
from hopgraph.train.data import Data, load_data
from hopgraph.train.recipe import Recipe, read_recipe

TINY = ("dims.C=8", "dims.depth=1")
LAMBDAS = "block.symmetry.penalized=0,1e-3"


def recipe(epochs: int = 1) -> Recipe:
    return read_recipe(None, [f"epochs={epochs}", "batch_size=256"])


def plan(
    *names: str, sweep: str | None = None, iso: str | None = None, seeds: tuple[int, ...] = (0,), engine: Engine | None = None
) -> Plan:
    wanted = Wanted("paramixer", "digits", TINY, names, read_sweep(sweep) if sweep else None, iso, ("Ns", "Nc"))
    return Plan(members(wanted), seeds, recipe(), (), "hopgraph compare", (), wanted.sweep, engine)


@pytest.fixture(scope="session")
def digits() -> Data:
    return load_data("digits")


@pytest.fixture(scope="session")
def swept(tmp_path_factory: pytest.TempPathFactory, digits: Data) -> tuple[Path, Comparison]:
    """A sweep with both ends and a variant beside it, three seeds, at equal width and at equal parameters; nothing is exported."""
    path = tmp_path_factory.mktemp("swept") / "out"
    request = plan("symmetric", "broken", "vanilla", sweep=LAMBDAS, iso="broken", seeds=(0, 1, 2))
    return path, compare(request, digits, path)
