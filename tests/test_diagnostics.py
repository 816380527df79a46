"""Every message that loading a spec can give, pinned: `<case>.yaml` is a bad spec, `<case>.txt` what its author is told."""

import re
from pathlib import Path

import pytest

from hopgraph.errors import CODES, At, Diagnostic, Findings, HopgraphError, Source, Span, edit_distance, similar
from hopgraph.passes.pipeline import load

FOLDER = Path(__file__).parent / "golden" / "diagnostics"
CASES = sorted(path.stem for path in FOLDER.glob("*.yaml"))

RAISED_ELSEWHERE = {
    # reading files and names of specs: tests/test_hostile.py
    "file-missing",
    "file-unreadable",
    "spec-unknown",
    "pass-unknown",
    # reading recipes: tests/test_recipes.py
    "recipe-unknown",
    # asking for an explanation: tests/test_explain.py
    "code-unknown",
    # allocating a model: tests/test_hostile_parts.py
    "model-large",
    # training, measuring, exporting and serving
    "address-unavailable",
    "bundle-damaged",
    "bundle-mixed",
    "bundle-version",
    "data-invalid",
    "data-shape",
    "data-unknown",
    "dim-fixed",
    "exporter-failed",
    "exporter-unavailable",
    "exporter-unknown",
    "file-exists",
    "image-shape",
    "image-unreadable",
    "input-invalid",
    "no-energy",
    "not-finite",
    "parity",
    "patterns",
    "run-damaged",
    "runtime-unavailable",
    "runtime-unknown",
    "verification",
    # checkpoints and processes: tests/train
    "checkpoint-damaged",
    "checkpoint-failed",
    "precision-unavailable",
    "resume-differs",
    "run-unfinished",
    "strategy-unavailable",
    # published weights: tests/test_importing.py
    "weights-missing",
    "weights-shape",
    "weights-surplus",
    "weights-table",
}


def report(case: str) -> HopgraphError:
    """What loading the case's spec raises. Its first line may say which variant or setting to apply."""
    text = (FOLDER / f"{case}.yaml").read_text(encoding="utf-8")
    head = re.match(r"# (set|variant): (.*)\n", text)
    variant = head.group(2) if head and head.group(1) == "variant" else None
    settings = [head.group(2)] if head and head.group(1) == "set" else None
    with pytest.raises(HopgraphError) as raised:
        load(Source("spec.yaml", text), variant, settings)
    return raised.value


@pytest.mark.parametrize("case", CASES)
def test_message(case: str, update_goldens: bool) -> None:
    expected = FOLDER / f"{case}.txt"
    given = f"{report(case)}\n"
    if update_goldens:
        expected.write_text(given, encoding="utf-8")
    assert given == expected.read_text(encoding="utf-8")


def test_every_code_of_a_spec_has_a_case() -> None:
    covered = {diagnostic.code for case in CASES for diagnostic in report(case).diagnostics}
    assert covered.isdisjoint(RAISED_ELSEWHERE)
    assert covered | RAISED_ELSEWHERE == set(CODES)


def test_each_golden_has_its_case() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.txt")) == CASES


def test_five_kinds_of_mistakes_are_reported_at_once_in_the_order_of_the_text() -> None:
    found = report("five-mistakes").diagnostics
    assert [diagnostic.code for diagnostic in found] == ["dim-unknown", "unknown-field", "unknown-field", "axes-mismatch", "layer-unknown"]
    assert [(span.line, span.column) for span in map(span_of, found)] == [(3, 21), (7, 3), (11, 40), (14, 26), (15, 28)]


def test_five_mistakes_in_the_parts_of_a_stage_are_reported_at_once() -> None:
    found = report("five-mistakes-in-parts").diagnostics
    assert [diagnostic.code for diagnostic in found] == ["axis-unknown", "bias-invalid", "map-invalid", "layer-unknown", "step-axes"]
    assert [(span.line, span.column) for span in map(span_of, found)] == [(9, 62), (13, 90), (14, 81), (15, 27), (16, 33)]


SEVERAL = {
    "five-mistakes": 5,
    "five-mistakes-in-parts": 5,
    "broken-parts-hide-nothing": 4,
    "missing-field-block": 3,
    "bad-value-weights": 6,
    "unknown-field-choice-twice": 2,
}


@pytest.mark.parametrize("case", CASES)
def test_one_mistake_is_one_message(case: str) -> None:
    assert len(report(case).diagnostics) == SEVERAL.get(case, 1)


def span_of(diagnostic: Diagnostic) -> Span:
    assert isinstance(diagnostic.at, Span)
    return diagnostic.at


@pytest.mark.parametrize("case", CASES)
def test_every_mistake_has_a_place(case: str) -> None:
    for diagnostic in report(case).diagnostics:
        span = span_of(diagnostic)
        assert 0 < span.line <= len(span.source.lines)
        assert 0 < span.column <= len(span.source.line(span.line)) + 1


def test_a_diagnostic_as_data() -> None:
    (diagnostic,) = report("layer-unknown-near").diagnostics
    assert diagnostic.as_json() == {
        "code": "layer-unknown",
        "message": "no layer is named `stat`",
        "file": "spec.yaml",
        "line": 12,
        "column": 42,
        "related": [],
        "notes": ["declared layers: state, h"],
        "helps": ["rename it to `state`"],
    }


def test_related_places_are_data_too() -> None:
    (diagnostic,) = report("axes-mismatch-synapse").diagnostics
    assert diagnostic.as_json()["related"] == [{"file": "spec.yaml", "line": 12, "column": 34, "text": "`x` has the axes [n, c]"}]


def test_suggestions_are_ranked_by_edit_distance() -> None:
    assert similar("layernrom", ["rmsnorm", "layernorm", "identity"]) == ["layernorm"]
    assert similar("tide", ["own", "tied", "off"]) == ["tied"]
    assert similar("x", ["y", "z", "n"]) == []  # any letter is one slip away from any other: no suggestion
    assert similar("gelu", ["relu", "gelu"]) == ["gelu", "relu"]


@pytest.mark.parametrize(
    ("left", "right", "distance"), [("", "abc", 3), ("kitten", "sitting", 3), ("tide", "tied", 1), ("gelu", "gelu", 0), ("gleu", "relu", 2)]
)
def test_edit_distance(left: str, right: str, distance: int) -> None:
    assert edit_distance(left, right) == edit_distance(right, left) == distance


def test_excerpts_are_cropped_and_carry_no_control_characters() -> None:
    source = Source("spec.yaml", "x" * 300 + "[2J" + "y" * 300)
    text = Diagnostic("bad-value", "ab", Span(source, 1, 302, 3)).render()
    assert "" not in text
    assert "a\\x1bb" in text
    line, carets = text.splitlines()[-2:]
    assert len(line) < 160
    assert line[carets.index("^") :].startswith("[2J")


def test_carets_stand_under_wide_characters() -> None:
    source = Source("spec.yaml", "名前: x, y")
    *_, carets = Diagnostic("bad-value", "no", Span(source, 1, 8, 1)).render().splitlines()
    assert carets == "  | " + " " * 9 + "^"


def test_an_unknown_name_is_one_mistake_with_its_places() -> None:
    (diagnostic,) = report("same-name-everywhere").diagnostics
    assert [text for _, text in diagnostic.related] == ["and here"]


def test_a_text_that_two_stages_share_is_told_of_once() -> None:
    text = (FOLDER / "stages-layer.yaml").read_text(encoding="utf-8")
    assert text.count("*block") == 1
    (diagnostic,) = report("stages-layer").diagnostics
    assert diagnostic.related == ()


def test_the_same_mistake_is_reported_once() -> None:
    findings = Findings()
    findings.add("bad-value", "twice", At(("dims",)))
    findings.add("bad-value", "twice", At(("dims",)))
    assert len(findings.found) == 1
