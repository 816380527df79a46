"""What was found, for the screen: a line for each section, and the rows that have a rival beside their target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.__main__ import result
from benchmarks.gpu.runner import Outcome
from benchmarks.tables import markdown, row


def summary(found: Sequence[Outcome]) -> str:
    """As Markdown."""
    rivals = [row(result(dict(item))) for outcome in found for item in outcome.rows if "rival" in item]
    failed = [failure(outcome.name, item) for outcome in found for item in outcome.rows if "failed" in item]
    return "\n\n".join(markdown(rows) for rows in (list(map(line, found)), rivals, failed) if rows)


def line(outcome: Outcome) -> Mapping[str, Any]:
    """What became of a section."""
    last = outcome.reason.splitlines()[-1] if outcome.reason else ""
    return {
        "section": outcome.name,
        "": outcome.status,
        "rows": len(outcome.rows),
        "failed": outcome.failures,
        "s": outcome.seconds,
        "why": last,
    }


def failure(name: str, item: Mapping[str, Any]) -> Mapping[str, Any]:
    """An error of a part of a section, in a line."""
    return {"section": name, "part": item["name"], "error": item["failed"].splitlines()[0]}
