"""A whole random spec: input, encoder, one block or two stages, readout."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import yaml

from tests.laws.drawing import kinds
from tests.laws.drawing.canvas import Canvas
from tests.laws.drawing.recipe import EVERYTHING, Recipe, numbers
from tests.laws.drawing.updates import update

Entry = dict[str, int]
"""The axes of a state with their sizes."""


def random_spec(seed: int, recipe: Recipe = EVERYTHING) -> str:
    """A spec as YAML text; the same for the same seed and recipe."""
    rng = numbers(seed)
    head, entry = _input(rng)
    first, state = _block(rng, recipe, entry)
    body: dict[str, Any] = {"block": first}
    if recipe.stages and rng.random() < 0.2:
        down, entry = _down(rng, state)
        second, state = _block(rng, recipe, entry)
        body = {"stages": [{"block": first}, {"down": down, "block": second}]}
    spec = {"hopgraph": 1, "name": "random", **head, **body, "readout": _readout(rng, list(state))}
    return yaml.safe_dump(spec, sort_keys=False, default_flow_style=None, width=120)


# --- ends ---


def _input(rng: Random) -> tuple[dict[str, Any], Entry]:
    """The input and encoder, and the state that they give: one to three axes."""
    return rng.choice([_image, _patches, _patches, _tensor, _tokens])(rng)


def _image(rng: Random) -> tuple[dict[str, Any], Entry]:
    sizes = [rng.randint(2, 4) for _ in range(3)]
    return {"input": {"image": sizes}}, dict(zip(["channels", "height", "width"], sizes, strict=True))


def _patches(rng: Random) -> tuple[dict[str, Any], Entry]:
    patch, channels, colors = rng.randint(1, 2), rng.randint(2, 5), rng.randint(1, 3)
    tokens, features = rng.choice([("n", "c"), ("c", "n"), ("T", "in_features")])
    grid = [rng.randint(1, 2), rng.randint(2, 3)]
    encoder: list[Any] = [{"patch_embed": {"size": patch, "channels": channels, "axes": [tokens, features]}}]
    head = {"input": {"image": [colors, grid[0] * patch, grid[1] * patch]}, "encoder": encoder}
    if rng.random() < 0.3:
        encoder.append({"mean": [tokens]})
        return head, {features: channels}
    return head, {tokens: math.prod(grid), features: channels}


def _tensor(rng: Random) -> tuple[dict[str, Any], Entry]:
    axes = rng.sample(["n", "c", "d", "e3"], rng.randint(1, 3))
    sizes = {axis: rng.randint(2, 4) for axis in axes}
    return {"input": {"tensor": sizes}}, sizes


def _tokens(rng: Random) -> tuple[dict[str, Any], Entry]:
    length, vocabulary, channels = rng.randint(2, 4), rng.randint(3, 6), rng.randint(2, 4)
    embed = {"embed": {"vocabulary": vocabulary, "channels": channels, "axes": ["n", "c"]}}
    return {"input": {"tokens": {"length": length, "vocabulary": vocabulary}}, "encoder": [embed]}, {"n": length, "c": channels}


def _down(rng: Random, state: Entry) -> tuple[list[Any], Entry]:
    """Operations between two blocks, and the state that they give."""
    last = list(state)[-1]
    if len(state) == 3:
        channels, height, width = state
        new = {channels: 3, **{axis: (state[axis] - 1) // 2 + 1 for axis in (height, width)}}
        return [{"conv": {"channels": 3, "kernel": 3, "stride": 2, "padding": 1}}], new
    size = rng.randint(2, 4)
    return [{"linear": {"out": size, "axis": last}}], {**state, last: size}


def _readout(rng: Random, axes: list[str]) -> list[Any]:
    if rng.random() < 0.5:
        return []
    *over, last = axes
    norm = {"layernorm": {"over": [last], "gain": "vector", "bias": "vector"}}
    return [norm, *([{"mean": over}] if over else []), {"linear": 3}]


# --- blocks ---


def _block(rng: Random, recipe: Recipe, entry: Entry) -> tuple[dict[str, Any], Entry]:
    """A block that takes a state, and the state that it gives."""
    canvas = Canvas(rng, recipe, entry)
    for _ in range(rng.randint(1, recipe.synapses)):
        kinds.KINDS[rng.choice(recipe.kinds)](canvas)
    _complete(canvas)
    if recipe.fields and rng.random() < 0.3:
        kinds.field(canvas)
    _clamp_entry(canvas)
    symmetry = "tied" if recipe.symmetry == "tied" else rng.choice(["tied", "own", {"penalized": rng.choice(kinds.PENALTIES)}])
    block: dict[str, Any] = {"axes": canvas.sizes, "layers": canvas.layers, "synapses": canvas.synapses, "symmetry": symmetry}
    block |= {"update": update(canvas), "depth": rng.randint(1, 2), "steps": rng.randint(1, 3)}
    block |= {"solve": canvas.solve if len(canvas.solve) > 1 else canvas.solve[0]} if canvas.solve else {}
    exit_ = _ways(canvas, block)
    return block, {axis: canvas.sizes[axis] for axis in canvas.axes(exit_)}


def _complete(canvas: Canvas) -> None:
    """Something pulls on every layer that moves."""
    while True:
        moved = {layer for acting in canvas.pulls.values() for _, layer in acting}
        waiting = [layer for layer in canvas.moving if layer not in moved]
        if not waiting:
            return
        kinds.feed(canvas, waiting[0])


def _clamp_entry(canvas: Canvas) -> None:
    """Sometimes the entry stays as it is given, where another layer moves."""
    if len(canvas.moving) > 1 and canvas.recipe.slow_layers > 1 and canvas.rng.random() < 0.25:
        canvas.layers["x"]["clamped"] = True
        for name, acting in canvas.pulls.items():
            canvas.pulls[name] = [(factor, layer) for factor, layer in acting if layer != "x"]


def _ways(canvas: Canvas, block: dict[str, Any]) -> str:
    """Sets the entry and the exit, and a depth that they allow; gives the exit."""
    rng = canvas.rng
    exit_ = "x" if "x" in canvas.moving and rng.random() < 0.6 else rng.choice(canvas.moving)
    if canvas.axes(exit_) != canvas.axes("x"):
        block["depth"] = 1
    order = list(canvas.layers) if rng.random() < 0.5 else rng.sample(list(canvas.layers), len(canvas.layers))
    block["layers"] = {name: canvas.layers[name] for name in order}
    slow = [name for name in order if name in canvas.slow]
    if slow[0] != "x" or rng.random() < 0.3:
        block["entry"] = "x"
    block["exit"] = exit_
    default = "x" if "x" in canvas.moving else next(name for name in order if name in canvas.moving)
    if exit_ == default and rng.random() < 0.7:
        del block["exit"]
    return exit_
