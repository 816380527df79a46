"""Every diagnostic is explained, and the examples do what their explanations say."""

import re
from pathlib import Path

import pytest

import hopgraph
from hopgraph.errors import CODES, HopgraphError, Source
from hopgraph.explain import explanation, overview
from hopgraph.passes.pipeline import load

FOLDER = Path(hopgraph.__file__).parent / "explanations"
FILES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*"))}
WITH_SPEC = [code for code, text in FILES.items() if "```yaml" in text]
MAX_LINES = 15
"""How long an example may be: as long as a reader takes in at a glance."""


def blocks(code: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", FILES[code], re.DOTALL)


def codes_of(text: str) -> list[str]:
    """What loading an example gives. Its first line may say which variant to lay over it."""
    head = re.match(r"# variant: (.*)\n", text)
    try:
        load(Source("example.yaml", text), head.group(1) if head else None)
    except HopgraphError as error:
        return [diagnostic.code for diagnostic in error.diagnostics]
    return []


def test_every_code_has_a_file_and_every_file_a_code() -> None:
    assert set(FILES) == set(CODES)


@pytest.mark.parametrize("code", FILES)
def test_an_explanation_has_its_parts(code: str) -> None:
    text = FILES[code]
    first, empty, prose = text.split("\n", 2)
    assert (first, empty) == (f"# {code}: {CODES[code]}", "")
    headings = ["Wrong", "Right"] if code in WITH_SPEC else ["In a terminal"]
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == headings
    fences = ["yaml", "yaml"] if code in WITH_SPEC else ["console"]
    assert re.findall(r"^```(\w+)$", text, re.MULTILINE) == fences
    assert "\n\nTo mend it, " in prose
    assert not re.search(r"\b(TODO|FIXME|XXX|TBD|lorem)\b|\?\?|\{\}\n", text)
    assert max(map(len, text.splitlines())) <= 140


@pytest.mark.parametrize("code", WITH_SPEC)
def test_the_wrong_example_gives_the_code_and_the_right_one_nothing(code: str) -> None:
    wrong, right = blocks(code)
    assert max(len(wrong.splitlines()), len(right.splitlines())) <= MAX_LINES
    assert codes_of(wrong) == [code]
    assert codes_of(right) == []


@pytest.mark.parametrize("code", [code for code in FILES if code not in WITH_SPEC])
def test_an_example_in_a_terminal_shows_the_error_and_what_to_do_next(code: str) -> None:
    (text,) = re.findall(r"```console\n(.*?)```", FILES[code], re.DOTALL)
    lines = text.splitlines()
    assert lines[0].startswith("$ ")
    assert [line for line in lines if line.startswith("error[")] == [line for line in lines if line.startswith(f"error[{code}]: ")]
    assert lines[-1].startswith("$ ")


def test_explanation() -> None:
    assert explanation("fast-cycle") == FILES["fast-cycle"]


def test_an_unknown_code_is_met_with_the_nearest_ones() -> None:
    with pytest.raises(HopgraphError) as raised:
        explanation("fast-cycel")
    assert str(raised.value) == ("error[code-unknown]: no diagnostic has the code `fast-cycel`\n   = help: write `fast-cycle`")


def test_a_code_that_is_like_none_is_met_with_where_to_look() -> None:
    with pytest.raises(HopgraphError) as raised:
        explanation("7")
    assert str(raised.value) == (
        "error[code-unknown]: no diagnostic has the code `7`\n"
        "   = note: the code of an error stands in brackets after the word `error`\n"
        "   = help: run `hopgraph explain` for a list of all codes"
    )


def test_overview() -> None:
    assert overview().splitlines() == [f"- `{code}`: {meaning}" for code, meaning in CODES.items()]
