"""Every benchmark of the table of speed that a CPU can run, in turn, each in a process of its own; then every row beside its target.

python -m benchmarks [--quick] [--default-allocator] [--out FOLDER]
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.base import Ratio, Result, Target
from benchmarks.processes import ROOT
from benchmarks.tables import RESULTS, markdown, parser, row

NAMES = ("check", "compiling", "forward", "training", "descent", "bytes", "steps", "exported", "passes", "scaling")


def run(name: str, folder: Path, options: Sequence[str]) -> tuple[Result, ...]:
    """The rows of a benchmark. Raises CalledProcessError where it fails."""
    command = [sys.executable, "-m", f"benchmarks.{name}", "--out", str(folder.resolve()), *options]
    print(f"\n{name}\n", flush=True)
    subprocess.run(command, check=True, cwd=ROOT)  # noqa: S603 (our own modules)
    return read(folder / f"{name}.json")


def read(file: Path) -> tuple[Result, ...]:
    """The rows that a file holds."""
    return tuple(map(result, json.loads(file.read_text(encoding="utf-8"))["results"]))


def result(found: dict[str, Any]) -> Result:
    """A row as it was measured."""
    plain = {name: value for name, value in found.items() if name not in ("met", "ratio", "target")}
    return Result(**plain, ratio=Ratio(**found["ratio"]), target=Target(**found["target"]) if found["target"] else None)


def main() -> None:
    """Run all."""
    given = parser(__doc__ or "").parse_args()
    flags = {"--quick": given.quick, "--default-allocator": given.default_allocator}
    options = [flag for flag, wanted in flags.items() if wanted]
    begun = time.perf_counter()
    with TemporaryDirectory() as scratch:
        folder = given.out or (Path(scratch) if given.quick else RESULTS)
        found = [item for name in NAMES for item in run(name, folder, options)]
    print(f"\nall, in {time.perf_counter() - begun:.0f} s\n\n{markdown([row(item) for item in found])}")


if __name__ == "__main__":
    main()
