"""Random Lagrangians, as the language writes them."""

from __future__ import annotations

from random import Random
from typing import Any

from hopgraph.energy.lagrangians import LAGRANGIANS

_NUMBERS: dict[str, tuple[Any, ...]] = {
    "beta": (1.0, 0.5, 2.0, "learned", {"learned": 0.5}),
    "eps": (1e-6, 1e-3, 0.1),
    "n": (2, 3, 2.5),
    "scale": (0.8944, 2),
    "learned": (True, False),
    "positive": (True, False),
}


def lagrangian(
    rng: Random,
    kind: str,
    axes: list[str],
    *,
    breaking: bool,
    masks: bool = False,
    causal: bool = True,
    hidden: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """A Lagrangian of that kind with random options for a layer on `axes`; it couples no axis that is `hidden`."""
    fields = LAGRANGIANS[kind].options.model_fields
    options: dict[str, Any] = {}
    over: list[str] = []
    if "over" in fields:
        free = [axis for axis in axes if axis not in hidden]
        over = options["over"] = rng.sample(free, rng.randint(1, len(free)))
    options |= {field: rng.choice(values) for field, values in _NUMBERS.items() if field in fields}
    if "gain" in fields:
        options["gain"] = rng.choice(_gains(rng, axes, over, breaking=breaking))
    if "bias" in fields:
        along = [*(["vector"] if over else []), "none", "scalar", rng.sample(axes, rng.randint(1, len(axes)))]
        options["bias"] = rng.choice(along if "gain" in fields else [-0.4472, 0.0, 1])
    if "mask" in fields and masks and len(axes) > 1 and rng.random() < 0.8:
        options["mask"] = _mask(rng, axes, over, causal=causal)
    return {kind: options}


def _gains(rng: Random, axes: list[str], over: list[str], *, breaking: bool) -> list[Any]:
    """Gains; those along a normalized axis where `breaking` allows it."""
    apart = [axis for axis in axes if axis not in over]
    gains: list[Any] = ["none", "scalar", *([rng.sample(apart, rng.randint(1, len(apart)))] if apart else [])]
    return gains + (["vector", rng.sample(axes, len(axes)), [rng.choice(over)]] if breaking and over else [])


def _mask(rng: Random, axes: list[str], over: list[str], *, causal: bool) -> dict[str, Any]:
    column = rng.choice(over)
    pair = [rng.choice([axis for axis in axes if axis != column]), column]
    choices: list[dict[str, Any]] = [{"off_diagonal": pair}, {"band": pair, "width": rng.randint(1, 2)}]
    return rng.choice(choices + ([{"causal": pair}, {"strict": pair}] if causal else []))
