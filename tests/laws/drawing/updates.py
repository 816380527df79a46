"""How the slow layers of a random block move."""

from __future__ import annotations

from typing import Any

from tests.laws.drawing.canvas import Canvas

Pulls = list[tuple[str, str, str]]
"""Synapse, factor and layer of each pull that moves something."""


def update(canvas: Canvas) -> dict[str, Any]:
    """Form, step, stochastic depth and groups."""
    rng, recipe = canvas.rng, canvas.recipe
    parts = _parts(canvas)
    found: dict[str, Any] = {"form": rng.choice(recipe.forms)}
    found["step"] = _step(canvas, found["form"], [pull for part in parts for pull in part])
    if recipe.drop and rng.random() < 0.2:
        found["drop"] = _drop(canvas)
    if len(parts) > 1 or (recipe.groups != "one" and rng.random() < 0.4):
        found["groups"] = [_group(canvas, part) for part in parts]
    return found


def _parts(canvas: Canvas) -> list[Pulls]:
    """The pulls of each group."""
    pulls = [(synapse, factor, layer) for synapse, acting in canvas.pulls.items() for factor, layer in acting]
    if canvas.recipe.groups == "descent":
        return _apart(canvas, pulls)
    if canvas.recipe.groups == "one" or canvas.rng.random() < 0.4:
        return [pulls]
    count = canvas.rng.randint(1, 3)
    parts: list[Pulls] = [[] for _ in range(count)]
    together = canvas.rng.random() < 0.5
    choice = {synapse: canvas.rng.randrange(count) for synapse in canvas.pulls}
    for pull in pulls:
        parts[choice[pull[0]] if together else canvas.rng.randrange(count)].append(pull)
    return [part for part in parts if part]


def _apart(canvas: Canvas, pulls: Pulls) -> list[Pulls]:
    """All pulls of a layer in one group, and layers that touch in different ones."""
    rng = canvas.rng
    parts: list[list[str]] = []
    for layer in rng.sample(canvas.moving, len(canvas.moving)):
        fitting = [part for part in parts if not any(_touch(canvas, layer, other) for other in part)]
        if fitting and rng.random() < 0.8:
            rng.choice(fitting).append(layer)
        else:
            parts.append([layer])
    return [[pull for pull in pulls if pull[2] in part] for part in parts]


def _touch(canvas: Canvas, one: str, other: str) -> bool:
    """Whether a synapse has both layers."""
    return any({one, other} <= {layer for _, layer in acting} for acting in canvas.pulls.values())


def _group(canvas: Canvas, part: Pulls) -> Any:
    rng, recipe = canvas.rng, canvas.recipe
    names = _names(canvas, part)
    if rng.random() < 0.3 and recipe.steps == "any":
        return names
    group: dict[str, Any] = {"synapses": names, "form": rng.choice(recipe.forms)}
    group["step"] = _step(canvas, group["form"], part)
    if recipe.breaking and rng.random() < 0.4:
        group["norm"] = {rng.choice(canvas.slow): rng.choice(["own", "own", "shared"])}
    if recipe.drop and rng.random() < 0.2:
        group["drop"] = _drop(canvas)
    return group


def _names(canvas: Canvas, part: Pulls) -> list[str]:
    """What a group lists: a synapse whose pulls it all has, or `synapse.factor`."""
    found: list[str] = []
    for synapse, factor, _ in part:
        whole = all((synapse, *pull) in part for pull in canvas.pulls[synapse])
        entry = synapse if whole and (synapse in found or canvas.rng.random() < 0.6) else f"{synapse}.{factor}"
        if whole and any(name.startswith(f"{synapse}.") for name in found):
            entry = f"{synapse}.{factor}"
        if entry not in found:
            found.append(entry)
    return canvas.rng.sample(found, len(found))


def _step(canvas: Canvas, form: str, part: Pulls) -> Any:
    """A number, or a learned step over axes that all layers of the group have."""
    rng, recipe = canvas.rng, canvas.recipe
    layers = [canvas.layers[name] for name in dict.fromkeys(layer for _, _, layer in part)]
    largest = recipe.steps == "largest"
    if largest and form == "decay":
        return min(layer.get("tau", 1) for layer in layers)
    numbers = [100.0, 1000.0] if largest else [0.1, 0.5, 1.0, 1.5]
    if rng.random() < 0.6 or recipe.groups == "one":
        return rng.choice(numbers)
    step: dict[str, Any] = {"learned": _along(canvas, layers), "start": rng.choice(numbers[:2] if largest else [0.1, 0.5])}
    if recipe.breaking and rng.random() < 0.3:
        step["sign"] = "free"
    return "learned" if step["learned"] == "scalar" and not largest and rng.random() < 0.3 else step


def _along(canvas: Canvas, layers: list[dict[str, Any]]) -> Any:
    """Axes of every layer; where an energy is to fall none that a layer couples."""
    common = [axis for axis in layers[0]["axes"] if all(axis in layer["axes"] for layer in layers)]
    if canvas.recipe.steps == "largest":
        coupled = {axis for layer in layers for axis in next(iter(layer["lagrangian"].values())).get("over", ())}
        common = [axis for axis in common if axis not in coupled]
    if not common or canvas.rng.random() < 0.3:
        return "scalar"
    return canvas.rng.sample(common, canvas.rng.randint(1, len(common)))


def _drop(canvas: Canvas) -> Any:
    rng = canvas.rng
    rate = rng.choice([0.1, 0.3])
    return rng.choice([rate, {"rate": rate, "per": "pull"}, {"rate": rate, "schedule": "linear"}])
