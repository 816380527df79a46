"""Every architecture of the catalogue computes what its original computes: outputs, gradients, training statistics."""

from __future__ import annotations

import pytest
import torch

from .measure import cases, measure, rounding
from .originals.case import Case

CASES = [pytest.param(case, id=case.name) for case in cases()]


@pytest.mark.parametrize("case", CASES)
def test_in_float64(case: Case) -> None:
    assert measure(case, torch.float64).worst < case.float64


@pytest.mark.parametrize("case", CASES)
def test_in_float32(case: Case) -> None:
    found = measure(case, torch.float32)
    assert found.values < 1e-5
    assert found.gradients < 1e-5 or found.gradients < 3 * rounding(case)  # deep batch norms: no float32 is nearer
