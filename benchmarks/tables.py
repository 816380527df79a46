"""The arguments of a benchmark, and its table: on the screen and as JSON, with the machine, the versions and the date."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.base import Result
from hopgraph.allocator import keep_memory

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("numpy", "onnx", "onnx-ir", "onnxscript", "onnxruntime", "tensorrt-rtx-cu13")
"""Whose versions are told beside those of torch and hopgraph, where they are installed."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """What a benchmark found: the rows that have a rival, and by name further tables that have none."""

    results: tuple[Result, ...]
    details: Mapping[str, Sequence[Row]] = field(default_factory=dict[str, Sequence[Row]])


def parser(description: str) -> argparse.ArgumentParser:
    """The arguments that every benchmark takes."""
    found = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--quick", action="store_true", help="toy sizes and few rounds, to see it work; written only with --out")
    found.add_argument("--default-allocator", action="store_true", help="let the C library return memory, which `hopgraph train` does not")
    found.add_argument("--out", type=_folder, help="the folder for NAME.json; benchmarks/results without it")
    return found


def _folder(text: str) -> Path:
    """A folder, there or not: what is measured for minutes should have a place to go."""
    path = Path(text)
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"`{text}` is no folder")
    return path


def command(name: str, description: str, measure: Callable[[bool], Table]) -> None:
    """Run a benchmark that takes no other arguments."""
    run(name, parser(description).parse_args(), measure)


def run(name: str, given: argparse.Namespace, measure: Callable[[bool], Table]) -> None:
    """Measure, print, write. Memory is kept for both sides, as where HopGraph trains: what new pages cost is nobody's code."""
    kept = not given.default_allocator and keep_memory()
    begun = time.perf_counter()
    table = measure(given.quick)
    shown = {"": [row(result) for result in table.results], **table.details}
    print("\n\n".join(f"{title}\n\n{markdown(rows)}".strip() for title, rows in shown.items() if rows))
    folder = given.out or (None if given.quick else RESULTS)
    if folder is not None:
        facts = {"quick": given.quick, "seconds": round(time.perf_counter() - begun, 1), "freed memory": "kept" if kept else "returned"}
        write(folder / f"{name}.json", name, facts, table)


def write(file: Path, name: str, facts: Row, table: Table) -> None:
    """The table as JSON, with what is known of the run."""
    results = [{**asdict(result), "met": result.met} for result in table.results]
    head = {"name": name, "command": f"python -m benchmarks.{name}", **facts, "machine": machine()}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({**head, "results": results, "details": table.details}, indent=1) + "\n", encoding="utf-8")


def machine() -> dict[str, str]:
    """The machine, the date, and the versions."""
    from hopgraph.bench.gather import machine as known  # imports torch

    found = known("")
    del found["engine"]
    return {**found, **{name: told for name in PACKAGES if (told := _version(name))}}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def row(result: Result) -> Row:
    """A result as the screen shows it."""
    return {
        "": f"{result.name}: {result.what}",
        "rival": result.rival,
        "ours": _amount(result.ours, result.unit),
        "theirs": _amount(result.theirs, result.unit),
        "ratio": str(result.ratio),
        "target": str(result.target or ""),
        "met": {None: "", True: "yes", False: "no"}[result.met],
    }


def _amount(value: float, unit: str) -> str:
    if unit != "s":
        return f"{value:,.0f} {unit}"
    return f"{value * 1e3:.3g} ms" if value < 1 else f"{value:.3g} s"


def markdown(rows: Sequence[Row]) -> str:
    """Rows of the same keys, one at least, as a table."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([_text(value) for value in item.values()] for item in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)
