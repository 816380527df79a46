"""Any number of inputs through a session, whose engine may take no more than so many at once, and no fewer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .manifest import Form
from .record import Array


def limits(form: Form) -> tuple[int, int]:
    """The smallest and the largest batch that a form takes: engines have the fact `batches`, other forms take any."""
    match form.facts.get("batches"):
        case [int(least), int(), int(most)] if 0 < least <= most:
            return least, most
        case _:
            return 1, sys.maxsize


def in_parts(session: Callable[[NDArray[Any]], Array], form: Form, inputs: NDArray[Any]) -> Array:
    """The outputs of inputs [count, ...], in parts as large as they may be. One that is too small is filled up with its last input."""
    least, most = limits(form)
    parts = [inputs[start : start + most] for start in range(0, len(inputs), most)]
    return np.concatenate([session(_filled(part, least))[: len(part)] for part in parts])


def in_groups(session: Callable[[NDArray[Any]], Array], form: Form, inputs: Sequence[NDArray[Any]]) -> list[Array]:
    """The output of each of several inputs, in their order; those of one shape are computed together."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, given in enumerate(inputs):
        groups.setdefault(given.shape, []).append(place)
    outputs: dict[int, Array] = {}
    for places in groups.values():
        found = in_parts(session, form, np.stack([inputs[place] for place in places]))
        outputs.update(zip(places, found, strict=True))
    return [outputs[place] for place in range(len(inputs))]


def _filled(part: NDArray[Any], least: int) -> NDArray[Any]:
    return np.concatenate([part, *[part[-1:]] * (least - len(part))])
