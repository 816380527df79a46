"""Specs that ask for too much in one part: refused soon and with little memory, or granted without looping over sizes."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from hopgraph.errors import HopgraphError, Source
from hopgraph.passes.pipeline import load
from tests.hostile import DEMANDS
from tests.small import SPEC

SECONDS = 1.0
"""How long a refusal may take, by the process's own clock."""
SECONDS_GRANTED = 15.0
"""How long a model may take that is within the limits, the largest of them of 20,000 pulls."""
MEGABYTES = 500


@cache
def results() -> dict[str, tuple[list[str], float, float]]:
    """What came of every demand, in a process of its own: its codes, its seconds, and the peak of memory by then."""
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run([sys.executable, "-m", "tests.hostile"], capture_output=True, text=True, cwd=root, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", DEMANDS)
def test_too_much_is_refused_soon(name: str) -> None:
    codes, seconds, _ = results()[name]
    assert set(codes) & set(DEMANDS[name].codes), codes
    assert seconds < (SECONDS_GRANTED if codes == [""] else SECONDS)


def test_no_demand_takes_much_memory() -> None:
    peak = max(memory for _, _, memory in results().values())
    slowest = max(seconds for codes, seconds, _ in results().values() if codes != [""])
    print(f"\n{len(DEMANDS)} demands: at most {slowest:.2f} s to a refusal, {peak:.0f} MB")
    assert peak < MEGABYTES


LARGE = ["block.axes.m=2000000000"]


def test_a_large_model_is_not_allocated_unasked() -> None:
    from hopgraph.lower.model import compile_model

    spec = load(Source("spec.yaml", SPEC), None, LARGE)
    with pytest.raises(HopgraphError) as raised:
        compile_model(spec)
    assert str(raised.value) == (
        "error[model-large]: the model has 16,000,000,195 parameters, 64 GB in float32; more than 1,000,000,000 are not allocated unasked\n"
        "  --> spec.yaml:6:1\n"
        "6 | block:\n"
        "  | ^^^^^\n"
        "   = help: lower the dims, or pass `--allow-large`"
    )


def test_a_large_model_is_made_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from hopgraph.lower import model

    large = load(Source("spec.yaml", SPEC), None, LARGE)
    assert sum(parameter.numel() for parameter in model.compile_model(large, device="meta").parameters()) == 16_000_000_195
    monkeypatch.setattr(model, "LARGEST_MODEL", 10)
    small = load(Source("spec.yaml", SPEC))
    assert model.compile_model(small, allow_large=True).spec is small
    with pytest.raises(HopgraphError):
        model.compile_model(small)
