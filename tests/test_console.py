"""What the commands print."""

from __future__ import annotations

import pytest

from hopgraph.bench.table import Table
from hopgraph.console import print_table


def test_brackets_and_colons_of_a_table_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(Table(("what [red]", "how :smile:"), (("onnxruntime-cuda", "pip install 'hopgraph[gpu]'"), ("[bold]", "[/]"))))
    lines = [[cell.strip() for cell in line.strip("┃│").replace("┃", "│").split("│")] for line in capsys.readouterr().out.splitlines()]
    assert [cells for cells in lines if len(cells) == 2] == [
        ["what [red]", "how :smile:"],
        ["onnxruntime-cuda", "pip install 'hopgraph[gpu]'"],
        ["[bold]", "[/]"],
    ]
