"""The command as a user meets it: lines of JSON, diagnostics, exit statuses, on bundles that were trained and exported."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hopgraph.runtime import Bundle, BundleError
from hopgraph.runtime.__main__ import main
from hopgraph.runtime.command import told
from tests.runtime.conftest import LENGTH, TEXT


@dataclass
class Command:
    """Runs the command in this process."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: object, status: int = 0, stdin: bytes = b"") -> tuple[list[dict[str, Any]], str]:
        """The lines on standard output, and standard error."""
        self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        found = main(list(map(str, words)))
        out, err = self.capsys.readouterr()
        assert found == status, err
        assert "Traceback" not in err
        return [json.loads(line) for line in out.splitlines()], err


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys)


def test_images_are_classified_as_the_session_does(command: Command, classifier: Bundle, pictures: Path) -> None:
    lines, err = command(classifier.path, pictures)
    assert err == ""
    assert [line["file"] for line in lines] == [str(pictures / f"{index}.png") for index in range(5)]
    logits = classifier.predict(pictures)
    labels = classifier.manifest.labels
    assert [line["label"] for line in lines] == [labels[index] for index in logits.argmax(1)]
    powers = np.exp(logits - logits.max(1, keepdims=True))
    assert [line["probability"] for line in lines] == pytest.approx(list((powers / powers.sum(1, keepdims=True)).max(1)), rel=1e-5)
    assert all(len(line["top"]) == 5 for line in lines)


def test_pixels_are_normalized_by_the_manifest(classifier: Bundle, pictures: Path) -> None:
    pixels = np.asarray(Image.open(pictures / "0.png"))
    (mean,), (std,) = classifier.manifest.mean, classifier.manifest.std
    inputs = ((pixels / 255 - mean) / std).astype(np.float32)[None, None]
    wanted = classifier.session()(inputs)
    for given in (pictures / "0.png", str(pictures / "0.png"), pixels, pixels / 255, Image.open(pictures / "0.png")):
        assert np.allclose(classifier.predict(given), wanted, atol=1e-5)


def test_standard_input_names_files(command: Command, classifier: Bundle, pictures: Path) -> None:
    names = [pictures / "3.png", pictures / "1.png"]
    lines, _ = command(classifier.path, "-", stdin="\n".join(map(str, names)).encode())
    assert [line["file"] for line in lines] == list(map(str, names))


def test_a_bad_file_among_good_ones(command: Command, classifier: Bundle, pictures: Path) -> None:
    (pictures / "2.png").write_bytes(b"no image")
    Image.new("L", (9, 8)).save(pictures / "4.png")
    lines, err = command(classifier.path, pictures, "none.png", status=1)
    assert [("error" in line, line.get("code")) for line in lines] == [
        (False, None),
        (False, None),
        (True, "image-unreadable"),
        (False, None),
        (True, "image-shape"),
        (True, "file-missing"),
    ]
    assert lines[5] == {"file": "none.png", "error": "there is no file `none.png`", "code": "file-missing"}
    assert err.count("error[") == 3
    assert "error[image-shape]" in err
    assert "is 1 x 8 x 9, and the model reads 1 x 8 x 8 (channels x height x width)\n   = help: resize it first" in err
    resized, _ = command(classifier.path, pictures / "4.png", "--resize")
    assert "label" in resized[0]


def test_outputs_go_to_a_file_row_by_row(command: Command, classifier: Bundle, pictures: Path, tmp_path: Path) -> None:
    (pictures / "2.png").write_bytes(b"no image")
    words = (classifier.path, pictures, "--batch", 2, "-o", tmp_path / "out.npy")
    lines, _ = command(*words, status=1)
    assert [line.get("row") for line in lines] == [0, 1, None, 2, 3]
    (pictures / "2.png").unlink()
    found = np.load(tmp_path / "out.npy")
    assert found.dtype == np.float32
    assert np.allclose(found, classifier.predict(pictures), atol=1e-5)
    _, err = command(*words, status=1)
    assert "error[file-exists]" in err
    command(*words, "--force")
    assert len(np.load(tmp_path / "out.npy")) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.npy", "pictures"]


def test_a_file_that_cannot_be_written(command: Command, classifier: Bundle, pictures: Path, tmp_path: Path) -> None:
    lines, err = command(classifier.path, pictures, "-o", tmp_path / "nowhere" / "out.npy", status=1)
    assert lines == []
    assert "cannot be written: No such file or directory" in err


def test_texts_are_continued(command: Command, speaker: Bundle) -> None:
    lines, _ = command(speaker.path, TEXT, "-", "--text", "the", "--top", 2, stdin=b"A spec is\na text")
    assert [line["file"] for line in lines] == [str(TEXT), "-:1", "-:2", "--text:1"]
    assert lines[0]["read"] == LENGTH
    assert lines[0]["note"].startswith(f"the model reads {LENGTH} tokens at once")
    assert all(len(line["next"]) == 2 for line in lines)
    assert all(line["tokens"] < LENGTH and "note" not in line for line in lines[1:])


def test_a_text_is_told_the_same_whatever_comes_after_it(speaker: Bundle) -> None:
    """The loss that training measures is that of the answers: mean -ln p of each token after the first."""
    from hopgraph.runtime.answers import answer_all
    from hopgraph.runtime.meaning import Continued

    session = speaker.session()
    tokens = np.random.default_rng(0).integers(0, 256, LENGTH)
    (short,) = answer_all(session, speaker.path, tokens[:5])
    assert isinstance(short, Continued)
    logits = session(tokens[None])[0, :5].astype(np.float64)
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    assert short.nats_per_token == pytest.approx(-np.mean([logs[place, tokens[place + 1]] for place in range(4)]), rel=1e-4)
    assert short.next[0].token == logs[4].argmax()


def test_other_models_read_arrays_and_give_them(command: Command, retriever: Bundle, tmp_path: Path) -> None:
    lists = np.random.default_rng(0).normal(size=(3, *retriever.manifest.input.shape)).astype(np.float32)
    np.save(tmp_path / "lists.npy", lists)
    lines, _ = command(retriever.path, tmp_path / "lists.npy")
    assert [line["file"] for line in lines] == [f"{tmp_path / 'lists.npy'}[{index}]" for index in range(3)]
    assert np.allclose([line["output"] for line in lines], retriever.predict(lists), atol=1e-5)
    rows, _ = command(retriever.path, tmp_path / "lists.npy", "-o", tmp_path / "out.npy")
    assert rows[1] == {"file": f"{tmp_path / 'lists.npy'}[1]", "row": 1}


MEANINGLESS = [
    ("classifier", ["--text", "a"], "`--text` gives a text, and `paramixer` reads image"),
    ("retriever", ["x.npy", "--top", "3"], "`top` is for classifiers and language models"),
    ("speaker", ["x.txt", "--resize"], "`resize` is for images"),
    ("classifier", ["x.png", "--runtime", "nothing"], "error[runtime-unknown]"),
    ("classifier", ["x.png", "--dtype", "int3"], "error[runtime-unknown]"),
]


@pytest.mark.parametrize(("name", "words", "message"), MEANINGLESS)
def test_options_without_meaning(command: Command, request: pytest.FixtureRequest, name: str, words: list[str], message: str) -> None:
    lines, err = command(request.getfixturevalue(name).path, *words, status=1)
    assert lines == []
    assert message in err


@pytest.mark.parametrize("words", [[], ["bundle"], ["bundle", "x.png", "--batch", "0"], ["bundle", "x.png", "--device", "tpu"]])
def test_wrong_usage_exits_with_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2


def test_no_bundle(command: Command, tmp_path: Path) -> None:
    lines, err = command(tmp_path / "none", "x.png", status=1)
    assert lines == []
    assert "error[bundle-damaged]" in err


def test_a_reader_that_leaves_ends_the_command_in_silence(classifier: Bundle, pictures: Path) -> None:
    words = [sys.executable, "-m", "hopgraph.runtime", str(classifier.path), *[str(pictures)] * 4000, "--batch", "1"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1


def test_each_line_is_answered_before_the_next_where_a_batch_is_one(classifier: Bundle, pictures: Path) -> None:
    words = [sys.executable, "-m", "hopgraph.runtime", str(classifier.path), "-", "--batch", "1"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for name in ("3.png", "1.png"):
            print(pictures / name, file=process.stdin, flush=True)
            assert json.loads(process.stdout.readline())["file"] == str(pictures / name)
        process.stdin.close()
        assert process.wait() == 0


def test_an_error_as_it_is_told() -> None:
    error = BundleError("file-missing", "there is no `a\x1b[31m\udcff`", notes=("one",), helps=("two", "three"))
    wanted = "error[file-missing]: there is no `a\\x1b[31m\\udcff`\n   = note: one\n   = help: two\n   = help: three"
    assert told(error) == wanted
