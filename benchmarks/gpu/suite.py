"""The tests that are marked `gpu`: how many passed, failed and were skipped, and the text of each failure."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

from benchmarks.gpu.setting import Row, Rows, Setting
from benchmarks.processes import ROOT

MARK = "pytest.mark.gpu"
MOST = 2000
"""So many characters of a failure are kept."""


def files(folder: Path) -> list[Path]:
    """The files that hold such tests: no other is imported, nor what it needs."""
    return sorted(file for file in folder.rglob("test_*.py") if f"@{MARK}" in file.read_text(encoding="utf-8"))


def rows(setting: Setting) -> Rows:
    """The counts, then a row for each test that did not pass. A dry run collects the tests, and runs none."""
    yield from ran(files(ROOT / "tests"), setting.dry)


def ran(chosen: list[Path], collect: bool) -> Rows:
    """Run the tests of some files, or only collect them."""
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", f"--junitxml={report}"]
        command += [*(["--collect-only"] if collect else []), *map(str, chosen)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 (our own tests)
        if not report.exists():
            yield {"status": done.returncode, "told": (done.stdout + done.stderr)[-MOST:]}
            return
        yield from summed(report)
    yield {"status": done.returncode, "told": done.stdout[-MOST:]}


def summed(report: Path) -> Iterator[Row]:
    """What pytest's report says."""
    root = ElementTree.parse(report).getroot()  # noqa: S314 (pytest wrote it)
    suite = root if root.tag == "testsuite" else root[0]
    yield {key: int(suite.get(key, "0")) for key in ("tests", "failures", "errors", "skipped")}
    for case in suite.iter("testcase"):
        for found in case:
            if found.tag in ("failure", "error", "skipped"):
                text = f"{found.get('message', '')}\n{found.text or ''}"
                yield {"test": f"{case.get('classname')}::{case.get('name')}", "outcome": found.tag, "told": text[-MOST:]}
