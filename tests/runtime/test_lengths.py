"""Inputs of several lengths for a model that takes them: read as they are, computed with those of one length, answered in their order."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hopgraph.runtime import Bundle, BundleError, Continued, Failed, Port, Session
from hopgraph.runtime.answers import answer_all, inputs_of
from hopgraph.runtime.command import Request, predict
from hopgraph.runtime.manifest import Manifest
from hopgraph.runtime.parts import in_groups
from hopgraph.runtime.record import Array
from hopgraph.runtime.session import checked
from tests.runtime.toys import FORM, LENGTH, SPEAKER, VOCABULARY, manifest_of, port, rounds, seer, session_of, successor


def of_any_length(given: Port, output: tuple[int, ...], least: tuple[int, ...], **fields: Any) -> Manifest:
    made = manifest_of(given, output, **fields)
    return replace(made, output=replace(made.output, least=least))


TEXTS = of_any_length(port("tokens", LENGTH, least=(1,), vocabulary=VOCABULARY), (LENGTH, VOCABULARY), (1, VOCABULARY), task="language")
ENCODER = manifest_of(port("tokens", LENGTH, least=(1,), vocabulary=VOCABULARY), (3,))
ROWS = of_any_length(port("tensor", 4, 2, least=(1, 2)), (4,), (1,))


def sums(rows: NDArray[Any]) -> Array:
    return rows.sum(-1).astype(np.float32)


def thrice(tokens: NDArray[Any]) -> Array:
    return tokens[:, :1].repeat(3, 1).astype(np.float32)


def test_texts_are_answered_in_their_order_and_computed_by_their_length() -> None:
    run, sizes = rounds(successor)
    texts = ["abc", "ab", "xyz", "abcdefghijkl", "de", "mno"]
    answers = list(answer_all(session_of(TEXTS, run), Path(), texts))
    assert [(len(answer.output), answer.read) for answer in answers if isinstance(answer, Continued)] == [
        (3, 3),
        (2, 2),
        (3, 3),
        (LENGTH, LENGTH),
        (2, 2),
        (3, 3),
    ]
    assert [answer.next[0].text for answer in answers if isinstance(answer, Continued)] == ["d", "c", "{", "m", "f", "p"]
    assert sizes == [2, 3, 2, 1]  # two that begin alike, which tell whether the model is causal, come first


def test_nothing_is_filled_up() -> None:
    shapes: list[tuple[int, ...]] = []

    def run(tokens: NDArray[Any]) -> Array:
        shapes.append(tokens.shape)
        return successor(tokens)

    list(answer_all(session_of(TEXTS, run), Path(), ["abc", "a"]))
    assert shapes[1:] == [(1, 3), (1, 1)]
    assert inputs_of(Path(), TEXTS, ["abc"]).tolist() == [[97, 98, 99]]
    assert inputs_of(Path(), SPEAKER, ["abc"]).shape == (1, LENGTH)


def test_a_model_that_sees_all_tokens_is_given_texts_of_their_own_length() -> None:
    for session in (session_of(TEXTS, seer), session_of(ENCODER, thrice)):
        long, short = answer_all(session, Path(), ["abcdefghijkl", "ab"])
        assert isinstance(long, Failed)
        assert f"has 12 tokens, and `toy` reads 1 to {LENGTH}" in long.error.message
        assert not isinstance(short, Failed)


def test_inputs_of_several_lengths_are_no_one_array() -> None:
    with pytest.raises(BundleError, match="the inputs are of several lengths, 1 and 3 among them") as caught:
        inputs_of(Path(), TEXTS, ["abc", "a", "ab"])
    assert caught.value.code == "input-invalid"
    assert inputs_of(Path(), TEXTS, ["abc", "abd"]).shape == (2, 3)


def test_arrays_of_any_length() -> None:
    given = [np.ones((2, 2)), np.ones((3, 4, 2)), np.ones((1, 2))]
    answers = list(answer_all(session_of(ROWS, sums), Path(), given))
    assert [answer.output.shape for answer in answers if not isinstance(answer, Failed)] == [(2,), (4,), (4,), (4,), (1,)]
    for wrong in (np.ones((5, 2)), np.ones((0, 2)), np.ones((2, 3)), np.ones(2)):
        (failed,) = answer_all(session_of(ROWS, sums), Path(), wrong)
        assert isinstance(failed, Failed)
        assert "the model reads 1 to 4 x 2 (axis0 x axis1), or several of them" in failed.error.message


def test_a_session_takes_the_range_and_tells_it() -> None:
    tokens = TEXTS.input
    for length in (1, 5, LENGTH):
        assert checked(tokens, np.zeros((2, length), int)).shape == (2, length)
    for shape in ((2, 0), (2, LENGTH + 1), (2, 3, 1), (3,), ()):
        with pytest.raises(BundleError, match=r"the model reads batch x 1 to 8 \(batch x length\), and was given"):
            checked(tokens, np.zeros(shape, int))


def test_groups_keep_within_what_an_engine_takes() -> None:
    run, sizes = rounds(sums)
    form = replace(FORM, facts={"batches": [2, 2, 3]})
    inputs = [np.full((length, 2), index) for index, length in enumerate([1, 2, 1, 1, 1, 2])]
    outputs = in_groups(run, form, inputs)
    assert [output.tolist() for output in outputs] == [[2 * index] * length for index, length in enumerate([1, 2, 1, 1, 1, 2])]
    assert sizes == [3, 2, 2]


def test_the_smallest_sizes_are_no_larger_than_the_sizes() -> None:
    for least in ((9,), (1, 1), ()):
        with pytest.raises(ValueError, match="cannot be the smallest of them"):
            port("tokens", 8, least=least)


def test_one_file_cannot_hold_outputs_of_several_lengths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(path: Path) -> Bundle:
        return Bundle(path, TEXTS)

    def session(*_: object) -> Session:
        return session_of(TEXTS, successor)

    monkeypatch.setattr("hopgraph.runtime.command.Bundle.open", opened)
    asked = Request(tmp_path, (), ("abc",), output=tmp_path / "out.npy")
    with pytest.raises(BundleError, match=r"`-o` writes one array, and `toy` gives 1 to 8 x 256 numbers") as caught:
        predict(asked, io.BytesIO(), io.StringIO(), io.StringIO())
    assert caught.value.code == "bad-value"
    assert list(tmp_path.iterdir()) == []
    out = io.StringIO()
    monkeypatch.setattr(Bundle, "session", session)
    assert predict(replace(asked, texts=("abc", "a"), output=None), io.BytesIO(), out, io.StringIO()) == 0
    assert [json.loads(line)["read"] for line in out.getvalue().splitlines()] == [3, 1]
