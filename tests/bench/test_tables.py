"""What is shown of a benchmark."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from hopgraph.bench.bench_table import bench_table, not_run_lines, ratio_text, seconds_text
from hopgraph.bench.candidates import Candidate
from hopgraph.bench.latency import latency_svg
from hopgraph.bench.timing import Measured, Refused, Timing

FIRST, SECOND = Candidate("a", "v", "onnxruntime", "float32"), Candidate("b", "w", "pytorch", "float32")
BASE = Timing(FIRST, 1, 0.001, 0.002, 900, 1, 1, 1, FIRST)
OTHER = Timing(SECOND, 64, 0.00004, 0.00005, 5000, 1.2, 1.1, 1.3, FIRST, p99=0.0123, least=0.00001)


@pytest.mark.parametrize(
    ("timing", "text"),
    [
        (BASE, "baseline"),
        (OTHER, "1.20x (1.100 to 1.300, to onnxruntime)"),
        (replace(OTHER, ratio_low=0.9), "no difference (0.900 to 1.300, to onnxruntime)"),
        (replace(OTHER, baseline=replace(SECOND, bundle="c")), "1.20x (1.100 to 1.300)"),
    ],
)
def test_a_ratio_in_words(timing: Timing, text: str) -> None:
    assert ratio_text(timing) == text


def test_times_in_words() -> None:
    assert [seconds_text(seconds) for seconds in (None, 0.00002, 0.0001, 1.5)] == ["-", "20.0 us", "0.10 ms", "1,500.00 ms"]


def test_columns_without_numbers_are_left_out() -> None:
    table = bench_table(Measured((FIRST, SECOND), (BASE, OTHER)))
    wanted = (
        "bundle",
        "variant",
        "runtime",
        "dtype",
        "batch",
        "median",
        "ratio to the baseline",
        "p90",
        "p99",
        "examples/s",
        "of the limit",
    )
    assert table.columns == (*wanted, "calls")
    assert table.rows[0] == ("a", "v", "onnxruntime", "float32", "1", "1.00 ms", "baseline", "2.00 ms", "-", "1,000", "-", "900")
    assert table.rows[1][5:] == ("40.0 us", ratio_text(OTHER), "50.0 us", "12.30 ms", "1,600,000", "25%", "5,000")
    whole = replace(BASE, device=0.0004, joules=0.5, settled=False, rested=False)
    assert bench_table(Measured((FIRST,), (whole,))).rows[0][-4:] == ("0.40 ms", "500 mJ", "900", "did not settle, did not rest")


def test_what_was_not_run_says_why() -> None:
    lacking = replace(SECOND, reason="no GPU (pip install 'hopgraph[gpu]')")
    timing = replace(BASE, missing=("energy: there is no counter",))
    assert not_run_lines(Measured((FIRST, lacking), (timing,), (Refused(FIRST, 512, "it takes batches of 1 to 64"),))) == [
        "not run: pytorch float32 of b: no GPU (pip install 'hopgraph[gpu]')",
        "not run: onnxruntime float32 of a, batch 512: it takes batches of 1 to 64",
        "not measured: onnxruntime float32 of a, batch 1: energy: there is no counter",
    ]


def test_the_picture_has_a_panel_for_each_batch_and_repeats() -> None:
    text = latency_svg([BASE, OTHER])
    assert text == latency_svg([BASE, OTHER])
    root = ET.fromstring(text)  # noqa: S314 (our own)
    words = " ".join(word for word in root.itertext() if word.strip())
    for word in ("batch 1:", "batch 64:", "1.00 ms, baseline", "40.0 us, 1.20x", "pytorch float32"):
        assert word in words
    assert "nothing could be measured" in latency_svg([])
