"""The laws over random specs as a table: what each measures, how large it may be, and over how many seeds it is held."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import artefacts, measures


@dataclass(frozen=True)
class Law:
    """`measure(seed)` is at most `tolerance`, over `fast` seeds at every run and `slow` in all; None: the law says nothing of it."""

    name: str
    measure: Callable[[int], float | None]
    tolerance: float
    fast: int
    slow: int


LAWS = (
    Law("the compiled update is the oracle's", measures.update, 1e-10, 20, 400),
    Law("the compiled first states are the oracle's", measures.first_states, 1e-10, 15, 200),
    Law("compiled activations are dL/dx", measures.activations, 1e-10, 15, 200),
    Law("the compiled pulls of a synapse are -dE_s/dg", measures.pull, 1e-10, 15, 400),
    Law("tied pulls are -dE/dg of the whole energy", measures.gradient_of_the_total, 1e-10, 15, 400),
    Law("dE/dx is along the update", measures.slope, 1e-9, 15, 200),
    Law("the Jacobian of tied pulls is symmetric", measures.asymmetry, 1e-10, 12, 300),
    Law("a solved circle's pulls are symmetric", measures.solved_circle, 1e-9, 4, 40),
    Law("own copies of tied weights compute as tied", measures.own_copies, 0.0, 15, 150),
    Law("penalized without V computes as tied", measures.no_departure, 0.0, 15, 150),
    Law("penalized is own with W + V", measures.coordinates, 1e-12, 15, 150),
    Law("the forward is the oracle's", measures.forward, 1e-9, 12, 200),
    Law("gradients are those through the oracle", measures.gradients, 1e-9, 12, 200),
    Law("steps and depth are updates in turn", measures.steps_and_depth, 0.0, 15, 150),
    Law("a guaranteed energy does not rise", measures.descent, 1e-9, 8, 300),
    Law("whatever is guaranteed does not rise", measures.descent_of_any, 1e-9, 12, 400),
    Law("the printed source computes the model to the bit", artefacts.printed, 0.0, 15, 150),
    Law("the standalone module computes the model to the bit", artefacts.standalone, 0.0, 10, 100),
    Law("a dump reads back as the same, after every pass", artefacts.dumps, 0.0, 10, 150),
    Law("the penalty is its formula", artefacts.penalty, 1e-12, 15, 100),
    Law("evaluation is repeatable, and keeps its statistics", artefacts.evaluation, 0.0, 10, 100),
)
