"""The symmetric siblings are symmetric, and descend where their certificates say so."""

from __future__ import annotations

import pytest

from hopgraph.graph.certificate import Verdict

from .siblings import DESCENDING, Sibling, measured, siblings

SIBLINGS = [pytest.param(sibling, id=sibling.label.replace(" ", ":")) for sibling in siblings()]


@pytest.mark.parametrize("sibling", SIBLINGS)
def test_a_symmetric_sibling(sibling: Sibling) -> None:
    found = measured(sibling)
    spec = sibling.load()
    assert found.tied
    assert found.update_error < 1e-12
    assert not found.problems
    if not any(stage.block.circles for stage in spec.ham.stages):  # a truncated circle is not the gradient of an energy
        assert max(found.asymmetry, found.activation_asymmetry) < 1e-12
    if Verdict(found.verdict) in DESCENDING:
        assert found.energy_rise is not None
        assert found.energy_fall is not None
        assert found.energy_rise < 1e-12
        assert found.energy_fall > 0
