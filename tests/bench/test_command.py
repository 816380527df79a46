"""`hopgraph bench` on the command line, with what was measured given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hopgraph.bench import bench as benching
from hopgraph.bench.bench import Bench, Order
from hopgraph.bench.candidates import Candidate
from hopgraph.bench.measure import Effort
from hopgraph.bench.roofline import Limits
from hopgraph.bench.timing import Measured, Timing
from hopgraph.cli import app

CANDIDATE = Candidate("bundle", "v", "onnxruntime", "float32")
LACKING = Candidate("bundle", "v", "tensorrt", "float32", "no GPU (pip install 'hopgraph[gpu]')")
FOUND = Bench(
    Measured((CANDIDATE, LACKING), (Timing(CANDIDATE, 4, 0.002, 0.003, 9, 1, 1, 1, CANDIDATE, least=0.001),)),
    {"processor": "p", "threads": "2"},
    {"cpu": {"float32": Limits(1e9, 1e9)}},
)


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> list[Order]:
    """What was ordered."""
    found: list[Order] = []

    def bench(order: Order) -> Bench:
        found.append(order)
        return FOUND

    monkeypatch.setattr(benching, "bench", bench)
    return found


def run(*words: str | Path) -> str:
    done = CliRunner().invoke(app, ["bench", *map(str, words)])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_every_option_is_ordered(orders: list[Order]) -> None:
    words = (
        "--runtime",
        "onnxruntime,pytorch",
        "--batch",
        "1,8,8",
        "--threads",
        "2",
        "--vs",
        "m.onnx",
        "--processes",
        "4",
        "--rounds",
        "5",
    )
    run("a", "b", *words)
    run("a")
    assert orders == [
        Order((Path("a"), Path("b")), ("onnxruntime", "pytorch"), (1, 8), 2, Path("m.onnx"), Effort(4, 5)),
        Order((Path("a"),), None, (1, 64), None, None, Effort(3, 15)),
    ]


def test_a_table_and_what_is_not_in_it(orders: list[Order]) -> None:
    out = run("a")
    assert "baseline" in out
    assert "50%" in out
    assert out.splitlines()[-1] == "not run: tensorrt float32 of bundle: no GPU (pip install 'hopgraph[gpu]')"


def test_json_has_the_machine_and_its_limits(orders: list[Order], tmp_path: Path) -> None:
    record = json.loads(run("a", "--json", "--plot", tmp_path / "p.svg"))
    assert (record["machine"]["threads"], record["limits"]["cpu"]["float32"]["flops_per_second"]) == ("2", 1e9)
    assert [item["reason"] for item in record["candidates"]] == [None, LACKING.reason]
    assert (record["timings"][0]["throughput"], record["timings"][0]["of_the_limit"]) == (2000, 0.5)
    assert "<svg" in (tmp_path / "p.svg").read_text()
