"""The model card and the schema of the manifest: well formed for any manifest, and true of a real one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt
from markdown_it.token import Token

from exporters.triton import DELAY
from hopgraph.export.card import VERDICTS, card, front_matter
from hopgraph.export.markdown import code, plain, prose, table
from hopgraph.export.parity import BATCHES, MOST_BYTES, TOLERANCE
from hopgraph.export.schema import MEANING, RENEW, json_schema, schema_text
from hopgraph.graph.certificate import Verdict
from hopgraph.runtime import Bundle
from hopgraph.runtime.manifest import Manifest, read_manifest
from tests.deploy.manifests import small_manifest

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "card.md"
MARKDOWN = MarkdownIt("commonmark").enable("table")
HOSTILE = "a|b `c` *d* <script>e</script> [f](g) $h$ &amp; \\ # i\n---\n: j 'k' \"l\""


def parsed(text: str) -> list[Token]:
    return MARKDOWN.parse(text)


def body(text: str) -> str:
    front, _, rest = text.removeprefix("---\n").partition("\n---\n")
    assert yaml.safe_load(front)
    return rest


def cells(text: str) -> list[str]:
    """What the cells of all tables read, as a reader sees them."""
    tokens = parsed(text)
    inside = [tokens[index + 1] for index, token in enumerate(tokens) if token.type in ("td_open", "th_open")]
    return [read(token) for token in inside]


def read(inline: Token) -> str:
    return "".join(child.content for child in inline.children or () if child.type in ("text", "code_inline"))


# --- Markdown ---------------------------------------------------------------------------------------------------------

TEXTS = st.text(st.sampled_from("ab \\`*_{}[]<>()#+-.!|~$&;\n\té\u202e") | st.characters(exclude_categories=["Cs"]))


def one_line(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text).strip()


@given(TEXTS)
def test_any_text_reads_as_it_is_written(text: str) -> None:
    (inline,) = MARKDOWN.parseInline(plain(text))
    assert {child.type for child in inline.children or ()} <= {"text"}
    assert read(inline).strip() == one_line(text)


@given(TEXTS)
def test_any_text_is_a_span_of_code(text: str) -> None:
    (inline,) = MARKDOWN.parseInline(code(text))
    assert read(inline).strip() == (one_line(text) or "(empty)")


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=3))
def test_any_texts_are_the_cells_of_a_table(rows: list[tuple[str, str]]) -> None:
    found = cells(table(["plain", "code"], [[plain(first), code(second)] for first, second in rows]))
    assert [cell.strip() for cell in found[2:]] == [text for a, b in rows for text in (one_line(a), one_line(b) or "(empty)")]


def test_what_a_sentence_quotes_is_code() -> None:
    (inline,) = MARKDOWN.parseInline(prose("the gain of `x_1` varies along [n, c], and a lone ` is one"))
    assert [child.content for child in inline.children or () if child.type == "code_inline"] == ["x_1"]
    assert read(inline) == "the gain of x_1 varies along [n, c], and a lone ` is one"


# --- the card ---------------------------------------------------------------------------------------------------------


def test_the_card_is_as_the_golden_says(update_goldens: bool) -> None:
    text = card(small_manifest())
    if update_goldens:
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def hostile_manifest() -> Manifest:
    """Every text that a user can choose, and a few more, full of signs."""
    small = small_manifest()
    return replace(
        small,
        name=HOSTILE,
        variant=HOSTILE,
        cite=HOSTILE,
        spec=replace(small.spec, settings=(HOSTILE,)),
        labels=(HOSTILE, "", "`", "|"),
        data=HOSTILE,
        task=HOSTILE,
        input=replace(small.input, name=HOSTILE, axes=(HOSTILE,)),
        test={HOSTILE: 1.0},
        ledger={HOSTILE: 0.5},
        certificate=tuple(replace(item, block=HOSTILE, reasons=(HOSTILE,)) for item in small.certificate),
        weights=tuple(replace(item, name=HOSTILE) for item in small.weights),
        forms=tuple(replace(form, exporter=HOSTILE, not_run={HOSTILE: HOSTILE}) for form in small.forms),
        versions={HOSTILE: HOSTILE},
    )


def skeleton(text: str) -> list[str]:
    """What the Markdown is made of, without the texts in it."""
    return [token.type for token in parsed(body(text)) if token.type not in ("inline",)]


def test_no_text_of_a_manifest_forms_markdown_or_yaml() -> None:
    manifest = hostile_manifest()
    text = card(manifest)
    harmless = replace(manifest, name="x", variant="x", cite="x", data="x", task="x", labels=("x",), test={"x": 1.0})
    assert skeleton(text) == skeleton(card(harmless))
    assert not any(child.type in ("html_inline", "link_open", "em_open") for token in parsed(body(text)) for child in token.children or ())
    front = yaml.safe_load(text.removeprefix("---\n").partition("\n---\n")[0])
    assert front == front_matter(manifest)
    assert front["model-index"][0]["name"] == HOSTILE
    assert cells(body(text)).count(one_line(HOSTILE)) >= 12


def test_the_front_matter_is_what_hubs_read() -> None:
    found = front_matter(replace(small_manifest(), data="hf:uoft-cs/cifar10"))
    assert found["datasets"] == ["uoft-cs/cifar10"]
    assert found["pipeline_tag"] == "image-classification"
    assert found["tags"][-1] == "arxiv:2406.12220"
    (result,) = found["model-index"][0]["results"]
    assert result["metrics"] == [{"type": "accuracy", "value": 0.9722}]
    assert "model-index" not in front_matter(replace(small_manifest(), test={}))


def test_a_card_of_imported_weights_says_that_they_were_not_trained_here() -> None:
    text = card(replace(small_manifest(), task="", test={}, data="vit_tiny.safetensors"))
    assert "The weights were not trained by HopGraph. They come from `vit_tiny.safetensors`." in text


def test_a_card_of_a_language_model_names_its_tokens() -> None:
    small = small_manifest()
    tokens = replace(small.input, kind="tokens", dtype="int64", axes=("n",), shape=(12,), least=(1,), vocabulary=300)
    text = card(replace(small, input=tokens, mean=(), std=(), labels=(), tokenizer="tokenizer.json", task="language"))
    assert "It knows 300 tokens, those of `tokenizer.json`." in text
    assert "hopgraph predict BUNDLE text.txt" in text
    assert "| reads | `image` | int64 | batch, n | batch x 1 to 12 |" in text
    assert "# int64 [batch, 1 to 12]" in text
    assert "normalized" not in text


def test_long_lists_of_labels_are_cut() -> None:
    text = card(replace(small_manifest(), labels=tuple(f"class {index}" for index in range(1000))))
    assert "`class 39` and 960 more" in text
    assert "class 40" not in text


def test_every_verdict_has_its_words() -> None:
    assert list(VERDICTS) == list(Verdict)


def test_the_card_of_a_bundle_is_that_of_its_manifest(bundles: dict[str, Bundle]) -> None:
    for bundle in bundles.values():
        text = (bundle.path / "README.md").read_text(encoding="utf-8")
        assert text == card(read_manifest(bundle.path))
        found = cells(body(text))
        for file in bundle.manifest.files:
            assert file.path == "README.md" or {file.path, f"{file.bytes:,}", file.sha256} <= set(found)


# --- the schema of the manifest ---------------------------------------------------------------------------------------


def test_the_shipped_schema_is_the_generated_one() -> None:
    assert (ROOT / "specs" / "manifest.schema.json").read_text(encoding="utf-8") == schema_text(), f"renew it: {RENEW}"


def validator() -> Draft202012Validator:
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def errors(data: dict[str, Any]) -> list[str]:
    return [error.message for error in validator().iter_errors(data)]  # pyright: ignore[reportUnknownMemberType]


def test_real_manifests_are_valid(bundles: dict[str, Bundle]) -> None:
    for bundle in bundles.values():
        assert errors(json.loads((bundle.path / "manifest.json").read_text(encoding="utf-8"))) == []


Damage = Callable[[dict[str, Any]], object]
DAMAGES: dict[str, Damage] = {
    "a manifest from the future": lambda data: data.update(hopgraph_bundle=99),
    "a field too many": lambda data: data.update(surplus=1),
    "a field too few": lambda data: data.pop("cite"),
    "a number for a text": lambda data: data.update(name=1),
    "a text for a number": lambda data: data["files"][0].update(bytes="many"),
    "a truth for a number": lambda data: data.update(parameters=True),
    "a negative size": lambda data: data["files"][0].update(bytes=-1),
    "a hash of another kind": lambda data: data["files"][0].update(sha256="abc"),
    "a hash in capitals": lambda data: data["spec"].update(sha256="A" * 64),
    "a strange field deep inside": lambda data: data["forms"][0].update(strange=None),
    "a list for a mapping": lambda data: data.update(dims=[1]),
    "null": lambda data: data.update(input=None),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_manifest_is_refused(name: str) -> None:
    data: dict[str, Any] = json.loads(json.dumps(asdict(small_manifest())))
    assert errors(data) == []
    DAMAGES[name](data)
    assert errors(data) != []


# --- the document -----------------------------------------------------------------------------------------------------

DOCUMENT = (ROOT / "docs" / "bundles.md").read_text(encoding="utf-8")


def test_the_document_has_a_row_for_every_field() -> None:
    rows = [f"| `{path}` | {meaning} |" for path, meaning in MEANING.items()]
    assert "\n".join(rows) in DOCUMENT


def test_the_document_tells_the_tolerances_and_batches() -> None:
    rows = [f"| {dtype} | {limit:.0e} |".replace("e-0", "e-") for dtype, limit in TOLERANCE.items()]
    assert "\n".join(rows) in DOCUMENT
    assert f"in batches of {', '.join(map(str, BATCHES))} and the largest" in DOCUMENT
    assert MOST_BYTES == 256 * 2**20
    assert f"at most {DELAY} microseconds" in DOCUMENT
