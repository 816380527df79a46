"""What the commands print: JSON, tables, files, progress; and the lists that their options take."""

from __future__ import annotations

import json
import math
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from hopgraph.bench.compare import Progress
    from hopgraph.bench.table import Table
    from hopgraph.train.logs import Progress as Training
    from hopgraph.train.logs import Report


def print_json(data: object) -> None:
    """Plain data, indented."""
    print(json.dumps(data, indent=1))


def print_table(table: Table) -> None:
    """The table as wide as its text, so that nothing of it is cut where the output is no terminal. Brackets in it are no markup."""
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable(show_lines=True)
    for column in table.columns:
        shown.add_column(Text(column))
    for row in table.rows:
        shown.add_row(*map(Text, row))
    console = Console()
    if not console.is_terminal:
        widths = [max(map(len, cells)) for cells in zip(table.columns, *table.rows, strict=True)]
        console = Console(width=sum(widths) + 3 * len(widths) + 1)
    console.print(shown)


@contextmanager
def progress(quiet: bool, *, remaining: bool = True) -> Generator[Progress]:
    """A progress bar on standard error: call it with what is done, and how many of how many steps are behind.

    Where `remaining`, the bar says the time that is left, as it guesses it.
    """
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as ProgressBar

    percentage, what = TextColumn("{task.percentage:>3.0f}%"), TextColumn("{task.description}")
    left = (TimeRemainingColumn(),) if remaining else ()
    columns = (BarColumn(bar_width=20), percentage, TimeElapsedColumn(), *left, what)
    with ProgressBar(*columns, console=Console(stderr=True), disable=quiet) as bar:
        task = bar.add_task("starting", total=None)

        def tell(what: str, done: float, total: float) -> None:
            bar.update(task, description=what, completed=done, total=total)

        yield tell


@contextmanager
def training_progress(quiet: bool) -> Generator[Report]:
    """A progress bar of a training."""
    with progress(quiet, remaining=False) as tell:
        yield lambda now: tell(training_line(now), now.step, now.steps)


def training_line(now: Training) -> str:
    """How far a training is: `epoch 3/20, 0:00:12 left, 9,120/s: loss 0.412, accuracy 0.871 (test 0.902)`."""
    left = f", {timedelta(seconds=round(now.seconds_left))} left" if math.isfinite(now.seconds_left) else ""
    tested = {name: f" (test {value:.3f})" for name, value in now.test.items()}
    measured = {"loss": now.loss, **now.train}
    told = [f"{name.replace('_', ' ')} {value:.3f}{tested.get(name, '')}" for name, value in measured.items()]
    return f"epoch {now.epoch}/{now.epochs}{left}, {now.examples_per_second:,.0f}/s: {', '.join(told)}"


def print_or_write(text: str, out: Path | None) -> None:
    """A text into a file, or on standard output where there is none."""
    if out is None:
        print(text, end="")
        return
    from hopgraph.files import write_text

    write_text(out, text)
    print(f"wrote {out}")


def listed_numbers(text: str, option: str) -> tuple[float, ...]:
    """The numbers in `0.5,0.5,0.5`. Wrong usage where one is none."""
    try:
        found = tuple(map(float, listed(text)))
    except ValueError:
        found = (math.nan,)
    if not all(map(math.isfinite, found)):
        raise typer.BadParameter("numbers, as 0.5,0.5,0.5", param_hint=option)
    return found


def listed(text: str) -> list[str]:
    """The words in `a,b`."""
    return [name.strip() for name in text.split(",") if name.strip()]
