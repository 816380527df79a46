"""The table of a benchmark, as columns and rows of text, and what is not in it."""

from __future__ import annotations

from collections.abc import Callable

from hopgraph.bench.candidates import Candidate
from hopgraph.bench.table import Table
from hopgraph.bench.timing import Measured, Timing


def bench_table(measured: Measured) -> Table:
    """A row for each candidate and batch size that was timed. Columns that tell nothing are left out."""
    columns = ("bundle", "variant", "runtime", "dtype", "batch", *BENCH_COLUMNS)
    rows = [(*_names(item.candidate), str(item.batch), *(tell(item) for tell in BENCH_COLUMNS.values())) for item in measured.timings]
    kept = [index for index in range(len(columns)) if any(row[index] not in ("", "-") for row in rows)]
    return Table(tuple(columns[index] for index in kept), tuple(tuple(row[index] for index in kept) for row in rows))


def not_run_lines(measured: Measured) -> list[str]:
    """What has no row or lacks a number, and why: `not run: onnxruntime-cuda float32 of bundle: no GPU`."""
    lines = [f"not run: {_name(item)}: {item.reason}" for item in measured.candidates if item.reason]
    lines += [f"not run: {_name(item.candidate)}, batch {item.batch}: {item.reason}" for item in measured.refused]
    lines += [f"not measured: {_name(item.candidate)}, batch {item.batch}: {text}" for item in measured.timings for text in item.missing]
    return lines


def _name(candidate: Candidate) -> str:
    return f"{candidate.runtime} {candidate.dtype} of {candidate.bundle}"


def _names(candidate: Candidate) -> tuple[str, ...]:
    return candidate.bundle, candidate.variant, candidate.runtime, candidate.dtype


def ratio_text(timing: Timing) -> str:
    """`1.20x (1.151 to 1.263)`, with the runtime of the baseline where it is another; `no difference` where the interval holds 1."""
    if timing.baseline in (None, timing.candidate) and timing.ratio_low == timing.ratio_high == 1:
        return "baseline"
    other = timing.baseline.runtime if timing.baseline and timing.baseline.runtime != timing.candidate.runtime else None
    told = f"{timing.ratio:.2f}x" if timing.differs else "no difference"
    interval = f"{timing.ratio_low:.3f} to {timing.ratio_high:.3f}"
    return f"{told} ({interval}{f', to {other}' if other else ''})"


def seconds_text(seconds: float | None) -> str:
    """`0.53 ms`; microseconds where it is less than a tenth of one."""
    if seconds is None:
        return "-"
    return f"{seconds * 1e3:,.2f} ms" if seconds >= 1e-4 else f"{seconds * 1e6:.1f} us"


def _joules_text(timing: Timing) -> str:
    return "-" if timing.joules is None else f"{timing.joules / timing.batch * 1e3:,.3g} mJ"


def _limit_text(timing: Timing) -> str:
    return "-" if timing.of_the_limit is None else f"{timing.of_the_limit:.0%}"


def _doubts(timing: Timing) -> str:
    doubts = [text for whole, text in ((timing.settled, "did not settle"), (timing.rested, "did not rest")) if not whole]
    return ", ".join(doubts) or "-"


BENCH_COLUMNS: dict[str, Callable[[Timing], str]] = {
    "median": lambda timing: seconds_text(timing.median),
    "ratio to the baseline": ratio_text,
    "p90": lambda timing: seconds_text(timing.p90),
    "p99": lambda timing: seconds_text(timing.p99),
    "examples/s": lambda timing: f"{timing.throughput:,.0f}",
    "of the limit": _limit_text,
    "on the GPU": lambda timing: seconds_text(timing.device),
    "energy of an example": _joules_text,
    "calls": lambda timing: f"{timing.calls:,}",
    "in doubt": _doubts,
}
"""What is told of a timing, by the column's heading."""
