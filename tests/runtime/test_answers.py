"""What models say of their inputs: held against formulas, with models whose answers are known."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hopgraph.runtime import BundleError, answers
from hopgraph.runtime.answers import Answer, Failed, answer_all
from hopgraph.runtime.meaning import Classified, Computed, Continued
from hopgraph.runtime.record import Array
from tests.runtime.toys import (
    CLASSIFIER,
    LENGTH,
    SPEAKER,
    SURE,
    VOCABULARY,
    brightness,
    manifest_of,
    port,
    rounds,
    seer,
    session_of,
    successor,
)

HERE = Path()
EXPECTED = math.exp(SURE) / (math.exp(SURE) + VOCABULARY - 1)
"""The probability of the token that the toy expects."""


def grey(value: float) -> Array:
    return np.full((2, 2), value, dtype=np.float32)


def classify(given: object, **options: Any) -> list[Answer]:
    return list(answer_all(session_of(CLASSIFIER, brightness), HERE, given, **options))


def speak(given: object, **options: Any) -> list[Answer]:
    return list(answer_all(session_of(SPEAKER, successor), HERE, given, **options))


def test_a_classifier_tells_the_most_probable_classes() -> None:
    bright, dark = classify([grey(1), grey(0)])
    assert isinstance(bright, Classified)
    assert isinstance(dark, Classified)
    assert (bright.label, dark.label) == ("bright", "dark")
    powers = np.exp([2, 0, -2])
    assert [share.label for share in bright.top] == ["bright", "middle", "dark"]
    assert [share.probability for share in bright.top] == pytest.approx(powers / powers.sum())
    line = bright.as_json()
    assert set(line) == {"file", "label", "probability", "top"}
    assert line["top"][0] == {"label": "bright", "probability": line["probability"]}
    assert json.loads(json.dumps(line)) == line
    assert bright.output.tolist() == [-2, 0, 2]


def test_top_says_how_many_are_told() -> None:
    (one,) = classify(grey(1), top=1)
    assert isinstance(one, Classified)
    assert len(one.top) == 1
    (text,) = speak("abc", top=3)
    assert isinstance(text, Continued)
    assert len(text.next) == 3


def test_a_language_model_tells_what_comes_next_and_how_well_it_foresaw_the_text() -> None:
    (answer,) = speak("abcd")
    assert isinstance(answer, Continued)
    assert (answer.next[0].token, answer.next[0].text) == (ord("e"), "e")
    assert answer.next[0].probability == pytest.approx(EXPECTED)
    assert answer.nats_per_token == pytest.approx(-math.log(EXPECTED))
    assert (answer.tokens, answer.read, answer.note) == (4, 4, None)
    (other,) = speak("aa")
    assert isinstance(other, Continued)
    assert other.nats_per_token == pytest.approx(-math.log((1 - EXPECTED) / (VOCABULARY - 1)))


def test_a_long_text_is_read_in_its_last_window_and_says_so() -> None:
    (answer,) = speak("zzzz" + "abcdefgh")
    assert isinstance(answer, Continued)
    assert answer.nats_per_token == pytest.approx(-math.log(EXPECTED))  # the z are not read
    assert (answer.tokens, answer.read) == (12, LENGTH)
    assert answer.note == "the model reads 8 tokens at once: these are the last of 12"
    assert answer.next[0].text == "i"
    (whole,) = speak("abcdefgh")
    assert isinstance(whole, Continued)
    assert whole.note is None


def test_one_token_has_a_next_one_and_no_nats() -> None:
    (answer,) = speak("a")
    assert isinstance(answer, Continued)
    assert answer.nats_per_token is None
    assert answer.as_json() == {
        "file": "input",
        "tokens": 1,
        "read": 1,
        "next": [{"token": item.token, "text": item.text, "probability": item.probability} for item in answer.next],
    }


def test_a_model_that_sees_the_future_is_given_no_fillers() -> None:
    session = session_of(SPEAKER, seer)
    short, whole = answer_all(session, HERE, ["abc", "abcdefgh"])
    assert isinstance(short, Failed)
    assert "`input 0` has 3 tokens, and `toy` reads 8" in short.error.message
    assert type(whole) is Computed


def test_other_models_give_their_output() -> None:
    manifest = manifest_of(port("tensor", 3), (2, 3))
    (answer,) = answer_all(session_of(manifest, lambda x: np.stack([x, -x], 1)), HERE, np.array([1.0, 2.0, 3.0]))
    assert answer.as_json() == {"file": "input", "output": [[1, 2, 3], [-1, -2, -3]]}


def test_labels_alone_make_no_classifier() -> None:
    """A reconstruction may have as many numbers as its data have classes."""
    manifest = manifest_of(port("tensor", 3), (3,), labels=("a", "b", "c"), task="reconstruction", mean=(0.5,), std=(0.5,))
    (answer,) = answer_all(session_of(manifest, lambda x: x), HERE, np.array([0.5, 0.5, 1.0]))
    assert type(answer) is Computed
    assert answer.output.tolist() == [0, 0, 1]


def test_top_without_meaning_is_refused() -> None:
    manifest = manifest_of(port("tensor", 3), (3,))
    with pytest.raises(BundleError, match="`top` is for classifiers") as caught:
        answer_all(session_of(manifest, lambda x: x), HERE, [], top=3)
    assert caught.value.code == "bad-value"


def test_a_bad_input_takes_nothing_from_the_others() -> None:
    given = [grey(0), grey(math.nan), np.zeros((3, 3), np.uint8), grey(1), Path("none.png")]
    run, sizes = rounds(brightness)
    found = list(answer_all(session_of(CLASSIFIER, run), HERE, given))
    assert [answer.error.code if isinstance(answer, Failed) else answer.as_json()["label"] for answer in found] == [
        "dark",
        "input-invalid",
        "image-shape",
        "bright",
        "file-missing",
    ]
    assert sizes == [2]
    assert found[4].as_json() == {"file": "none.png", "error": "there is no file `none.png`", "code": "file-missing"}


def test_where_all_are_bad_the_model_is_not_run() -> None:
    run, sizes = rounds(brightness)
    (answer,) = answer_all(session_of(CLASSIFIER, run), HERE, Path("none.png"))
    assert isinstance(answer, Failed)
    assert sizes == []


def test_inputs_are_read_batch_by_batch() -> None:
    read: list[int] = []

    def many() -> Iterator[Array]:
        for index in range(10):
            read.append(index)
            yield grey(0)

    run, sizes = rounds(brightness)
    found = answer_all(session_of(CLASSIFIER, run), HERE, many(), batch=4)
    assert read == []
    next(found)
    assert read == [0, 1, 2, 3]
    assert len(list(found)) == 9
    assert sizes == [4, 4, 2]


def test_a_batch_is_smaller_where_outputs_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MEMORY", 8)
    run, sizes = rounds(brightness)
    assert len(list(answer_all(session_of(CLASSIFIER, run), HERE, [grey(0)] * 5))) == 5
    assert sizes == [2, 2, 1]  # of 3 numbers each


def test_an_engine_is_given_batches_that_it_takes() -> None:
    run, sizes = rounds(brightness)
    session = session_of(CLASSIFIER, run, batches=[2, 4, 4])
    found = list(answer_all(session, HERE, [grey(0), grey(1), grey(0), grey(1), grey(1)]))
    assert [answer.as_json()["label"] for answer in found] == ["dark", "bright", "dark", "bright", "bright"]
    assert sizes == [4, 2]


def test_an_output_that_is_not_finite_is_no_answer() -> None:
    def overflow(images: Array) -> Array:
        return brightness(images) + np.where(images.mean((1, 2, 3)) > 0, np.inf, 0).astype(np.float32)[:, None]

    good, bad = answer_all(session_of(CLASSIFIER, overflow), HERE, [grey(0), grey(1)])
    assert isinstance(good, Classified)
    assert isinstance(bad, Failed)
    assert bad.error.code == "not-finite"
