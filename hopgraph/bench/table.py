"""The comparison's one table, as columns and rows of text: what the terminal prints and the report shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hopgraph.bench.results import Comparison, Row
from hopgraph.bench.statistics import Against, Interval
from hopgraph.bench.timing import Timing
from hopgraph.lower.verify import Verification
from hopgraph.runtime import Manifest, Parity
from hopgraph.train.run import told, words


@dataclass(frozen=True)
class Table:
    """Headings and cells."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


WIDEST = 7
"""With more variants than this, each has a row and not a column."""
FEW = "too few seeds"


def comparison_table(comparison: Comparison) -> Table:
    """A column for each variant; rows for parameters, measured values, certificate, asymmetry, bytes and times by runtime.

    Ratios in parentheses are to the first variant that has the number.
    """
    rows = comparison.rows
    lines = [("parameters", *_ratios([row.parameters for row in rows]))]
    for name in comparison.measured:
        lines.append((f"test {words(name)}", *(measured_text(row, name) for row in rows)))
        lines += _statistics(comparison, name)
    lines += [
        ("certificate", *(row.certificate for row in rows)),
        ("weight asymmetry", *(_number(row.asymmetry) for row in rows)),
        ("asymmetry of du/dg", *(_number(row.ledger) for row in rows)),
    ]
    exporters = dict.fromkeys(name for row in rows for name in row.bytes)
    lines += [(_title(name), *_ratios([row.bytes.get(name) for row in rows])) for name in exporters]
    for runtime, batch in dict.fromkeys((timing.candidate.runtime, timing.batch) for row in rows for timing in row.timings):
        timings = [row.timing(runtime, batch) for row in rows]
        place = f"{runtime}, batch {batch}"
        lines.append((f"{place}: latency", *(timing_text(timing) if timing else "-" for timing in timings)))
        lines.append((f"{place}: examples/s", *(f"{timing.throughput:,.0f}" if timing else "-" for timing in timings)))
    for runtime in dict.fromkeys(name for row in rows for name in row.not_run):
        reasons = [row.not_run.get(runtime) for row in rows]
        lines.append((f"{runtime}: latency", *(not_run_text(reason) if reason else "-" for reason in reasons)))
    table = Table(("", *(row.variant for row in rows)), tuple(lines))
    return table if len(rows) <= WIDEST else transposed(table)


def transposed(table: Table) -> Table:
    """The same cells with rows and columns exchanged."""
    columns, *rows = zip(table.columns, *table.rows, strict=True)
    return Table(columns, tuple(rows))


def _statistics(comparison: Comparison, name: str) -> list[tuple[str, ...]]:
    """The interval of a measured value, and every variant against the first; neither where there is one seed or one variant."""
    found = comparison.statistics[name]
    title, first = f"test {words(name)}", found[0].variant
    lines: list[tuple[str, ...]] = []
    if found[0].seeds > 1:
        lines.append((f"{title}, 95% interval", *(interval_text(item.interval) for item in found)))
    if found[0].seeds > 1 and len(found) > 1:
        lines.append((f"{title}, minus {first}", *(against_text(item.against_first) for item in found)))
    return lines


def interval_text(interval: Interval) -> str:
    """`0.960 to 0.984`."""
    return FEW if interval.low is None or interval.high is None else f"{interval.low:.3f} to {interval.high:.3f}"


def against_text(against: Against | None) -> str:
    """`+0.012 (p 0.021, Holm 0.063; d 1.9)`."""
    if against is None:
        return "-"
    difference = f"{against.difference.mean:+.3f}"
    if against.p is None or against.holm is None:
        return f"{difference} ({FEW if against.difference.low is None else 'the same for all seeds'})"
    return f"{difference} (p {_p(against.p)}, Holm {_p(against.holm)}; d {against.effect:.1f})"


def _p(value: float) -> str:
    return "< 0.001" if value < 1e-3 else f"{value:.3f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _ratios(values: Sequence[int | None]) -> list[str]:
    """Numbers with their ratios to the first; a dash where there is none."""
    first = next((value for value in values if value is not None), 0)
    return ["-" if value is None else _ratio(value, first) for value in values]


def _ratio(value: int, baseline: int) -> str:
    return f"{value:,} ({value / baseline:.2f}x)" if baseline else f"{value:,}"


def _title(exporter: str) -> str:
    titles = {"pytorch": "safetensors bytes", "onnx": "ONNX bytes", "tensorrt": "engine bytes"}
    return titles.get(exporter, f"{exporter} bytes")


def not_run_text(reason: str) -> str:
    """What stands where a number would, for a file that could not be run here."""
    return f"built, not run: {reason}"


def measured_text(row: Row, name: str) -> str:
    """`0.972 +- 0.004`, or one seed's value alone."""
    spread = row.spread(name)
    return f"{row.mean(name):.3f}" + ("" if spread is None else f" \N{PLUS-MINUS SIGN} {spread:.3f}")


def timing_text(timing: Timing) -> str:
    """`0.53 ms (1.03x)`, the median and its ratio; a ratio whose interval holds 1 reads `no difference`."""
    if timing.ratio == timing.ratio_low == timing.ratio_high == 1:
        compared = "1.00x"
    else:
        compared = f"{timing.ratio:.2f}x" if timing.differs else "no difference"
    return f"{timing.median * 1e3:.2f} ms ({compared})"


def bundle_table(manifest: Manifest) -> Table:
    """A row for each form of a bundle."""
    sizes = {file.path: file.bytes for file in manifest.files}
    rows: list[tuple[str, ...]] = []
    for form in manifest.forms:
        checked = [f"{runtime}: {parity_text(parity)}" for runtime, parity in form.parity.items()]
        checked += [f"{runtime}: {not_run_text(reason)}" for runtime, reason in form.not_run.items()]
        total = sum(sizes[name] for name in form.files)
        rows.append((f"{form.exporter} {form.dtype}", form.file, f"{total:,}", "; ".join(checked)))
    return Table(("form", "file", "bytes of all that it reads", "against the model in float64, relative"), tuple(rows))


def parity_text(parity: Parity) -> str:
    """`random 2.1e-07, real 1.9e-07, test accuracy 0.9722`."""
    real = "" if parity.real is None else f", real {parity.real:.1e}"
    measured = f", {told(parity.test)}" if parity.test else ""
    return f"random {parity.random:.1e}{real}{measured}"


def verification_table(results: Sequence[Verification]) -> Table:
    """A row for each variant that was verified."""
    rows: list[tuple[str, ...]] = []
    for result in results:
        energy = "no energy of its own"
        if result.energy_rise is not None and result.energy_fall is not None:
            energy = f"{result.energy_fall:.1%} over {result.energy_steps} steps, largest rise {result.energy_rise:.1e}"
        verdict = "; ".join(result.problems) or "as promised"
        numbers = (f"{result.update_error:.1e}", f"{result.asymmetry:.1e}" if result.asymmetry < 1e-3 else f"{result.asymmetry:.3f}")
        rows.append((result.variant, *numbers, f"{result.activation_asymmetry:.1e}", result.verdict, energy, verdict))
    columns = ("variant", "update against autograd", "asymmetry of du/dg", "of dg/dx", "certificate", "energy falls by", "verdict")
    if all(result.circle_residual is None for result in results):
        return Table(columns, tuple(rows))
    residuals = ["-" if result.circle_residual is None else f"{result.circle_residual:.1e}" for result in results]
    return Table((*columns, "residual of circles"), tuple((*row, residual) for row, residual in zip(rows, residuals, strict=True)))
