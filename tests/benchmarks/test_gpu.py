"""benchmarks/gpu: how the time is shared, what becomes of a section, what is written of it; and, slow, the whole of a dry run."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from benchmarks.base import Effort, interleaved
from benchmarks.gpu import __main__ as gpu
from benchmarks.gpu import cifar, runner, sections, suite, training
from benchmarks.gpu.budget import Budget, share
from benchmarks.gpu.child import SKIPPED, work
from benchmarks.gpu.runner import Outcome, ended, environment, read, verdict
from benchmarks.gpu.sections import SECTIONS, Section
from benchmarks.gpu.setting import Setting, tried
from benchmarks.gpu.summary import summary
from benchmarks.processes import ROOT
from benchmarks.training import EXAMPLES
from hopgraph.passes.pipeline import load
from hopgraph.train.data import ImageData


def test_a_section_may_take_its_part_of_what_is_left() -> None:
    assert share(100.0, [20.0, 30.0, 50.0]) == 20.0
    assert share(80.0, [30.0, 50.0]) == 30.0, "the first took all of its part"
    assert share(96.0, [30.0, 50.0]) == 36.0, "the first left some of it, and all get more"
    assert share(7.0, [50.0]) == 7.0
    assert share(-1.0, [50.0]) == 0.0


def test_sections_that_take_all_of_their_parts_end_in_time() -> None:
    left = gpu.SECONDS
    for index in range(len(SECTIONS)):
        left -= share(left, [section.seconds for section in SECTIONS[index:]])
    assert left == pytest.approx(0.0)


def test_a_budget_counts_from_its_beginning() -> None:
    ticks = iter([10.0, 13.0, 21.0])
    budget = Budget(10.0, lambda: next(ticks))
    assert (budget.left, budget.left) == (7.0, -1.0)


def test_a_section_without_its_packages_is_skipped_and_says_which() -> None:
    found = runner.run(Section("machine", ("torch", "no_such_package", "nor_this"), 1), 60, [], True)
    assert (found.status, found.reason, found.rows) == ("skipped", "not installed: no_such_package, nor_this", ())


def test_a_section_for_which_no_time_is_left_is_skipped() -> None:
    assert runner.run(Section("machine", (), 1), 1.0, [], True).reason == "no time was left"


def test_what_a_process_wrote_before_it_was_killed_is_kept(tmp_path: Path) -> None:
    rows = tmp_path / "rows"
    code = f"import os; f = open({str(rows)!r}, 'w'); f.write('{{\"a\": 1}}\\n{{\"b\"'); f.flush(); os.abort()"
    status, errors = ended([sys.executable, "-c", code], 60, tmp_path / "errors", environment(True))
    assert status is not None
    told, reason = verdict(status, errors, 60)
    assert (told, reason.startswith("status -6")) == ("failed", True)
    assert read(rows) == [{"a": 1}], "the line that was not finished is left out"


def test_a_process_that_takes_too_long_is_ended_with_what_it_started(tmp_path: Path) -> None:
    child = f"import os, pathlib, time; pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid())); time.sleep(60)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    begun = time.monotonic()
    status, errors = ended([sys.executable, "-c", code], 1.0, tmp_path / "errors", environment(True))
    assert (status, verdict(status, errors, 1.0)[0]) == (None, "out of time")
    assert time.monotonic() - begun < 20
    assert (tmp_path / "pid").exists()
    number, end = int((tmp_path / "pid").read_text()), time.monotonic() + 20
    while not gone(number) and time.monotonic() < end:  # it was killed, and the kernel ends it when it comes to it
        pass
    assert gone(number)


def gone(number: int) -> bool:
    """Whether a process has ended; one that nobody asked for its status yet has too."""
    try:
        return (Path("/proc") / str(number) / "stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_dry_run_sees_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert (environment(True)["CUDA_VISIBLE_DEVICES"], environment(False)["CUDA_VISIBLE_DEVICES"]) == ("", "0,1")
    assert (Setting(True).device, Setting(False).device) == ("cpu", "cuda")


MODULE = """
from benchmarks.gpu.setting import SkippedError
def rows(setting):
    yield {"device": setting.device}
    raise ERROR
"""


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [("SkippedError('no provider')", SKIPPED, ("skipped", "no provider")), ("ValueError('broken')", 1, ("failed", "status 1: "))],
)
def test_a_section_that_raises_leaves_its_rows_and_its_reason(
    error: str, status: int, told: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"made_{status}"
    (tmp_path / f"{name}.py").write_text(MODULE.replace("ERROR", error), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert work(name, tmp_path / "rows", Setting(True)) == status
    assert read(tmp_path / "rows") == [{"device": "cpu"}]
    found = verdict(status, capsys.readouterr().err, 60)
    assert (found[0], found[1][: len(told[1])]) == told
    assert status == SKIPPED or found[1].endswith("ValueError: broken")


def test_an_error_of_one_part_is_a_row_of_its_own() -> None:
    def work() -> Any:
        yield {"x": 1}
        raise ValueError("no\nthing")

    assert list(tried("it", work)) == [{"x": 1}, {"name": "it", "failed": "ValueError: no\nthing"}]


def test_the_file_holds_after_each_section_what_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def run(section: Section, limit: float, arguments: list[str], dry: bool) -> Outcome:
        seen.append([item["name"] for item in json.loads(out.read_text())["sections"]] if out.exists() else [])
        assert (dry, "--dry-run" in arguments, limit > 0) == (True, True, True)
        return Outcome(section.name, "done", "", 1.0)

    out = tmp_path / "new" / "it.json"
    monkeypatch.setattr(gpu, "run", run)
    gpu.measure(gpu.parsed(["--dry-run", "--out", str(out), "--only", "machine,descent,limits"]))
    assert seen == [[], ["machine"], ["machine", "descent"]]
    assert [path.name for path in out.parent.iterdir()] == ["it.json"]


def test_a_section_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        gpu.parsed(["--only", "machine,engines"])
    assert "there is no section `engines`, but machine, suite" in capsys.readouterr().err


def test_the_table_tells_what_became_of_each_section() -> None:
    rows = [{"name": "vit", "failed": "ValueError: no\nthing"}, {"other": 1}]
    told = summary([Outcome("training", "out of time", "it was ended", 9.5, rows), Outcome("halves", "skipped", "no GPU", 0.0)])
    assert "| training | out of time | 2 | 1 | 9.5 | it was ended |" in told
    assert "| halves | skipped | 0 | 0 | 0 | no GPU |" in told
    assert "| training | vit | ValueError: no |" in told


def test_a_device_is_waited_for_once_a_round() -> None:
    log: list[str] = []
    interleaved({"a": lambda: log.append("a")}, Effort(2, 0.0), lambda: log.append("wait"))
    assert log == ["a", "wait"] * 5, "three times to warm up and to count, then a call a round"


TESTS = """
import pytest
@pytest.mark.gpu
def test_good(): pass
@pytest.mark.gpu
def test_bad(): assert 1 == 2
@pytest.mark.gpu
@pytest.mark.skipif(True, reason="no engine")
def test_absent(): pass
def test_other(): assert False
"""


@pytest.mark.slow
def test_the_tests_of_a_gpu_are_counted_and_their_failures_told(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = gpu: needs one\n", encoding="utf-8")
    (tmp_path / "test_it.py").write_text(TESTS, encoding="utf-8")
    (tmp_path / "test_others.py").write_text("import no_such_package\n", encoding="utf-8")
    counts, bad, absent, last = suite.ran(suite.files(tmp_path), False)
    assert counts == {"tests": 3, "failures": 1, "errors": 0, "skipped": 1}
    assert (bad["outcome"], "assert 1 == 2" in bad["told"]) == ("failure", True)
    assert (absent["outcome"], "no engine" in absent["told"]) == ("skipped", True)
    assert last["status"] == 1


def test_the_files_with_tests_of_a_gpu_are_found() -> None:
    names = {file.name for file in suite.files(ROOT / "tests")}
    assert {"test_augment.py", "test_data.py", "test_roofline.py"} <= names
    assert "test_base.py" not in names


def test_every_section_is_a_module_of_its_own() -> None:
    for section in SECTIONS:
        assert (ROOT / "benchmarks" / "gpu" / f"{section.name}.py").exists()
    assert sum(section.seconds for section in SECTIONS) <= gpu.SECONDS
    assert sections.SECTIONS[0].name == "machine"


@pytest.mark.slow
def test_a_dry_run_does_everything_on_the_cpu(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    command = [str(ROOT / "benchmarks" / "gpu.sh"), "--dry-run", "--out", str(out)]
    done = subprocess.run(command, env={**os.environ, "PYTHON": sys.executable}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = {item["name"]: item for item in json.loads(out.read_text(encoding="utf-8"))["sections"]}
    assert list(found) == [section.name for section in SECTIONS]
    for name, item in found.items():
        assert item["status"] == "done", (name, item["reason"])
        assert not [row for row in item["rows"] if "failed" in row]
    assert len(found["training"]["rows"]) == 18
    assert [row["name"] for row in found["cifar"]["rows"]] == ["symmetric", "asymmetric", "broken", "vanilla"]
    assert all(row["data"] == "random images" for row in found["cifar"]["rows"])
    assert all(row["met"] for row in found["halves"]["rows"])
    kernels, rivals = [row for row in found["kernels"]["rows"] if "rival" in row], ["its parts, eager", "its parts, compiled"]
    assert [row["rival"] for row in kernels] == [*rivals, "without fuse-synapses", *rivals]
    assert all("plain parts" in row["name"] for row in kernels if row["what"] == "two_layer")
    assert all(row["equal"] is not None for row in kernels)
    assert "| cifar | done | 4 | 0 |" in done.stdout


def test_cifar_is_read_where_its_files_are_and_said_to_be_random_where_not(tmp_path: Path) -> None:
    spec = load("paramixer", None, list(cifar.TOY))
    assert cifar.given(Setting(True), spec)[0] == cifar.given(Setting(True, tmp_path), spec)[0] == "random images"
    arrow: Any = pa  # which has no types
    stored = io.BytesIO()
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(stored, "JPEG")
    for name in cifar.FILES:
        rows = [{"image": {"bytes": stored.getvalue(), "path": None}, "label": label} for label in range(10)]
        parquet.write_table(arrow.Table.from_pylist(rows), tmp_path / name)
    told, data = cifar.given(Setting(True, tmp_path), spec)
    assert told == "CIFAR-10, kept as JPEG"
    assert isinstance(data, ImageData)
    assert data.shape == (3, 32, 32)


def test_every_contest_names_candidates_that_there_are() -> None:
    known = {*training.modules(training.TOY), *training.LOOPS}
    assert {side for contest in training.CONTESTS for side in (contest.ours, contest.theirs)} <= known
    sizes = {training.sizes_of(contest, Setting(False)) for contest in training.CONTESTS}
    assert sizes == {training.S16, training.CIFAR}
    assert EXAMPLES % training.BATCH == 0


def test_a_module_of_timm_is_made_of_the_sizes_as_timm_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, dict[str, int]] = {}

    class Module:
        def __init__(self, **sizes: int) -> None:
            given[type(self).__name__] = sizes

    made = {name: type(name, (Module,), {}) for name in ("MlpMixer", "VisionTransformer")}

    def present(name: str) -> bool:
        return name == "timm"

    def imported(name: str) -> SimpleNamespace:
        assert name.startswith("timm.models.")
        return SimpleNamespace(**made)

    monkeypatch.setattr(training, "find_spec", present)
    monkeypatch.setattr(training, "import_module", imported)
    training.timm_mixer(training.S16)
    training.timm_vit(training.S16)
    common = {"img_size": 224, "patch_size": 16, "embed_dim": 512, "num_classes": 10}
    assert given == {"MlpMixer": {**common, "num_blocks": 8}, "VisionTransformer": {**common, "depth": 8, "num_heads": 8}}
