"""Which positions of a matrix a mask keeps: how a spec says it, and the causal axes that come of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from hopgraph.energy.options import JsonSchema, as_mapping, either, mapping_of, wrong

if TYPE_CHECKING:
    from torch import Tensor

Word = Literal["causal", "strict", "off_diagonal"]
"""The patterns that a word says."""
Pattern = Word | Literal["band"]
PATTERNS: tuple[Pattern, ...] = ("causal", "strict", "off_diagonal", "band")
CAUSAL: tuple[Pattern, ...] = ("causal", "strict")
"""The patterns of which row i keeps no column after i."""


def pattern_fields(value: Any) -> dict[str, Any]:
    """`causal` as `{mask: causal}` and `{band: 3}` as `{mask: band, band: 3}`: one model has both fields."""
    given = as_mapping(value)
    if given is not None and set(given) == {"band"}:
        return {"mask": "band", "band": given["band"]}
    if value not in ("causal", "strict", "off_diagonal"):
        raise wrong("a map whose `mask` is `causal` (j <= i), `strict` (j < i), `off_diagonal` (j != i) or `{band: w}` (|i - j| <= w)")
    return {"mask": value}


def written(width: JsonSchema) -> JsonSchema:
    """The JSON Schema of what `pattern_fields` reads."""
    return either({"enum": ["causal", "strict", "off_diagonal"]}, mapping_of({"band": width}, "band"))


def kept(pattern: Pattern, width: int | None, rows: int, columns: int) -> Tensor:
    """The 0/1 matrix by its definition, [rows, columns], for the reference."""
    import torch

    i, j = torch.arange(rows)[:, None], torch.arange(columns)[None, :]
    tests = {"causal": j <= i, "strict": j < i, "off_diagonal": j != i, "band": (i - j).abs() <= (width or 0)}
    return tests[pattern]
