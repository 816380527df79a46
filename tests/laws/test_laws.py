"""The laws of the table over random specs, and the chart of what they are held over (`pytest tests/laws -s -k worst`)."""

from __future__ import annotations

from typing import Any

import pytest

from .report import rows
from .table import LAWS, Law


def _cases() -> list[Any]:
    """Every law with each of its seeds; the later seeds where slow tests run."""
    return [
        pytest.param(law, seed, id=f"{law.name}-{seed}", marks=[pytest.mark.slow] if seed >= law.fast else [])
        for law in LAWS
        for seed in range(law.slow)
    ]


@pytest.mark.parametrize(("law", "seed"), _cases())
def test_law(law: Law, seed: int) -> None:
    error = law.measure(seed)
    assert error is None or error <= law.tolerance


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_the_worst_error_of_a_few_seeds_is_reported(law: Law) -> None:
    (row,) = rows((law,), 2)
    print(row)
    assert row.startswith(law.name)
