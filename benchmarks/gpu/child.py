"""One section in a process of its own: every row is a line of JSON in a file as soon as it is known, so that no crash loses it.

python -m benchmarks.gpu.child MODULE ROWS [--dry-run] [--data FOLDER]
"""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from importlib import import_module
from pathlib import Path

from benchmarks.gpu.setting import Setting, SkippedError

SKIPPED = 3
"""The status of a process that says on its last line of errors why the section cannot be had."""


def work(module: str, file: Path, setting: Setting) -> int:
    """Write the rows, and give the status."""
    with file.open("a", encoding="utf-8") as lines:
        try:
            for row in import_module(module).rows(setting):
                print(json.dumps(row, default=str), file=lines, flush=True)
        except SkippedError as reason:
            print(reason, file=sys.stderr)
            return SKIPPED
        except Exception:
            traceback.print_exc()
            return 1
    return 0


def main() -> int:
    """Run the section that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module")
    parser.add_argument("rows", type=Path)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--data", type=Path)
    given = parser.parse_args()
    return work(given.module, given.rows, Setting(given.dry_run, given.data))


if __name__ == "__main__":
    sys.exit(main())
