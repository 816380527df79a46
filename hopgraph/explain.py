"""The long form of every diagnostic: what it means, why it is refused, an example that gives it and the same one mended.

One Markdown file per code in `explanations/`; its first line is the code and its line of :data:`hopgraph.errors.CODES`.
"""

from __future__ import annotations

from importlib.resources import files

from hopgraph.errors import CODES, Diagnostic, HopgraphError, similar


def explanation(code: str) -> str:
    """The explanation of a code, as Markdown. Raises HopgraphError for a code that there is not."""
    if code not in CODES:
        raise HopgraphError(_unknown(code))
    return (files("hopgraph") / "explanations" / f"{code}.md").read_text(encoding="utf-8")


def _unknown(code: str) -> Diagnostic:
    near = [f"`{name}`" for name in similar(code, CODES)]
    notes = () if near else ("the code of an error stands in brackets after the word `error`",)
    helps = f"write {' or '.join(near)}" if near else "run `hopgraph explain` for a list of all codes"
    return Diagnostic("code-unknown", f"no diagnostic has the code `{code}`", notes=notes, helps=(helps,))


def overview() -> str:
    """Every code with the one line that says what it stands for, as Markdown."""
    return "".join(f"- `{code}`: {meaning}\n" for code, meaning in CODES.items())
