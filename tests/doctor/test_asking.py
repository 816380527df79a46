"""Questions to packages that are missing, broken, or worse."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hopgraph.bench import runtimes as table
from hopgraph.doctor.asking import Answer, ask
from hopgraph.doctor.questions import first_line, question
from hopgraph.export.exporter import exporters

MODULES = {
    "fine": "__version__ = '1.2'",
    "plain": "print('a line of its own')",
    "raising": "raise RuntimeError('the first line\\nthe second')",
    "lacking": "import nothing_of_this_name",
    "half": "from ctypes import CDLL; raise ImportError('libcudart.so.13: cannot open shared object file')",
    "leaving": "raise SystemExit(3)",
    "dying": "import os; os._exit(7)",
    "killed": "import os, signal; os.kill(os.getpid(), signal.SIGILL)",
    "endless": "import threading; threading.Event().wait()",
    "interrupted": "raise KeyboardInterrupt",
}
ANSWERS = {
    "raising": Answer("broken", reason="RuntimeError: the first line"),
    "fine": Answer("works", {"version": "1.2"}),
    "dying": Answer("broken", reason="its import ends Python (exit status 7)"),
    "plain": Answer("works", {"version": None}),
    "absent": Answer("missing", reason="ModuleNotFoundError: No module named 'absent'"),
    "lacking": Answer("broken", reason="ModuleNotFoundError: No module named 'nothing_of_this_name'"),
    "half": Answer("broken", reason="ImportError: libcudart.so.13: cannot open shared object file"),
    "leaving": Answer("broken", reason="SystemExit: 3"),
    "interrupted": Answer("broken", reason="KeyboardInterrupt"),
}


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The modules above, which this process could import too."""
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)


def test_each_question_is_answered_whatever_the_others_do() -> None:
    assert ask(tuple(ANSWERS)) == ANSWERS
    assert not set(MODULES) & set(sys.modules)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals")
def test_an_import_that_is_killed_is_told() -> None:
    assert ask(["killed", "fine"]) == {"killed": Answer("broken", reason="its import ends Python (signal SIGILL)"), "fine": ANSWERS["fine"]}


def test_an_import_that_does_not_end_is_ended() -> None:
    assert ask(["endless"], limit=0.3) == {"endless": Answer("broken", reason="its import does not end within 0.3 s")}


def test_no_python_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/python")
    assert ask(["fine"])["fine"].reason.startswith("FileNotFoundError: ")


def test_an_error_without_a_text() -> None:
    assert first_line(ValueError()) == "ValueError"
    assert first_line(ValueError("\n a\nb")) == "ValueError: a"


def test_the_exporters_are_asked() -> None:
    found = question("exporters")()
    assert {name: (facts["dtypes"], facts["missing"]) for name, facts in found.items()} == {
        name: (list(exporter.dtypes), exporter.missing()) for name, exporter in exporters().items()
    }


def test_all_runtimes_are_asked() -> None:
    found = question("runtimes")()
    for exporter in exporters():
        known = {runtime.name: runtime.missing() for runtime in table._of(exporter)}  # pyright: ignore[reportPrivateUsage]
        assert {name: facts["missing"] for name, facts in found.items() if facts["exporter"] == exporter} == known
    assert {name for name, facts in found.items() if facts["further"]} == set(table.PROVIDERS) - {"onnxruntime"} | {
        "pytorch-compiled",
        "tensorrt-rtx",
    }


def test_a_runtime_that_cannot_say_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks() -> str | None:
        raise OSError("no such library")

    monkeypatch.setitem(
        table.__dict__, "_FURTHER", {**table.__dict__["_FURTHER"], "pytorch": (table.replace(table.COMPILED, missing=breaks),)}
    )
    assert question("runtimes")()["pytorch-compiled"]["missing"] == "broken: OSError: no such library"


def test_torch_tells_its_build() -> None:
    import torch

    found = question("torch")()
    assert (found["version"], found["cuda"]) == (torch.__version__, torch.version.cuda)
    assert len(found["gpus"]) == torch.cuda.device_count()
