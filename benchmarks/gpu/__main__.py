"""Everything that needs a GPU, within a time, into one JSON that is written anew after each section.

python -m benchmarks.gpu [--dry-run] [--out FILE] [--seconds N] [--data FOLDER] [--only A,B]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.gpu.budget import Budget, share
from benchmarks.gpu.runner import Outcome, run
from benchmarks.gpu.sections import SECTIONS, Section
from benchmarks.gpu.summary import summary
from benchmarks.processes import ROOT

SECONDS = 540.0
DATA = ROOT / "shared" / "data"
OUT = ROOT / "benchmarks" / "results" / "gpu.json"


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry-run", action="store_true", help="the same on the CPU at toy sizes; written only with --out")
    parser.add_argument("--out", type=Path, help="the JSON; benchmarks/results/gpu.json without it")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"of the whole; {SECONDS:.0f} without it")
    parser.add_argument("--data", type=Path, help=f"the folder of CIFAR-10's two files; {DATA.relative_to(ROOT)} without it")
    parser.add_argument("--only", type=chosen, default=SECTIONS, metavar="A,B", help="some sections: " + ", ".join(names()))
    return parser.parse_args(arguments)


def names() -> list[str]:
    """Of all sections."""
    return [section.name for section in SECTIONS]


def chosen(text: str) -> tuple[Section, ...]:
    """The sections of these names."""
    wanted = text.split(",")
    unknown = [name for name in wanted if name not in names()]
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no section `{unknown[0]}`, but {', '.join(names())}")
    return tuple(section for section in SECTIONS if section.name in wanted)


def measure(given: argparse.Namespace) -> list[Outcome]:
    """Every section in turn. The file holds after each what is known so far."""
    budget, found = Budget(given.seconds), list[Outcome]()
    data = given.data or (None if given.dry_run else DATA)
    arguments = [*(["--dry-run"] if given.dry_run else []), *(["--data", str(data.resolve())] if data else [])]
    out = given.out or (None if given.dry_run else OUT)
    for index, section in enumerate(given.only):
        limit = share(budget.left, [item.seconds for item in given.only[index:]])
        print(f"{section.name}, {limit:.0f} s at most", flush=True)
        found.append(run(section, limit, arguments, given.dry_run))
        if out is not None:
            write(out, given.dry_run, found)
    return found


def write(file: Path, dry: bool, found: Sequence[Outcome]) -> None:
    """The JSON, whole or not at all."""
    facts = {"command": "benchmarks/gpu.sh", "dry_run": dry, "date": datetime.now(UTC).strftime("%Y-%m-%d")}
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_text(json.dumps({**facts, "sections": [asdict(item) for item in found]}, indent=1) + "\n", encoding="utf-8")
    fresh.replace(file)


def main() -> None:
    """Measure, and print the table."""
    print(summary(measure(parsed())))


if __name__ == "__main__":
    main()
