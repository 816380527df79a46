"""Stochastic depth of a recipe, laid over a spec."""

from __future__ import annotations

import json
from dataclasses import replace

from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.train.run import SpecText


def with_drop_path(spec: CheckedSpec, rate: float) -> CheckedSpec:
    """The spec whose every block leaves groups of pulls out in training, at a rate that grows to `rate` at the last block.

    It is laid over as a setting, so that the text of the run keeps it. A group that says its own `drop` keeps that. Raises HopgraphError.
    """
    if not rate:
        return spec
    stages = spec.loaded.spec.stages
    blocks = [f"stages.{index}.block" for index in range(len(stages))] or ["block"]
    drop = json.dumps({"rate": rate, "per": "group", "schedule": "linear"})
    text = SpecText.of(spec)
    return replace(text, settings=(*text.settings, *(f"{block}.update.drop={drop}" for block in blocks))).load()
