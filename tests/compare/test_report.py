"""The table, the page and what they are made of, of a sweep with three seeds."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from hopgraph.bench.results import Comparison
from hopgraph.bench.table import comparison_table, transposed

LABELS = ("symmetric", "broken", "vanilla", "penalized=0", "penalized=1e-3", "symmetric (iso)")
VOID = {"meta", "br", "img", "path", "use", "rect", "circle", "line", "stop", "polyline"}


class Page(HTMLParser):
    """Checks that elements are closed in order, and collects headings and addresses."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def test_the_rows_are_the_variants_the_sweep_and_the_equal_parameters(swept: tuple[Path, Comparison]) -> None:
    _, found = swept
    assert tuple(row.variant for row in found.rows) == LABELS
    assert [row.end for row in found.rows] == ["tied", "own", None, None, None, None]
    parameters = {row.variant: row.parameters for row in found.rows}
    assert parameters["symmetric"] < parameters["symmetric (iso)"] == parameters["broken"]
    assert not any(row.bytes or row.timings for row in found.rows)


def test_the_table_has_intervals_and_tests(swept: tuple[Path, Comparison]) -> None:
    table = comparison_table(swept[1])
    rows = {row[0]: row[1:] for row in table.rows}
    assert all(re.fullmatch(r"-?\d\.\d{3} to \d\.\d{3}", cell) for cell in rows["test accuracy, 95% interval"])
    against = rows["test accuracy, minus symmetric"]
    assert against[0] == "-"
    pattern = r"[+-]0\.\d{3} \((p (< )?0\.\d{3}, Holm (< )?[01]\.\d{3}; d -?\d+\.\d|the same for all seeds)\)"
    assert all(re.fullmatch(pattern, cell) for cell in against[1:])
    assert all("latency" not in title and "bytes" not in title for title in rows)
    assert transposed(transposed(table)) == table


def test_many_variants_have_a_row_each(swept: tuple[Path, Comparison]) -> None:
    found = swept[1]
    many = replace(found, rows=found.rows * 2, statistics={name: items * 2 for name, items in found.statistics.items()})
    table = comparison_table(many)
    assert [row[0] for row in table.rows] == [*LABELS, *LABELS]
    assert table.columns[:3] == ("", "parameters", "test accuracy")


def test_a_symmetric_model_is_symmetric_and_a_broken_one_is_not(swept: tuple[Path, Comparison]) -> None:
    rows = {row.variant: row for row in swept[1].rows}
    for name in ("symmetric", "symmetric (iso)"):
        ledger = rows[name].ledger
        assert ledger is not None
        assert ledger < 1e-4
        assert all(value == 0 for start in rows[name].starts for value in start.values())
    for name in ("broken", "vanilla"):
        ledger = rows[name].ledger
        assert ledger is not None
        assert ledger > 0.3
        assert all(value > 0.5 for start in rows[name].starts for value in start.values())
    assert all(0.3 < value < 0.6 for value in rows["penalized=1e-3"].starts[0].values())  # W + V against W


def test_energy_is_told_at_both_ends_of_each_block(swept: tuple[Path, Comparison]) -> None:
    rows = {row.variant: row for row in swept[1].rows}
    for name in ("symmetric", "broken", "penalized=0", "symmetric (iso)"):
        ((entry, end),) = rows[name].energy.depth
        change = rows[name].energy.blocks[0][-1]
        assert (end < entry) == (change < 0)
    assert rows["symmetric"].energy.depth[0][1] < rows["symmetric"].energy.depth[0][0]
    assert rows["vanilla"].energy.depth == ()


def test_the_page_holds_everything_and_asks_for_nothing(swept: tuple[Path, Comparison]) -> None:
    path, found = swept
    text = (path / "report.html").read_text()
    page = Page(text)
    assert [address for address in page.addresses if not address.startswith(("#", "data:"))] == []
    assert "<script" not in text
    assert page.headings == [
        "Along block.symmetry.penalized",
        "Equal width and equal parameters",
        "Training",
        "Weight asymmetry of each synapse along training",
        "Energy",
        "Certificates",
        "What was compared",
        "To repeat this",
    ]
    for title in ("weight asymmetry of token", "weight asymmetry of channel", "test accuracy along the sweep", "energy along depth"):
        assert f">{title}<" in text
    assert "∞" in text
    assert "E = " in text
    assert "learning_rate: 0.002" in text
    for cell in (cell for row in comparison_table(found).rows for cell in row):
        assert cell.replace("<", "&lt;") in text
    assert "is not shown: its groups have norms of their own" in text


def test_results_are_plain_data(swept: tuple[Path, Comparison]) -> None:
    path, found = swept
    results = json.loads((path / "results.json").read_text())
    assert [row["variant"] for row in results["rows"]] == list(LABELS)
    assert results["sweep"] == {"path": "block.symmetry.penalized", "values": ["0", "1e-3"]}
    assert [item["variant"] for item in results["statistics"]["accuracy"]] == list(LABELS)
    assert results["recipe"]["epochs"] == 1
    assert found.seconds["training, all runs"] > 0
