"""The step that the benchmark of training times goes on after an epoch."""

from __future__ import annotations

from benchmarks.training import BATCH, EXAMPLES, ours
from hopgraph.passes.pipeline import load
from tests.deploy.conftest import SMALL


def test_a_step_of_ours_can_be_taken_for_longer_than_an_epoch() -> None:
    step = ours(load("paramixer", "broken,digits", SMALL))
    for _ in range(EXAMPLES // BATCH + 2):
        step()
